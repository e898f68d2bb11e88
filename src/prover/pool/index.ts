/** Threads: the proving pool and one-job threads. See README.md. */
export { type JobContext, type JobOptions, runInThread } from './one-shot.ts';
