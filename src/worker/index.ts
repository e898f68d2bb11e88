/** The worker agent: takes tasks from the coordinator, proves them, and owes an answer for each. See README.md. */
export { type Budget, type Machine, type ReadFile, readBudget } from './budget.ts';
export type { Clock } from './clock.ts';
export type { WorkerState } from './http.ts';
export { OUTCOMES, STAGES, WORKER_METRICS } from './metrics.ts';
export type { WorkerOptions } from './options.ts';
export { type CloseOptions, startWorker, type Worker } from './worker.ts';
