/**
 * What nodes say to one another, and what a node's storage says to it.
 *
 * Paper, Figure 2 (append, vote) and Figure 13 (snapshot); thesis 3.10 (transfer), 6.4 (read index), 9.6 (pre-vote).
 * `from` is always the node that sends, also when it passes on what another asked (`origin`). A `term` of 0 is that of
 * a request made in no term in particular.
 */
import type { Entry, EntryType, HardState, LogIndex, NodeId, Snapshot, Term } from '../types.ts';

/** Two logs with an entry of the same id are equal up to there. */
export interface EntryId {
  readonly term: Term;
  readonly index: LogIndex;
}

interface Header {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

export interface ProposedEntry {
  readonly type: EntryType;
  readonly data: Uint8Array;
}

export interface ProposeMessage extends Header {
  readonly type: 'propose';
  readonly origin: NodeId;
  readonly entries: readonly ProposedEntry[];
}

export interface AppendMessage extends Header {
  readonly type: 'append';
  /** Of the entry before the first: what the follower must have. */
  readonly previous: EntryId;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

export interface AppendResponse extends Header {
  readonly type: 'append-response';
  /** Accepted: the last entry that is now the same and durable. Refused: the index of `previous`. */
  readonly index: LogIndex;
  /**
   * Refused; the last entry of the follower's log that could match (term 0: not known).
   */
  readonly refused?: EntryId;
}

export interface VoteMessage extends Header {
  /** A pre-vote asks for the term after the candidate's, which nobody has entered yet. */
  readonly type: 'vote' | 'pre-vote';
  readonly last: EntryId;
  /** The leader itself asked for this election, so that nobody need protect it. */
  readonly transfer: boolean;
}

export interface VoteResponse extends Header {
  readonly type: 'vote-response' | 'pre-vote-response';
  readonly granted: boolean;
}

export interface SnapshotMessage extends Header {
  readonly type: 'snapshot';
  readonly snapshot: Snapshot;
}

export interface HeartbeatMessage extends Header {
  readonly type: 'heartbeat';
  /** Never beyond what the follower is known to have. */
  readonly commit: LogIndex;
  /** The last read whose leadership this round confirms; 0: none. See `reads.ts`. */
  readonly readRound: number;
}

export interface HeartbeatResponse extends Header {
  readonly type: 'heartbeat-response';
  readonly readRound: number;
}

/** The leader asks for a transfer: campaign now. */
export interface TimeoutNowMessage extends Header {
  readonly type: 'timeout-now';
}

/** Somebody asks the leader to hand over. */
export interface TransferLeaderMessage extends Header {
  readonly type: 'transfer-leader';
  readonly transferee: NodeId;
}

export interface ReadIndexMessage extends Header {
  readonly type: 'read-index';
  readonly origin: NodeId;
  readonly context: Uint8Array;
}

export interface ReadIndexResponse extends Header {
  readonly type: 'read-index-response';
  readonly index: LogIndex;
  readonly context: Uint8Array;
}

/** What travels between nodes. */
export type PeerMessage =
  | ProposeMessage
  | AppendMessage
  | AppendResponse
  | VoteMessage
  | VoteResponse
  | SnapshotMessage
  | HeartbeatMessage
  | HeartbeatResponse
  | TimeoutNowMessage
  | TransferLeaderMessage
  | ReadIndexMessage
  | ReadIndexResponse;

/** Work for the thread that writes; one after the other, in order. */
export interface StorageAppend {
  readonly type: 'storage-append';
  readonly from: NodeId;
  /** Only if it has changed. */
  readonly hardState?: HardState;
  readonly entries: readonly Entry[];
  /** Only if one came; the log before it goes. */
  readonly snapshot?: Snapshot;
  /** To be sent, or stepped if they are for this node itself, once all of the above is durable. Never before. */
  readonly responses: readonly Message[];
}

/** The write that was asked for in `term` is durable. */
export interface StorageAppendResponse {
  readonly type: 'storage-append-response';
  readonly to: NodeId;
  readonly term: Term;
  /** The last entry of the log at that time; absent if the write did not reach it. */
  readonly last?: EntryId;
  readonly snapshot?: Snapshot;
}

/** Work for the thread that applies; one after the other, in order. */
export interface StorageApply {
  readonly type: 'storage-apply';
  readonly from: NodeId;
  readonly entries: readonly Entry[];
  /** To be stepped once all are applied. */
  readonly responses: readonly StorageApplyResponse[];
}

export interface StorageApplyResponse {
  readonly type: 'storage-apply-response';
  readonly to: NodeId;
  readonly entries: readonly Entry[];
}

/** What `step` takes. */
export type Message = PeerMessage | StorageAppendResponse | StorageApplyResponse;

/** Answers count only from members: a node that was removed must not be heard. */
export const isResponse = (message: PeerMessage): boolean => message.type.endsWith('-response');
