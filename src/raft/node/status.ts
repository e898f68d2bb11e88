/** What a node tells of itself and of its peers: to its host, to operators, to metrics. */
import type { RaftState } from '../replicated-log.ts';
import type { ConfState, NodeId } from '../types.ts';
import type { Member, MemberRole } from './members.ts';
import type { PeerLink } from './ports.ts';

/** As `ReplicatedLog.status`, and more. */
export interface NodeStatus {
  readonly state: RaftState;
  /** The operator's name for the node. */
  readonly nodeId: string;
  /** Empty while the node waits to be added. */
  readonly clusterId: string;
  /** The latest version of the host's commands that every member understands; 0 while one has not said. */
  readonly hostVersion: number;
  /**
   * 1 where the cluster begins, and one more with each recovery from the loss of a majority: for fences on what is written
   * elsewhere, `(epoch, index)`. The same on every member; 0 while the node waits to be added.
   */
  readonly epoch: number;
  /** Clusters that were lost and that this one was recovered from, the latest last. */
  readonly succeeds: readonly string[];
  readonly leaderId: string | undefined;
  readonly leaderAddress: string | undefined;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  /** Members of the cluster, this node included. */
  readonly peers: number;
  /** Of this incarnation. */
  readonly incarnation: NodeId;
  /** No log yet: the node waits until a leader adds it. */
  readonly isWaiting: boolean;
}

export interface PeerStatus extends Member {
  readonly role: MemberRole;
  readonly isSelf: boolean;
  readonly isLeader: boolean;
  /** The way from this node to that one; missing for itself, and where the transport cannot tell. */
  readonly link?: PeerLink;
  /** Only a leader knows the rest. */
  readonly progress?: {
    readonly matchIndex: number;
    readonly lagEntries: number;
    readonly state: string;
    /** Heard of within an election timeout. */
    readonly isInTouch: boolean;
    readonly silentMs: number | undefined;
  };
}

export interface SnapshotInfo {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
}

/** For gauges; see `raft_*` in the reference of metrics. */
export interface NodeMeasures {
  /** 0 follower, 1 candidate, 2 leader, -1 shut down. */
  readonly state: number;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly peers: number;
  readonly leads: boolean;
  readonly proposalsInFlight: number;
  readonly messagesDropped: number;
  readonly sessions: number;
  /** Entries that each peer lacks, by name; empty unless this node leads. */
  readonly peerLagEntries: ReadonlyMap<string, number>;
}
