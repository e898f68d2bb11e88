/** What `zkraft raft` shows of peers, refusals and snapshots, of a node that runs or of a folder. */
import type { raftAdmin } from '../common/rpc/index.ts';

export interface PeerRow {
  readonly node: string;
  readonly role: string;
  readonly leader: boolean;
  readonly raft_address: string;
  readonly client_address: string;
  readonly incarnation: number;
  /** The latest version of the coordinators' state that it understands; absent while it has not said. */
  readonly state_version?: number;
  readonly match_index?: number;
  readonly lag_entries?: number;
  readonly in_touch?: boolean;
  /** connected, dialling, unreachable, refused; of the way from the node that was asked. */
  readonly link?: string;
  readonly link_problem?: string;
}

export const refusalRow = ({ peer, reason, count, agoMs }: raftAdmin.Refusal) => ({
  peer,
  reason,
  count,
  ago_ms: Number(agoMs),
});

export const peerRow = (peer: raftAdmin.Peer): PeerRow => ({
  node: peer.name,
  role: peer.role,
  leader: peer.leader,
  raft_address: peer.raftAddress,
  client_address: peer.clientAddress,
  incarnation: Number(peer.incarnation),
  ...(peer.hostVersion > 0 && { state_version: peer.hostVersion }),
  ...(peer.progress !== undefined && {
    match_index: Number(peer.progress.matchIndex),
    lag_entries: Number(peer.progress.lagEntries),
    in_touch: peer.progress.inTouch,
  }),
  ...(peer.link !== undefined && {
    link: peer.link.state,
    ...(peer.link.problem !== '' && { link_problem: peer.link.problem }),
  }),
});

export async function folderPeers(dir: string): Promise<PeerRow[]> {
  const { inspectFolder } = await import('../launch/index.ts');
  return (await inspectFolder(dir)).peers.map((peer) => ({
    node: peer.name,
    role: peer.role,
    leader: false,
    raft_address: peer.raftAddress,
    client_address: peer.clientAddress,
    incarnation: peer.nodeId,
  }));
}

export interface SnapshotRow {
  readonly index: number;
  readonly term: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly bytes?: number;
  readonly problem?: string;
}

export const snapshotRow = ({ index, term, voters, learners }: raftAdmin.Snapshot): SnapshotRow => ({
  index: Number(index),
  term: Number(term),
  voters: voters.map(Number),
  learners: learners.map(Number),
});

export async function folderSnapshots(dir: string): Promise<SnapshotRow[]> {
  const { inspectFolder } = await import('../launch/index.ts');
  return (await inspectFolder(dir)).snapshots.map(({ index, term, confState, bytes, problem }) => ({
    index,
    term,
    voters: confState.voters,
    learners: confState.learners,
    ...(bytes !== undefined && { bytes }),
    ...(problem !== undefined && { problem }),
  }));
}
