/**
 * The last way out, when a majority is lost for good: one node's log becomes a new cluster of that node alone.
 *
 * Offline, and only with explicit consent: what the lost majority had committed and this node has not is gone, and what
 * this node has is taken for committed, all of it. The result has another cluster id and another incarnation, so that no
 * node of the old cluster ever speaks with it again (rule 7); they are wiped and added anew. The old files are kept
 * beside, in `before-recover-...`.
 *
 * The epoch of the cluster rises, so that what its members write elsewhere wins over what the lost ones wrote.
 *
 * A new log is written from the old one: the same snapshot with this node as its only member, the same entries behind
 * it, with changes of members made empty, and a term above the old. Only when all is durable the folders change places.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ZkraftError } from '../../common/index.ts';
import { decodeConfChange, encodeConfChange } from '../core/index.ts';
import { chooseSnapshot, DiskStallWatch } from '../storage/index.ts';
import { type ConfState, EMPTY_CONF_STATE, type Entry, NO_NODE } from '../types.ts';
import { encodeMembers, FOUNDED, type Lineage, type Member, Members } from './members.ts';
import { inspectFolder, openOffline } from './offline.ts';
import { FolderPlace, mintNodeId, type OpenPlace } from './place.ts';
import { decodeImage, imageHeader } from './snapshot-image.ts';
import { swapFolder } from './swap-folder.ts';

export interface RecoverOptions {
  readonly dir: string;
  /** That the operator knows what may be lost. */
  readonly consent: boolean;
}

export interface Recovered {
  readonly name: string;
  readonly clusterId: string;
  readonly oldClusterId: string;
  /** One more than before; see `NodeStatus.epoch`. */
  readonly epoch: number;
  readonly lastIndex: number;
  /** Where the old files are. */
  readonly backup: string;
}

const PAGE_BYTES = 4 * 1024 * 1024;

export async function recoverFolder({ dir, consent }: RecoverOptions): Promise<Recovered> {
  if (!consent) {
    throw new ZkraftError(
      'usage',
      'recovery drops what this node does not have, even if it was committed, and cuts this node off from its cluster ' +
        'for good. Only when a majority is lost: repeat with --force-new-cluster',
    );
  }
  const report = await inspectFolder(dir);
  const own = report.peers.find(({ isSelf }) => isSelf);
  const { nodeName, clusterId: oldClusterId } = report.identity;
  const clusterId = randomUUID();
  const member: Member = {
    nodeId: mintNodeId(),
    name: nodeName,
    incarnationId: randomUUID(),
    raftAddress: own?.raftAddress ?? '',
    clientAddress: own?.clientAddress ?? '',
  };
  const fresh = join(dir, 'recover-new');
  await rm(fresh, { recursive: true, force: true });
  const old = await openOffline(dir);
  let epoch: number;
  try {
    epoch = await copy(old, fresh, clusterId, member, oldClusterId);
  } finally {
    await old.log.close();
  }
  const backup = join(dir, `before-recover-${new Date().toISOString().replace(/[:.]/g, '-')}`);
  await swapFolder(dir, fresh, backup);
  return { name: nodeName, clusterId, oldClusterId, epoch, lastIndex: report.lastIndex, backup };
}

/** Gives the new epoch. */
async function copy(
  old: OpenPlace,
  fresh: string,
  clusterId: string,
  member: Member,
  oldClusterId: string,
): Promise<number> {
  const alone: ConfState = { ...EMPTY_CONF_STATE, voters: [member.nodeId] };
  const stallWatch = new DiskStallWatch({ electionTimeoutMs: 60_000, now: () => performance.now() });
  const place = await new FolderPlace({ dir: fresh, nodeName: member.name, stallWatch }).create(
    clusterId,
    member,
    alone,
  );
  const { log } = place;
  try {
    const { term } = old.log.initialState().hardState;
    const hardState = { term: term + 1, vote: NO_NODE, commit: 0 };
    const sound = await chooseSnapshot(old.log, old.store, () => {});
    let next = 1;
    const heirOf = ({ epoch, succeeds }: Lineage): Lineage => ({
      epoch: epoch + 1,
      succeeds: [...succeeds, oldClusterId],
    });
    let lineage = heirOf(FOUNDED);
    if (sound !== undefined) {
      const metadata = { ...sound.metadata, confState: alone };
      lineage = await copySnapshot(old, place, sound.metadata, metadata, member, heirOf);
      await log.append({ snapshot: metadata, hardState: { ...hardState, commit: metadata.index } });
      next = metadata.index + 1;
    }
    const last = old.log.lastIndex();
    while (next <= last) {
      const page = old.log.entries(next, last + 1, PAGE_BYTES) ?? [];
      if (page.length === 0) throw new ZkraftError('log_corrupt', `entry ${next} is missing`);
      if (next === 1) lineage = heirOf(lineageOf(page[0]));
      await log.append({
        entries: page.map((entry) => withoutOthers(entry, member, lineage)),
        hardState: { ...hardState, commit: next - 1 },
      });
      next += page.length;
    }
    await log.append({ hardState: { ...hardState, commit: last } });
    return lineage.epoch;
  } finally {
    await log.close();
  }
}

/** Of the log that begins with `first`: known to be committed or not, it is what the old nodes went by. */
function lineageOf(first: Entry | undefined): Lineage {
  const change = first === undefined ? undefined : decodeConfChange(first);
  return change === undefined ? FOUNDED : Members.decode(change.context);
}

/** The first entry of all makes this node the first member; every other change of members becomes empty. */
function withoutOthers(entry: Entry, member: Member, lineage: Lineage): Entry {
  const { index, term } = entry;
  if (index === 1) {
    const change = { kind: 'add-voter', nodeId: member.nodeId } as const;
    return { index, term, ...encodeConfChange({ version: 1, change, context: encodeMembers([member], lineage) }) };
  }
  return entry.type === 'normal' ? entry : { index, term, type: 'normal', data: new Uint8Array(0) };
}

async function copySnapshot(
  old: OpenPlace,
  place: OpenPlace,
  from: Parameters<OpenPlace['store']['read']>[0],
  to: Parameters<OpenPlace['store']['create']>[0],
  member: Member,
  heirOf: (lineage: Lineage) => Lineage,
): Promise<Lineage> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of old.store.read(from)) chunks.push(chunk);
  const { members: before, sessions, state } = decodeImage(Buffer.concat(chunks));
  const lineage = heirOf(Members.decode(before));
  const members = Members.NONE.changed(encodeMembers([member], lineage), to.confState).encode();
  const writer = await place.store.create(to);
  await writer.write(imageHeader({ members, sessions }));
  for (let at = 0; at < state.length; at += PAGE_BYTES) await writer.write(state.subarray(at, at + PAGE_BYTES));
  await writer.finish();
  return lineage;
}
