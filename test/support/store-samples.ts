/** Tasks and projections for tests of the store: well formed, and different by their seed. */
import { sha256 } from '../../src/common/index.ts';
import type { NewTask, TaskProjection } from '../../src/store/index.ts';

/** A task whose content follows from `seed`; equal seeds are equal requests. */
export function sampleTask(seed: string, overrides: Partial<NewTask> = {}): NewTask {
  const leaves = new Uint8Array(64);
  // The first byte stays zero, so that both are canonical field elements.
  leaves.set(sha256(seed, 'leaf 0').subarray(1), 1);
  leaves.set(sha256(seed, 'leaf 1').subarray(1), 33);
  return {
    owner: 'alice',
    contentHash: sha256(seed),
    circuitId: 'merkle-8',
    circuitDigest: 'ab'.repeat(32),
    depth: 8,
    leafIndex: 1,
    leaves,
    root: sha256(seed, 'root'),
    externalHash: new Uint8Array(32),
    priority: 5,
    requestId: `request-${seed}`,
    fresh: false,
    ...overrides,
  };
}

const NOTHING: Omit<TaskProjection, 'taskId' | 'fenceIndex' | 'status'> = {
  attempt: 0,
  workerId: null,
  leaseEpoch: null,
  notBeforeMs: null,
  startedAtMs: null,
  completedAtMs: null,
  proof: null,
  publicSignals: null,
  errorCode: null,
  errorMessage: null,
};

export function pending(taskId: string, fenceIndex: number, overrides: Partial<TaskProjection> = {}): TaskProjection {
  return { ...NOTHING, taskId, fenceIndex, status: 'pending', ...overrides };
}

export function assigned(taskId: string, fenceIndex: number, overrides: Partial<TaskProjection> = {}): TaskProjection {
  const lease = { attempt: 1, workerId: 'worker-1', leaseEpoch: fenceIndex };
  return { ...NOTHING, taskId, fenceIndex, status: 'assigned', ...lease, ...overrides };
}

export function completed(taskId: string, fenceIndex: number, overrides: Partial<TaskProjection> = {}): TaskProjection {
  return {
    ...NOTHING,
    taskId,
    fenceIndex,
    status: 'completed',
    attempt: 1,
    workerId: 'worker-1',
    startedAtMs: 1_700_000_000_123,
    completedAtMs: 1_700_000_000_456,
    proof: new Uint8Array(256).fill(7),
    publicSignals: new Uint8Array(64).fill(9),
    ...overrides,
  };
}

export function failed(taskId: string, fenceIndex: number, overrides: Partial<TaskProjection> = {}): TaskProjection {
  return {
    ...NOTHING,
    taskId,
    fenceIndex,
    status: 'failed',
    attempt: 3,
    workerId: 'worker-1',
    completedAtMs: 1_700_000_000_456,
    errorCode: 'attempts_exhausted',
    errorMessage: 'three times',
    ...overrides,
  };
}
