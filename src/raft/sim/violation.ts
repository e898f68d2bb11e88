/** Something that Raft promises did not hold. `invariant` is which, `message` what was seen. */
export class Violation extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string) {
    super(message);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

export type Invariant =
  /** At most one leader a term. */
  | 'election-safety'
  /** Entries of the same index and term are the same, and so is all before them. */
  | 'log-matching'
  /** A leader's log has every entry that was committed in an earlier term than its own. */
  | 'leader-completeness'
  /** No two nodes apply different entries at one index, and each applies every index in order. */
  | 'state-machine-safety'
  /** What is committed is durable on a quorum of the configuration, and of the term of the leader who counted. */
  | 'durable-commit'
  /** What is promised in a message, a vote, an acknowledgement, is durable where it is sent from. */
  | 'durable-promise'
  /** One vote a term and node. */
  | 'one-vote'
  /** Term, commit and applied index never fall. */
  | 'monotone'
  /** One change of the members at a time, and none before the leader has committed an entry of its term. */
  | 'change-in-turn'
  /** A node ends only when its disk does. */
  | 'no-fault'
  /** Healed, the cluster finds a leader, commits, and all its members come to the same state. */
  | 'recovery'
  /** Every acknowledged command is in the state once, and no other more than once. */
  | 'exactly-once'
  /** What clients saw is what one register would have shown. */
  | 'linearizability';
