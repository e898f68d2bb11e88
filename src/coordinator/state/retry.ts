/**
 * The one way back to the queue.
 *
 * Failure, expiry, a lost worker, a lease that only the database remembers: all end here, and all count. An error that
 * no retry can mend, or the last attempt, ends the task as `failed`; else it waits, longer each time.
 */
import type { StateEvent } from './events.ts';
import type { RetryRule, Task } from './model.ts';

export interface Cause {
  readonly code: string;
  readonly message: string;
  /** The leader's judgement, carried by the command, so that nodes of two versions agree. */
  readonly retryable: boolean;
}

/** Milliseconds to wait after `attempt` failed: doubling from the base, up to the cap. */
export function backoffMs(rule: RetryRule, attempt: number): number {
  return Math.min(rule.backoffCapMs, rule.backoffBaseMs * 2 ** Math.min(30, Math.max(0, attempt - 1)));
}

/** Decides and writes the outcome into `task`, whose lease the caller has ended. */
export function settleFailure(task: Task, cause: Cause, nowMs: number): StateEvent {
  const taskId = task.spec.id;
  const { attempt } = task;
  task.epoch = null;
  task.assignedAtMs = null;
  if (cause.retryable && attempt < task.retry.attemptsMax) {
    task.phase = 'pending';
    task.workerId = null;
    task.startedAtMs = null;
    task.notBeforeMs = nowMs + backoffMs(task.retry, attempt);
    task.error = { code: cause.code, message: cause.message };
    return { kind: 'retry_scheduled', taskId, attempt, notBeforeMs: task.notBeforeMs, code: cause.code };
  }
  task.phase = 'failed';
  task.notBeforeMs = null;
  task.completedAtMs = nowMs;
  task.error = cause.retryable
    ? {
        code: 'attempts_exhausted',
        message: `failed ${attempt} times; the last time: ${cause.code}: ${cause.message}`,
      }
    : { code: cause.code, message: cause.message };
  return { kind: 'failed', taskId, attempt, code: task.error.code };
}
