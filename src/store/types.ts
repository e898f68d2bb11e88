/**
 * The record of tasks in PostgreSQL, as its users see it.
 *
 * The gateway inserts and reads tasks. The coordinator's leader reads ready ones and writes what the replicated log
 * decided, each row under a fence, so that a leader of the past can change nothing.
 */
export const TASK_STATUSES = ['pending', 'assigned', 'in_progress', 'completed', 'failed', 'cancelled'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export interface NewTask {
  readonly owner: string;
  /** SHA-256 over the canonical request, 32 bytes. */
  readonly contentHash: Uint8Array;
  readonly idempotencyKey?: string;
  readonly circuitId: string;
  /** Hex digest of the circuit's manifest. */
  readonly circuitDigest: string;
  readonly depth: number;
  readonly leafIndex: number;
  /** 32 bytes each. */
  readonly leaves: Uint8Array;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** 32 bytes; zero when nothing is bound. */
  readonly externalHash: Uint8Array;
  readonly priority: number;
  readonly requestId: string;
  /** Skips the idempotency by content. */
  readonly fresh: boolean;
}

export interface TaskRow {
  readonly id: string;
  readonly owner: string;
  readonly status: TaskStatus;
  readonly circuitId: string;
  readonly circuitDigest: string;
  readonly treeId: string;
  readonly depth: number;
  readonly leafIndex: number;
  readonly root: Uint8Array;
  readonly externalHash: Uint8Array;
  readonly priority: number;
  readonly attempt: number;
  readonly workerId: string | undefined;
  /** 256 bytes (see MerkleTask in proto), once completed. */
  readonly proof: Uint8Array | undefined;
  /** 32 bytes each, concatenated, once completed. */
  readonly publicSignals: Uint8Array | undefined;
  readonly errorCode: string | undefined;
  readonly errorMessage: string | undefined;
  readonly requestId: string;
  readonly createdAt: Date;
  readonly startedAt: Date | undefined;
  readonly completedAt: Date | undefined;
}

export interface InsertOutcome {
  readonly task: TaskRow;
  /** False: the same request was there before. */
  readonly created: boolean;
}

/** What the scheduler needs to lease a task. Leaves are fetched when it is leased. */
export interface ReadyTask {
  readonly id: string;
  readonly circuitId: string;
  readonly circuitDigest: string;
  readonly treeId: string;
  readonly depth: number;
  readonly leafIndex: number;
  readonly root: Uint8Array;
  readonly externalHash: Uint8Array;
  readonly priority: number;
  readonly attempt: number;
  readonly requestId: string;
  readonly createdAt: Date;
}

/** A row that the database shows under a lease. */
export interface LeasedTask {
  readonly id: string;
  readonly attempt: number;
  /** Log index of the entry that granted the lease. */
  readonly leaseEpoch: number;
  readonly requestId: string;
}

/** What the log decided about one task at `fenceIndex`; the whole new value of each named column. */
export interface TaskProjection {
  readonly taskId: string;
  readonly fenceIndex: number;
  readonly status: TaskStatus;
  readonly attempt: number;
  /** Set while assigned or in progress, null while pending, who did it last once it has ended. */
  readonly workerId: string | null;
  /** Set while assigned or in progress; stored as null otherwise. */
  readonly leaseEpoch: number | null;
  /** Not ready before this time (back-off), in epoch milliseconds of the leader's clock. */
  readonly notBeforeMs: number | null;
  readonly startedAtMs: number | null;
  /** When it ended: null before, and never null once completed. */
  readonly completedAtMs: number | null;
  /** Set once completed and null otherwise, like `publicSignals`. */
  readonly proof: Uint8Array | null;
  readonly publicSignals: Uint8Array | null;
  /** Set once failed, null once completed. */
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

export interface ClusterRow {
  readonly clusterId: string;
  readonly epoch: number;
  /** Highest log index whose effects are in the database. */
  readonly cursor: number;
}

/** For the gateway. Rejects with `database_unavailable`, `idempotency_conflict`. */
export interface TaskStore {
  insert(task: NewTask): Promise<InsertOutcome>;
  /** Undefined when there is none, or it is another owner's. */
  find(owner: string, id: string): Promise<TaskRow | undefined>;
  /** Resolves when the task has become terminal or `timeoutMs` passed, with the row as it is then. */
  waitTerminal(owner: string, id: string, timeoutMs: number, signal?: AbortSignal): Promise<TaskRow | undefined>;
}

/** For the coordinator's leader. */
export interface SchedulingStore {
  /**
   * Ready tasks after the key (keyset by priority descending, created_at, id); undefined starts at the first. Those
   * that are backing off are left out, by `nowMs` on the leader's clock (default: this process's).
   */
  readyTasks(after: ReadyTask | undefined, limit: number, nowMs?: number): Promise<readonly ReadyTask[]>;
  /** Rows in `assigned` or `in_progress`, by id after `afterId`: a leader looks for those that its state knows nothing of. */
  leasedTasks(afterId: string | undefined, limit: number): Promise<readonly LeasedTask[]>;
  leaves(treeId: string): Promise<Uint8Array>;
  /** Called (coalesced) when tasks were inserted; returns the way to stop. Reconnects by itself and then calls once. */
  onInserted(listener: () => void): () => void;
  /** Adopts an unowned database for this cluster, or checks that it is ours: `foreign_cluster`. */
  claimCluster(clusterId: string): Promise<ClusterRow>;
  /** One transaction: fenced rows, then the cursor from `expectedCursor` to `cursor`. False when the cursor differs. */
  project(
    cluster: { readonly clusterId: string; readonly epoch: number },
    expectedCursor: number,
    cursor: number,
    rows: readonly TaskProjection[],
  ): Promise<boolean>;
  countByStatus(): Promise<Readonly<Record<TaskStatus, number>>>;
}

/** Database reachability for health routes: rejects with `database_unavailable`. */
export interface StoreHealth {
  ping(): Promise<void>;
}
