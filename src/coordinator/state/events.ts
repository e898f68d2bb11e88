/**
 * What an entry changed, told to the leader, who alone turns it into effects: stream messages, rows, logs, metrics.
 *
 * Events are derived from state and command, so every node comes to the same ones; all but the leader drop them.
 */
import type { LeaseRef, TaskPhase } from './model.ts';

export type RejectReason =
  | 'task_held'
  | 'unknown_worker'
  | 'worker_draining'
  | 'worker_quarantined'
  | 'no_free_slot'
  | 'bad_attempt';

export type StateEvent =
  /** The entry is empty (a new leader's), or no command that the version of the state has. */
  | { readonly kind: 'ignored'; readonly why: 'empty' | 'unknown' }
  | {
      readonly kind: 'worker_added';
      readonly workerId: string;
      readonly sessionId: number;
      readonly replacedSessionId: number | undefined;
      readonly kept: readonly LeaseRef[];
    }
  /** The id is a registered worker's, and this one showed another key. */
  | { readonly kind: 'worker_refused'; readonly workerId: string }
  | { readonly kind: 'worker_removed'; readonly workerId: string; readonly sessionId: number; readonly reason: string }
  | { readonly kind: 'worker_changed'; readonly workerId: string; readonly to: string }
  | { readonly kind: 'bad_proof'; readonly workerId: string; readonly badProofs: number }
  | { readonly kind: 'assigned'; readonly lease: LeaseRef }
  | { readonly kind: 'rejected'; readonly taskId: string; readonly why: RejectReason }
  | { readonly kind: 'started'; readonly lease: LeaseRef }
  | { readonly kind: 'completed'; readonly lease: LeaseRef }
  /** The lease ended without a result; what became of the task is in the event after it. */
  | {
      readonly kind: 'lease_ended';
      readonly lease: LeaseRef;
      readonly code: string;
      /** The holder said so itself, and need not be told. */
      readonly reported: boolean;
    }
  | {
      readonly kind: 'retry_scheduled';
      readonly taskId: string;
      readonly attempt: number;
      readonly notBeforeMs: number;
      readonly code: string;
    }
  | { readonly kind: 'failed'; readonly taskId: string; readonly attempt: number; readonly code: string }
  | { readonly kind: 'cancelled'; readonly taskId: string }
  /** Under a lease that is not live, or about a task that ended: it changed nothing. */
  | { readonly kind: 'stale'; readonly taskId: string; readonly phase: TaskPhase | undefined }
  | { readonly kind: 'projected'; readonly upto: number; readonly forgotten: readonly string[] }
  | { readonly kind: 'outbox_refilled'; readonly tasks: number }
  | { readonly kind: 'version_raised'; readonly to: number };

export type EventKind = StateEvent['kind'];
