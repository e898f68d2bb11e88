/**
 * What every coordinator holds in common: workers, live leases, and decisions that the database has not seen yet.
 *
 * It is small on purpose. A task is here from the moment it is leased until its last decision is in PostgreSQL; a
 * pending task that the database knows as pending is not here at all. Binary fields are base64 text, so that commands
 * and snapshots are plain JSON. All times are the leader's, in epoch milliseconds, and never run backwards.
 */

import { FIRST_STATE_VERSION } from './versions.ts';

/** A worker's right to one task. `epoch` is the index of the entry that granted it. */
export interface LeaseRef {
  readonly taskId: string;
  readonly workerId: string;
  readonly attempt: number;
  readonly epoch: number;
}

/** What is to be proved; all of it that the leader needs after a restart, except the leaves. */
export interface TaskSpec {
  readonly id: string;
  readonly requestId: string;
  readonly circuitId: string;
  /** Hex digest of the pinned manifest. */
  readonly circuitDigest: string;
  readonly treeId: string;
  readonly depth: number;
  readonly leafIndex: number;
  /** 32 bytes, base64. */
  readonly root: string;
  readonly externalHash: string;
}

/** How often and how soon a task may be tried again; fixed by the leader when it leases the task. */
export interface RetryRule {
  readonly attemptsMax: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
}

export type TaskPhase = 'pending' | 'assigned' | 'in_progress' | 'completed' | 'failed' | 'cancelled';

export interface TaskError {
  readonly code: string;
  readonly message: string;
}

export interface Task {
  readonly spec: TaskSpec;
  readonly retry: RetryRule;
  phase: TaskPhase;
  attempt: number;
  /** Of the live lease; once the task is terminal, of the lease that ended it. Null while pending. */
  workerId: string | null;
  epoch: number | null;
  assignedAtMs: number | null;
  startedAtMs: number | null;
  completedAtMs: number | null;
  /** Back-off: not to be leased before. */
  notBeforeMs: number | null;
  /** 256 bytes and 32 bytes a signal, base64; only when completed. */
  proof: string | null;
  publicSignals: string | null;
  error: TaskError | null;
}

export interface Worker {
  readonly id: string;
  /** Index of its `worker_added`. */
  readonly sessionId: number;
  readonly slots: number;
  readonly softwareVersion: string;
  readonly backends: readonly string[];
  /** Hex manifest digests it said it had when it registered. */
  readonly cachedCircuits: readonly string[];
  readonly host: string;
  /** SHA-256, in hex, of the key that the worker showed; empty when it showed none, as older workers do. */
  readonly keyHash: string;
  draining: boolean;
}

/** Outlives registrations, so that a worker cannot clear its record by registering again. */
export interface Conduct {
  badProofs: number;
  quarantined: boolean;
  /** By an operator, until released; `draining` of a worker is what the worker says itself. */
  drained: boolean;
}

/** One decision about a task, until the database has it. */
export interface StoryRecord {
  readonly taskId: string;
  readonly requestId: string;
  /** Of the log entry. */
  readonly index: number;
  readonly atMs: number;
  readonly kind: 'assigned' | 'started' | 'completed' | 'retry_scheduled' | 'failed' | 'cancelled';
  readonly attempt: number;
  /** Who held it when that was decided; null when nobody did. */
  readonly workerId: string | null;
  readonly code: string | null;
  readonly message: string | null;
}

export interface CoordinatorState {
  /** What it is decided by; see versions.ts. */
  version: number;
  /** Of the last entry applied. */
  index: number;
  /** The latest leader time seen. */
  nowMs: number;
  /** Every decision up to here is in the database. */
  projectedIndex: number;
  readonly workers: Map<string, Worker>;
  readonly conduct: Map<string, Conduct>;
  readonly tasks: Map<string, Task>;
  /** The outbox: task ids by the index of their last change that is not projected, oldest first. */
  readonly outbox: Map<string, number>;
  /** What is to be told of them, oldest first; each record's task is in the outbox. */
  readonly story: StoryRecord[];
  /** Derived from `tasks`: the live leases of each worker. A worker's load is the size of its set, never a counter. */
  readonly leases: Map<string, Set<string>>;
}

export function createState(): CoordinatorState {
  return {
    version: FIRST_STATE_VERSION,
    index: 0,
    nowMs: 0,
    projectedIndex: 0,
    workers: new Map(),
    conduct: new Map(),
    tasks: new Map(),
    outbox: new Map(),
    story: [],
    leases: new Map(),
  };
}

export const isLive = (task: Task): boolean => task.phase === 'assigned' || task.phase === 'in_progress';

export const loadOf = (state: CoordinatorState, workerId: string): number => state.leases.get(workerId)?.size ?? 0;

export const isQuarantined = (state: CoordinatorState, workerId: string): boolean =>
  state.conduct.get(workerId)?.quarantined === true;

/** Is a caller with a key of this hash the registered worker? One that registered without a key is whoever has its id. */
export const mayAct = (worker: Worker, keyHash: string): boolean => worker.keyHash === '' || worker.keyHash === keyHash;

/** Gets nothing new: it is stopping, or an operator wants it empty. */
export const isDraining = (state: CoordinatorState, worker: Worker): boolean =>
  worker.draining || state.conduct.get(worker.id)?.drained === true;

/** The live lease of a task, or undefined. */
export function liveLease(task: Task | undefined): LeaseRef | undefined {
  if (task === undefined || !isLive(task) || task.workerId === null || task.epoch === null) return undefined;
  return { taskId: task.spec.id, workerId: task.workerId, attempt: task.attempt, epoch: task.epoch };
}

export const sameLease = (a: LeaseRef | undefined, b: LeaseRef): boolean =>
  a !== undefined &&
  a.taskId === b.taskId &&
  a.workerId === b.workerId &&
  a.attempt === b.attempt &&
  a.epoch === b.epoch;

/** The task, when `lease` is its live lease. */
export function taskUnder(state: CoordinatorState, lease: LeaseRef): Task | undefined {
  const task = state.tasks.get(lease.taskId);
  return sameLease(liveLease(task), lease) ? task : undefined;
}
