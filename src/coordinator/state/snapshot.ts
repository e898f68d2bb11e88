/**
 * The state as bytes and back: JSON, maps as lists in their order, so that equal states are equal bytes.
 *
 * What is derived (the leases of each worker) is left out and made again. A snapshot of an unknown version is refused:
 * a node that cannot read the state must not guess it.
 */
import { ZkraftError } from '../../common/index.ts';
import { holdLease } from './apply.ts';
import {
  type Conduct,
  type CoordinatorState,
  createState,
  isLive,
  STATE_VERSION,
  type StoryRecord,
  type Task,
  type Worker,
} from './model.ts';

interface SnapshotJson {
  readonly version: number;
  readonly index: number;
  readonly nowMs: number;
  readonly projectedIndex: number;
  readonly workers: readonly (Omit<Worker, 'keyHash'> & Partial<Worker>)[];
  readonly conduct: readonly (readonly [string, Omit<Conduct, 'drained'> & Partial<Conduct>])[];
  readonly tasks: readonly Task[];
  readonly outbox: readonly (readonly [string, number])[];
  readonly story?: readonly StoryRecord[];
}

export function encodeState(state: CoordinatorState): Uint8Array {
  const json: SnapshotJson = {
    version: STATE_VERSION,
    index: state.index,
    nowMs: state.nowMs,
    projectedIndex: state.projectedIndex,
    workers: [...state.workers.values()],
    conduct: [...state.conduct],
    tasks: [...state.tasks.values()],
    outbox: [...state.outbox],
    story: state.story,
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

export function decodeState(bytes: Uint8Array): CoordinatorState {
  const json = JSON.parse(new TextDecoder().decode(bytes)) as SnapshotJson;
  if (json.version !== STATE_VERSION) {
    throw new ZkraftError(
      'log_corrupt',
      `the snapshot holds state of version ${json.version}, this program reads ${STATE_VERSION}; run the newer program`,
    );
  }
  const state = createState();
  state.index = json.index;
  state.nowMs = json.nowMs;
  state.projectedIndex = json.projectedIndex;
  for (const worker of json.workers) state.workers.set(worker.id, { ...worker, keyHash: worker.keyHash ?? '' });
  for (const [id, conduct] of json.conduct) state.conduct.set(id, { ...conduct, drained: conduct.drained ?? false });
  for (const task of json.tasks) {
    state.tasks.set(task.spec.id, task);
    if (isLive(task) && task.workerId !== null) holdLease(state, task.workerId, task.spec.id);
  }
  for (const [id, index] of json.outbox) state.outbox.set(id, index);
  state.story.push(...(json.story ?? []));
  return state;
}
