/** What every part of zkraft shares: errors, field encodings, digests, durations, logs. See README.md. */
export * from './addresses.ts';
export * from './bind.ts';
export * from './digest.ts';
export * from './disk-failure.ts';
export * from './durations.ts';
export * from './element-bytes.ts';
export * from './error-table.ts';
export * from './errors.ts';
export * from './field.ts';
export * from './file-chunks.ts';
export * from './folders.ts';
// Not the loggers themselves (logging/): threads that log nothing need not load them.
export type { Logger } from './logging/index.ts';
export * from './version.ts';
export * from './worker-id.ts';
