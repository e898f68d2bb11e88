/**
 * Who gets which task: pure, behind an interface, so that a simulation can run it and another policy can replace it.
 *
 * A task's rank is its priority plus one for each `ageingMs` it has waited: a task of priority 0 overtakes fresh ones
 * of priority 9 after nine such spans, so nothing starves. Among the workers that can do a task, one that has the
 * circuit in its cache comes first, then the one with most free slots in proportion, then the lower id.
 *
 * A task that failed goes to a worker that has proved something and has not failed it, if one lives; else to any that
 * has not failed it; else to any. It waits for the first kind while all of it are busy, which they are for the task
 * timeout at most. So a worker that fails all it is given costs a task one attempt, and so do many of one maker, who
 * would have to prove as much as they spoil.
 */
import { compareVersions } from './versions.ts';

export interface TaskView {
  readonly id: string;
  readonly circuitId: string;
  readonly circuitDigest: string;
  readonly priority: number;
  readonly createdAtMs: number;
}

export interface WorkerView {
  readonly id: string;
  readonly sessionId: number;
  readonly slots: number;
  /** Counted down by whoever leases within a pass. */
  freeSlots: number;
  readonly softwareVersion: string;
  readonly backends: readonly string[];
  readonly cachedCircuits: ReadonlySet<string>;
  /** A proof of it was accepted since it registered. */
  readonly proven: boolean;
}

export interface SchedulingPolicy {
  /** Higher goes first. For equal priorities the older task must not rank lower: the scan relies on it. */
  rank(priority: number, createdAtMs: number, nowMs: number): number;
  /** Could this worker do the task if it had a free slot? `fetchable`: the coordinator can serve the circuit's files. */
  canRun(task: TaskView, worker: WorkerView, fetchable: boolean): boolean;
  /** Why a worker of this version gets no tasks at all; undefined when it may. */
  refusesVersion(softwareVersion: string): string | undefined;
  /** `workers` are all that live, busy ones too; `failed` are the ids of those that failed this task before. */
  choose(
    task: TaskView,
    workers: readonly WorkerView[],
    fetchable: boolean,
    failed?: ReadonlySet<string>,
  ): WorkerView | undefined;
}

/** What can prove Groth16 over BN254. */
const GROTH16_BACKENDS: ReadonlySet<string> = new Set(['snarkjs', 'wasm', 'webgpu']);

export interface PolicyOptions {
  readonly ageingMs?: number;
  /** Of this coordinator: a worker of another major version is not given tasks. */
  readonly softwareVersion: string;
  /** A worker of an older version is not given tasks. Empty or absent: none is too old. */
  readonly minWorkerVersion?: string;
}

const NOBODY: ReadonlySet<string> = new Set();

const majorOf = (version: string): string => version.split('.', 1)[0] ?? '';

export function createPolicy(options: PolicyOptions): SchedulingPolicy {
  const ageingMs = options.ageingMs ?? 30_000;
  const major = majorOf(options.softwareVersion);

  const refusesVersion = (version: string): string | undefined => {
    if (majorOf(version) !== major) return `version ${version} does not fit coordinator ${options.softwareVersion}`;
    const { minWorkerVersion = '' } = options;
    if (minWorkerVersion === '' || compareVersions(version, minWorkerVersion) >= 0) return undefined;
    return `version ${version} is older than coordinator.min_worker_version ${minWorkerVersion}`;
  };

  const canRun: SchedulingPolicy['canRun'] = (task, worker, fetchable) =>
    refusesVersion(worker.softwareVersion) === undefined &&
    worker.backends.some((backend) => GROTH16_BACKENDS.has(backend)) &&
    (fetchable || worker.cachedCircuits.has(task.circuitDigest));

  /** The best kind of worker for a task that failed, of those that live. */
  const trustIn = (
    task: TaskView,
    workers: readonly WorkerView[],
    fetchable: boolean,
    failed: ReadonlySet<string>,
  ): number =>
    workers.reduce((best, worker) => {
      const trust = trustOf(worker, failed);
      return trust > best && canRun(task, worker, fetchable) ? trust : best;
    }, 0);

  return {
    rank: (priority, createdAtMs, nowMs) => priority + Math.max(0, nowMs - createdAtMs) / ageingMs,
    canRun,
    refusesVersion,
    choose(task, workers, fetchable, failed = NOBODY) {
      const trust = failed.size === 0 ? 0 : trustIn(task, workers, fetchable, failed);
      let best: WorkerView | undefined;
      for (const worker of workers) {
        if (trustOf(worker, failed) < trust) continue;
        if (worker.freeSlots <= 0 || !canRun(task, worker, fetchable)) continue;
        if (best === undefined || prefer(task, worker, best)) best = worker;
      }
      return best;
    },
  };
}

/** 2: has proved something, and has not failed this task. 1: has not failed it. 0: has. */
function trustOf({ id, proven }: WorkerView, failed: ReadonlySet<string>): number {
  if (failed.has(id)) return 0;
  return proven ? 2 : 1;
}

function prefer(task: TaskView, a: WorkerView, b: WorkerView): boolean {
  const cachedA = a.cachedCircuits.has(task.circuitDigest);
  const cachedB = b.cachedCircuits.has(task.circuitDigest);
  if (cachedA !== cachedB) return cachedA;
  const freeA = a.freeSlots / a.slots;
  const freeB = b.freeSlots / b.slots;
  if (freeA !== freeB) return freeA > freeB;
  return a.id < b.id;
}
