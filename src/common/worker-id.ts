/** What the id of a worker begins with, from the name of its certificate or host; empty when nothing of it can be used. */
export const workerIdPrefix = (name: string): string => name.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 80);
