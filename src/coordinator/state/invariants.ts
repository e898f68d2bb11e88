/**
 * What must hold after every entry, whatever the entries were. Tests call it after each; each line names its rule.
 */
import { invariant } from '../../common/index.ts';
import { type CoordinatorState, isLive, isQuarantined, loadOf } from './model.ts';

export function checkInvariants(state: CoordinatorState): void {
  let live = 0;
  const epochs = new Set<number>();
  for (const [id, task] of state.tasks) {
    invariant(task.spec.id === id, `task ${id} is filed under its id`);
    invariant(task.attempt >= 1 || task.phase === 'cancelled', `task ${id} counts its attempts from 1`);
    const completed = task.phase === 'completed';
    invariant(completed === (task.proof !== null), `task ${id}: a proof if and only if completed`);
    invariant(completed === (task.publicSignals !== null), `task ${id}: signals if and only if completed`);
    invariant((task.phase === 'pending') === (task.notBeforeMs !== null), `task ${id}: back-off only while pending`);
    if (isLive(task)) {
      live += 1;
      invariant(task.workerId !== null && task.epoch !== null, `task ${id} is leased by somebody`);
      invariant(state.workers.has(task.workerId), `the holder of task ${id} is registered`);
      invariant(!isQuarantined(state, task.workerId), `the holder of task ${id} is not quarantined`);
      invariant(state.leases.get(task.workerId)?.has(id) === true, `task ${id} counts into its worker's load`);
      invariant(task.epoch <= state.index && !epochs.has(task.epoch), `the lease of task ${id} is one of a kind`);
      epochs.add(task.epoch);
    } else {
      invariant(state.outbox.has(id), `task ${id} is not live, so it is here only to be projected`);
      invariant(task.phase === 'pending' || task.completedAtMs !== null, `task ${id} ended at a time`);
    }
  }
  let counted = 0;
  for (const [workerId, held] of state.leases) {
    counted += held.size;
    invariant(held.size > 0, `worker ${workerId} has no empty set`);
    invariant(state.workers.has(workerId), `worker ${workerId} is registered`);
  }
  invariant(counted === live, 'every live lease counts once');
  for (const worker of state.workers.values()) {
    invariant(worker.sessionId <= state.index, `worker ${worker.id} has a session of the past`);
    invariant(loadOf(state, worker.id) <= worker.slots, `worker ${worker.id} is not over its slots`);
  }
  let previous = 0;
  for (const [id, index] of state.outbox) {
    invariant(state.tasks.has(id), `outbox entry ${id} has a task`);
    invariant(index >= previous && index <= state.index, 'the outbox is in order');
    invariant(index > state.projectedIndex, 'the outbox holds only what is not projected');
    previous = index;
  }
  let told = 0;
  for (const { taskId, index } of state.story) {
    invariant(index >= told && index <= state.index, 'the story is in order');
    invariant(index > state.projectedIndex, 'the story holds only what is not projected');
    invariant(state.outbox.has(taskId), `what is told of task ${taskId} waits with its row`);
    told = index;
  }
}
