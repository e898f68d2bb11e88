/** Threads: the proving pool and one-job threads. See README.md. */

export { createInlineExecutor, createThreads } from './executors.ts';
export { type JobContext, type JobOptions, type JobOrder, runInThread } from './one-shot.ts';
export { PooledProver } from './pooled-prover.ts';
export { siblingModule, threadExecArgv } from './thread-files.ts';
export { ThreadPool } from './thread-pool.ts';
