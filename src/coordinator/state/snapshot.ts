/**
 * The state as bytes and back: JSON, maps as lists in their order, so that equal states are equal bytes.
 *
 * What is derived (the leases of each worker) is left out and made again. A snapshot is written in the version that the
 * state has, whatever later ones the program knows, so that all nodes write the same; one of a version that is not
 * understood is refused.
 */
import { ZkraftError } from '../../common/index.ts';
import { holdLease } from './apply.ts';
import {
  type Conduct,
  type CoordinatorState,
  createState,
  isLive,
  type StoryRecord,
  type Task,
  type Worker,
} from './model.ts';
import { FIRST_STATE_VERSION, notUnderstood, STATE_VERSION } from './versions.ts';

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
    version: state.version,
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

/** Throws `upgrade_needed`, `log_corrupt`. */
export function decodeState(bytes: Uint8Array, understood: number = STATE_VERSION): CoordinatorState {
  const json = JSON.parse(new TextDecoder().decode(bytes)) as SnapshotJson;
  if (!Number.isSafeInteger(json.version) || json.version < FIRST_STATE_VERSION) {
    throw new ZkraftError('log_corrupt', `the snapshot holds state of version ${json.version}, which there never was`);
  }
  if (json.version > understood) throw notUnderstood(json.version, understood);
  const state = createState();
  state.version = json.version;
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
