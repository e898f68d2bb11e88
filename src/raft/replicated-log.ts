/**
 * The seam between the coordinator and consensus.
 *
 * The host gives a `StateMachine`; the log calls `apply` for every committed entry, in order, on every node, and
 * nothing else changes that state. Whoever proposes learns the index and what `apply` returned. A proposal whose
 * promise rejects with `outcome_unknown`, `internal` or `shutting_down` has an unknown outcome: it may still be applied.
 */
export interface LogEntry {
  /** From 1, without gaps. */
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

export interface StateMachine<Result> {
  /** Deterministic and total: same entries, same state, on every node; it never throws for any bytes. */
  apply(entry: LogEntry): Result;
  snapshot(): Uint8Array;
  restore(snapshot: Uint8Array, index: number): void;
}

/** Spelled as operators know them. */
export type RaftState = 'Leader' | 'Follower' | 'Candidate' | 'Learner' | 'Shutdown';

export interface LogStatus {
  readonly state: RaftState;
  readonly nodeId: string;
  readonly clusterId: string;
  /** Clusters that were lost and that this one was recovered from, the latest last. */
  readonly succeeds: readonly string[];
  readonly leaderId: string | undefined;
  /** gRPC address of the leader's worker service. */
  readonly leaderAddress: string | undefined;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  readonly peers: number;
  /** The latest version of the host's commands that every member says it understands; 0 while one has not said. */
  readonly hostVersion?: number;
  /** It has no log and is of no cluster yet: it waits until it may begin one, or until a leader adds it. */
  readonly isWaiting?: boolean;
}

export interface Applied<Result> {
  readonly index: number;
  readonly term: number;
  readonly result: Result;
}

export interface ReplicatedLog<Result> {
  /** Restores the newest snapshot, replays what follows, then serves. Rejects with `log_corrupt` on damage. */
  start(machine: StateMachine<Result>): Promise<void>;
  /** Resolves once the entry is durable, committed and applied here. Rejects with `not_leader`, `overloaded`, `shutting_down`. */
  propose(data: Uint8Array): Promise<Applied<Result>>;
  /** Resolves once this node has confirmed that it still leads and has applied all it had committed by then. */
  readIndex(): Promise<number>;
  status(): LogStatus;
  /** Called at each change of `state` or leader; returns the way to stop listening. */
  onStateChange(listener: (status: LogStatus) => void): () => void;
  /** Before a planned end: hands leadership to another node if this one leads and another can. Never rejects. */
  handOver(): Promise<void>;
  close(): Promise<void>;
}
