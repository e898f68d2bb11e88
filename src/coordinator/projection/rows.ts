/** One task of the state as the row that PostgreSQL is to hold, and what is told of it. */
import type { TaskEvent, TaskProjection } from '../../store/types.ts';
import type { StoryRecord, Task } from '../state/index.ts';

const bytesOf = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text, 'base64'));

/** `fenceIndex`: index of the entry that last changed the task. */
export function rowOf(task: Task, fenceIndex: number): TaskProjection {
  return {
    taskId: task.spec.id,
    fenceIndex,
    status: task.phase,
    attempt: task.attempt,
    workerId: task.workerId,
    leaseEpoch: task.phase === 'assigned' || task.phase === 'in_progress' ? task.epoch : null,
    notBeforeMs: task.notBeforeMs,
    startedAtMs: task.startedAtMs,
    completedAtMs: task.completedAtMs,
    proof: bytesOf(task.proof),
    publicSignals: bytesOf(task.publicSignals),
    errorCode: task.error?.code ?? null,
    errorMessage: task.error?.message ?? null,
  };
}

export const eventOf = ({ index, ...record }: StoryRecord): TaskEvent => ({ ...record, logIndex: index });
