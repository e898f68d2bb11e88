/**
 * Random command sequences over few names, so that they meet: leases that are right, stale, of others, of the future.
 *
 * A step is an intention with random numbers in it; `commandOf` turns it into a command against the state as it is, so
 * that many commands hit live leases and many just miss.
 */
import fc from 'fast-check';
import type { CommandBody, CoordinatorState, LeaseRef, TaskSpec } from '../../src/coordinator/state/index.ts';

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
export const TASK_IDS = [1, 2, 3, 4, 5, 6].map(uuid);
const WORKER_IDS = ['w1', 'w2', 'w3'];
const CODES = ['internal', 'wrong_path', 'prover_timeout'];

export const specOf = (id: string): TaskSpec => ({
  id,
  requestId: `request of ${id}`,
  circuitId: 'merkle-8',
  circuitDigest: 'ab'.repeat(32),
  treeId: 'cd'.repeat(32),
  depth: 8,
  leafIndex: 1,
  root: Buffer.alloc(32, 1).toString('base64'),
  externalHash: Buffer.alloc(32).toString('base64'),
});

export interface Step {
  readonly act: number;
  readonly task: number;
  readonly worker: number;
  readonly pick: number;
  readonly twist: number;
  readonly nowMs: number;
}

/** Without bias: small numbers are no edge cases here, they are the first branches. */
export const stepArbitrary: fc.Arbitrary<Step> = fc.noBias(
  fc.record({
    act: fc.nat(21),
    task: fc.nat(TASK_IDS.length - 1),
    worker: fc.nat(WORKER_IDS.length - 1),
    pick: fc.nat(9),
    twist: fc.nat(9),
    nowMs: fc.nat(1_000_000),
  }),
);

/** The live lease of the task, more often than not; else one that differs in a field. */
function leaseOf(state: CoordinatorState, step: Step): LeaseRef {
  const leased = [...state.leases.values()].flatMap((held) => [...held]);
  const taskId = (step.twist > 4 ? leased[step.pick % leased.length] : undefined) ?? TASK_IDS[step.task] ?? '';
  const task = state.tasks.get(taskId);
  const right = {
    taskId,
    workerId: task?.workerId ?? 'w1',
    attempt: task?.attempt ?? 1,
    epoch: task?.epoch ?? step.pick,
  };
  if (step.twist === 0) return { ...right, workerId: WORKER_IDS[step.worker] ?? '' };
  if (step.twist === 1) return { ...right, attempt: right.attempt + 1 };
  if (step.twist === 2) return { ...right, epoch: Math.max(0, right.epoch - 1) };
  return right;
}

export function commandOf(state: CoordinatorState, step: Step): CommandBody {
  const taskId = TASK_IDS[step.task] ?? '';
  const workerId = WORKER_IDS[step.worker] ?? '';
  const lease = leaseOf(state, step);
  const sessionId = (state.workers.get(workerId)?.sessionId ?? 1) - (step.twist === 3 ? 1 : 0);
  const retry = { attemptsMax: 1 + (step.pick % 4), backoffBaseMs: 100, backoffCapMs: 500 };
  switch (step.act) {
    case 0:
    case 1: {
      const held = [...state.tasks.keys()].slice(0, step.pick % 4).map((id) => ({
        taskId: id,
        workerId,
        attempt: state.tasks.get(id)?.attempt ?? 1,
        epoch: state.tasks.get(id)?.epoch ?? 1,
      }));
      const slots = 1 + (step.pick % 3);
      const worker = {
        id: workerId,
        slots,
        softwareVersion: '0.1.0',
        backends: ['snarkjs'],
        cachedCircuits: [],
        host: '',
      };
      return { kind: 'worker_added', worker, held };
    }
    case 2:
      if (step.pick > 3) return { kind: 'task_started', lease };
      return { kind: 'worker_removed', workerId, sessionId: Math.max(0, sessionId), reason: 'silent' };
    case 3: {
      const states = ['quarantined', 'draining', 'released', 'released', 'drained'] as const;
      const to = states[step.pick] ?? 'active';
      return { kind: 'worker_state', workerId, to };
    }
    case 4:
    case 5:
    case 6:
    case 7:
    case 16:
    case 17:
    case 19: {
      const attempt = (state.tasks.get(taskId)?.attempt ?? 0) + 1;
      return {
        kind: 'task_assigned',
        task: specOf(taskId),
        retry,
        attempt,
        workerId,
        sessionId: Math.max(0, sessionId),
      };
    }
    case 8:
      return { kind: 'task_started', lease };
    case 9:
    case 10:
    case 18:
      return { kind: 'task_completed', lease, proof: 'cHJvb2Y=', publicSignals: 'c2lnbmFscw==' };
    case 11: {
      const code = CODES[step.pick % CODES.length] ?? 'internal';
      const badProof = step.pick === 9;
      return { kind: 'task_failed', lease, code, message: 'no\0t good', retryable: code !== 'wrong_path', badProof };
    }
    case 12:
      return { kind: 'lease_expired', lease, code: 'lease_expired', message: 'silence' };
    case 13:
      return step.pick < 5
        ? { kind: 'task_cancelled', taskId, requestId: 'r', attempt: 0, reason: 'asked' }
        : { kind: 'task_orphaned', taskId, requestId: 'r', retry, attempt: step.twist };
    case 14:
      return { kind: 'projected', upto: Math.max(0, state.index - step.pick + 2) };
    default:
      return step.pick === 0 ? { kind: 'outbox_refilled' } : { kind: 'projected', upto: state.index };
  }
}
