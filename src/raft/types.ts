/**
 * What every part of consensus speaks of: entries, hard state, configurations, snapshots.
 *
 * After the Raft paper (Figure 2) and Ongaro's thesis (chapter 4 for configurations). Terms, indexes and ids are safe
 * integers; an index starts at 1, and 0 always means "none" or "before everything". Nothing here is ever changed once
 * made: whoever holds an entry or a snapshot may keep it without copying.
 */

/**
 * One incarnation of one node: a positive safe integer, minted by the host. A node that lost its disk comes back under
 * another id. `NO_NODE` where there is none.
 */
export type NodeId = number;
export type Term = number;
export type LogIndex = number;

export const NO_NODE: NodeId = 0;

/** `conf-change` holds one change; `conf-change-v2` any number of them with a transition, and may be empty (leave joint). */
export type EntryType = 'normal' | 'conf-change' | 'conf-change-v2';

export interface Entry {
  readonly term: Term;
  readonly index: LogIndex;
  readonly type: EntryType;
  /** Empty in the entry with which a leader opens its term. */
  readonly data: Uint8Array;
}

/** What must be on disk before anything that follows from it is said to anyone. */
export interface HardState {
  readonly term: Term;
  /** Who got this term's vote, or `NO_NODE`. */
  readonly vote: NodeId;
  /** Need not be synced by itself: a commit index can always be learnt again. */
  readonly commit: LogIndex;
}

export const EMPTY_HARD_STATE: HardState = { term: 0, vote: NO_NODE, commit: 0 };

/** A configuration as it is written into snapshots. Joint while `votersOutgoing` is not empty. */
export interface ConfState {
  readonly voters: readonly NodeId[];
  /** Voters of the old configuration, whose majority is needed as well. */
  readonly votersOutgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the old configuration that become learners when it is left. */
  readonly learnersNext: readonly NodeId[];
  /** The leader leaves the joint configuration by itself, once it is applied. */
  readonly autoLeave: boolean;
}

export const EMPTY_CONF_STATE: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export interface SnapshotMetadata {
  /** The last entry that is inside. */
  readonly index: LogIndex;
  readonly term: Term;
  /** The configuration after that entry. */
  readonly confState: ConfState;
}

export interface Snapshot {
  /** The state machine's, opaque to consensus. */
  readonly data: Uint8Array;
  readonly metadata: SnapshotMetadata;
}
