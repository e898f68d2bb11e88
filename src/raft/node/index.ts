/** One node of a replicated log of several: the core's host. See README.md. */
export { createRaftAdminService } from './admin-service.ts';
export { stayAlone } from './alone.ts';
export { NotLeaderError } from './errors.ts';
export type { ListedPeer } from './formation.ts';
export { type CopyOptions, type HeldFolder, holdFolder } from './held-folder.ts';
export type { Member, MemberRole } from './members.ts';
export { MEMBERSHIP_RULES, type MembershipRules } from './membership.ts';
export { createRaftMetrics, RAFT_METRICS, type RaftMetrics } from './metrics.ts';
export type { NodeObserver } from './observer.ts';
export { type FolderReport, inspectFolder } from './offline.ts';
export { type OpenNodeOptions, openRaftNode } from './open-node.ts';
export { FolderPlace, type NodePlace } from './place.ts';
export type {
  ConnectTransport,
  NodeTransport,
  PeerEvents,
  PeerIdentity,
  PeerLink,
  PeerTransport,
  Refusal,
  Runtime,
  TransportHost,
} from './ports.ts';
export { PROPOSAL_LIMITS, type ProposalLimits } from './proposals.ts';
export { type CommandOptions, RaftNode, type RaftNodeOptions } from './raft-node.ts';
export { type Recovered, recoverFolder } from './recover.ts';
export type { ResultCodec } from './replicated-state.ts';
export { SESSION_LIMITS } from './sessions.ts';
export { SNAPSHOT_POLICY, type SnapshotPolicy } from './snapshot-policy.ts';
export type { NodeMeasures, NodeStatus, PeerStatus, SnapshotInfo } from './status.ts';
export { swapFolder } from './swap-folder.ts';
