/**
 * Whether a peer that calls is the one that the record means. Rule 8.
 *
 * Whoever hears of no leader must be lenient: its record may be old, and the stranger the new leader. The core does not
 * count a stranger's votes in any case.
 */
import { ZkraftError } from '../../common/index.ts';
import { type ConfState, NO_NODE, type NodeId } from '../types.ts';
import { idsOf, type Members } from './members.ts';
import type { PeerIdentity } from './ports.ts';

export interface Judge {
  readonly id: NodeId;
  /** `NO_NODE` when none is known. */
  readonly lead: NodeId;
  readonly members: Members;
  readonly confState: ConfState;
}

/** Throws `peer_refused`. */
export function checkMember(peer: PeerIdentity, { id, lead, members, confState }: Judge): void {
  if (lead === NO_NODE) return;
  const known = members.named(peer.name);
  if (known !== undefined && known.nodeId !== peer.nodeId) {
    throw foreign(
      `"${peer.name}" is a member as incarnation ${known.nodeId}, and this one is ${peer.nodeId}: it lost its disk. ` +
        `Remove "${peer.name}" from the cluster, then add it anew`,
    );
  }
  const ids = idsOf(confState);
  // The leader itself may be newer than our record, and whoever is not in its own record yet knows nobody.
  if (ids.includes(peer.nodeId) || lead === peer.nodeId || !ids.includes(id)) return;
  throw foreign(
    `"${peer.name}" is no member of this cluster: it was removed, or is not added yet. Stop it, or add it ` +
      `(zkraft raft add-peer ${peer.raftAddress})`,
  );
}

export const foreign = (why: string): ZkraftError => new ZkraftError('peer_refused', why);
