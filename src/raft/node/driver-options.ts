/** What a driver is given, and what can happen to it. */
import type { ZkraftError } from '../../common/index.ts';
import type { PeerMessage, RawNode } from '../core/index.ts';
import type { LogStorage, SnapshotStore } from '../storage/index.ts';
import type { NodeId } from '../types.ts';
import type { DiskHealthOptions } from './disk-health.ts';
import type { Member } from './members.ts';
import type { NodeObserver } from './observer.ts';
import type { PeerTransport, Runtime } from './ports.ts';
import type { ProposalLimits } from './proposals.ts';
import type { ReplicatedState } from './replicated-state.ts';
import type { SnapshotPolicy } from './snapshot-policy.ts';

export interface DriverOptions<Result> extends DiskHealthOptions {
  readonly id: NodeId;
  readonly self: Member;
  readonly log: LogStorage;
  readonly store: SnapshotStore;
  /** Restored from the snapshot that the log begins from. */
  readonly state: ReplicatedState<Result>;
  readonly transport: PeerTransport;
  readonly runtime: Runtime;
  readonly observer: NodeObserver;
  /** How long a follower waits for its leader; a tenth of it is a tick, and the time between heartbeats. */
  readonly heartbeatTimeoutMs: number;
  /** How long a candidate waits. */
  readonly electionTimeoutMs: number;
  readonly proposals: ProposalLimits;
  readonly snapshots: SnapshotPolicy;
  readonly maxMessageBytes: number;
  /** Entries in one message to a follower. */
  readonly maxAppendEntries: number;
  /** How long a leader holds a commit index back, for the next entries to carry it; 0: not at all. */
  readonly commitTimeoutMs: number;
  /** Something that is told to the outside has changed. */
  readonly changed: () => void;
  /** At the end of each tick, in a turn. */
  readonly ticked: () => void;
  readonly failed: (error: ZkraftError) => void;
}

export type DriverEvent =
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly message: PeerMessage }
  | { readonly kind: 'stored' }
  | { readonly kind: 'asked' }
  | { readonly kind: 'call'; readonly work: (core: RawNode) => void };
