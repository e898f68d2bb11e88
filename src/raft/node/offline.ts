/**
 * A node's folder, looked at while no process runs on it.
 *
 * What a node would know when it starts: the newest sound snapshot, and the members after every entry that is known to be
 * committed. The folder is checked as at any start, and nothing in it is changed but the mark of a clean close.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ZkraftError } from '../../common/index.ts';
import { RawNode } from '../core/index.ts';
import type { LogIdentity } from '../storage/index.ts';
import { chooseSnapshot, DiskStallWatch } from '../storage/index.ts';
import type { ConfState, HardState } from '../types.ts';
import { idsOf, type Member, type MemberRole, roleOf, strangerOf } from './members.ts';
import { FolderPlace, type OpenPlace } from './place.ts';
import { ReplicatedState } from './replicated-state.ts';
import type { SnapshotInfo } from './status.ts';

export interface FolderReport {
  readonly identity: LogIdentity;
  readonly hardState: HardState;
  /** How often the cluster was recovered, and 1. */
  readonly epoch: number;
  /** Clusters that this one was recovered from, the latest last. */
  readonly succeeds: readonly string[];
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly snapshots: readonly (SnapshotInfo & { readonly bytes: number | undefined; readonly problem?: string })[];
  /** As of the last entry that is known to be committed. */
  readonly confState: ConfState;
  readonly peers: readonly (Member & { readonly role: MemberRole; readonly isSelf: boolean })[];
}

/** Rejects with `already_running` while a process has the folder, `log_corrupt`, `config_invalid` when there is no log. */
export async function inspectFolder(dir: string): Promise<FolderReport> {
  const place = await openOffline(dir);
  try {
    return await reportOf(place);
  } finally {
    await place.log.close();
  }
}

export async function reportOf(place: OpenPlace): Promise<FolderReport> {
  const { log, store } = place;
  const snapshots: FolderReport['snapshots'][number][] = [];
  for (const { index, term, confState } of log.recordedSnapshots()) {
    if (index === 0) continue;
    const found = { index, term, confState };
    try {
      snapshots.push({ ...found, bytes: (await store.verify(found)).stateBytes });
    } catch (error) {
      snapshots.push({ ...found, bytes: undefined, problem: ZkraftError.from(error).message });
    }
  }
  const state = await replayMembers(place);
  return {
    identity: log.identity,
    hardState: log.initialState().hardState,
    epoch: state.members.epoch,
    succeeds: state.members.succeeds,
    firstIndex: log.firstIndex(),
    lastIndex: log.lastIndex(),
    snapshots,
    confState: state.confState,
    peers: idsOf(state.confState).map((id) => ({
      ...(state.members.get(id) ?? strangerOf(id)),
      role: roleOf(state.confState, id) ?? 'learner',
      isSelf: id === log.identity.nodeId,
    })),
  };
}

export async function openOffline(dir: string): Promise<OpenPlace> {
  const stallWatch = new DiskStallWatch({ electionTimeoutMs: 60_000, now: () => performance.now() });
  const place = await new FolderPlace({ dir, stallWatch }).open();
  if (place !== undefined) return place;
  const why = !existsSync(dir)
    ? 'does not exist'
    : existsSync(join(dir, 'incarnation.json'))
      ? 'is of a node that waits to be added to a cluster, and has no log yet'
      : 'holds no replicated log; name the raft directory of a node (coordinator.raft.raft_dir)';
  throw new ZkraftError('config_invalid', `${dir} ${why}`, { field: 'dir' });
}

/** The state without the machine: members and configuration. */
async function replayMembers({ log, store }: OpenPlace): Promise<ReplicatedState<undefined>> {
  const machine = { apply: () => undefined, snapshot: () => new Uint8Array(0), restore: () => {} };
  const state = new ReplicatedState<undefined>(machine, {
    encode: () => new Uint8Array(0),
    decode: () => undefined,
  });
  const sound = await chooseSnapshot(log, store, () => {});
  if (sound === undefined) state.begin(log.initialState().confState);
  else {
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.read(sound.metadata)) chunks.push(chunk);
    state.restore(Buffer.concat(chunks), sound.metadata);
  }
  const core = new RawNode({
    id: log.identity.nodeId,
    storage: log,
    electionTicks: 10,
    heartbeatTicks: 1,
    jitterTicks: () => 0,
    applied: state.appliedIndex,
  });
  const { commit } = log.initialState().hardState;
  while (state.appliedIndex < commit) {
    const page = log.entries(state.appliedIndex + 1, commit + 1, 4 * 1024 * 1024) ?? [];
    if (page.length === 0) throw new ZkraftError('log_corrupt', `entry ${state.appliedIndex + 1} is missing`);
    for (const entry of page) state.apply(entry, (change) => core.applyConfChange(change));
  }
  return state;
}
