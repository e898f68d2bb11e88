/**
 * The story of each task, as the log tells it: one record for each decision about a task, kept until it is projected.
 *
 * Records are derived from events right after an entry is applied, and are part of snapshots like the outbox, so no
 * change of leader loses one. Their number is limited by what may be in the outbox at all; the limit here is a second
 * net, and drops the oldest.
 */
import type { StateEvent } from './events.ts';
import type { CoordinatorState, StoryRecord } from './model.ts';

export const STORY_MAX = 50_000;

/** Appends what `events`, of the entry at `index`, say about tasks that the entry changed. */
export function tell(state: CoordinatorState, events: readonly StateEvent[], index: number): void {
  /** Whose lease ended in this entry: the outcome, which follows, names the worker by it. */
  const held = new Map<string, string>();
  for (const event of events) {
    if (event.kind === 'lease_ended') held.set(event.lease.taskId, event.lease.workerId);
    const record = recordOf(state, event, held, index);
    if (record !== undefined) state.story.push(record);
  }
  if (state.story.length > STORY_MAX) state.story.splice(0, state.story.length - STORY_MAX);
}

/** Forgets what is in the database. */
export function forgetStory(state: CoordinatorState, upto: number): void {
  const first = state.story.findIndex((record) => record.index > upto);
  state.story.splice(0, first === -1 ? state.story.length : first);
}

function recordOf(
  state: CoordinatorState,
  event: StateEvent,
  held: ReadonlyMap<string, string>,
  index: number,
): StoryRecord | undefined {
  switch (event.kind) {
    case 'assigned':
    case 'started':
    case 'completed':
      return record(state, event.kind, event.lease.taskId, event.lease.workerId, index);
    case 'retry_scheduled':
    case 'failed':
    case 'cancelled':
      return record(state, event.kind, event.taskId, held.get(event.taskId) ?? null, index);
    default:
      return undefined;
  }
}

function record(
  state: CoordinatorState,
  kind: StoryRecord['kind'],
  taskId: string,
  workerId: string | null,
  index: number,
): StoryRecord | undefined {
  const task = state.tasks.get(taskId);
  // An event that changed nothing (a start told twice) is no part of the story.
  if (task === undefined || state.outbox.get(taskId) !== index) return undefined;
  const why = kind === 'retry_scheduled' || kind === 'failed' || kind === 'cancelled' ? task.error : null;
  return {
    taskId,
    requestId: task.spec.requestId,
    index,
    atMs: state.nowMs,
    kind,
    attempt: task.attempt,
    workerId,
    code: why?.code ?? null,
    message: why?.message ?? null,
  };
}
