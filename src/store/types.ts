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
  /** Id of the API key that asked, for the audit row that is written with a new task. */
  readonly keyId?: string;
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
  /** Somebody asked to cancel it; it ends as cancelled unless the log has ended it before. */
  readonly cancelRequestedAt: Date | undefined;
  readonly cancelRequestedBy: string | undefined;
  /** The failed or cancelled task that this one repeats. */
  readonly resubmittedFrom: string | undefined;
}

/** `asked` now, asked `before`, or too late: the task has `ended`. */
export interface CancelOutcome {
  readonly task: TaskRow;
  readonly outcome: 'asked' | 'before' | 'ended';
}

/** `repeated`: a new task. `there`: one that repeats it goes on or is completed. `refused`: it did not fail. */
export interface ResubmitOutcome {
  /** The new task, or the one that is there; when refused, the task that was to be repeated. */
  readonly task: TaskRow;
  readonly outcome: 'repeated' | 'there' | 'refused';
}

/** A task in a list: without its proof. */
export type TaskSummary = Omit<TaskRow, 'proof' | 'publicSignals'>;

export interface TaskListQuery {
  readonly status?: TaskStatus;
  /** The last task of the page before. */
  readonly after?: { readonly createdAt: Date; readonly id: string };
  /** 1 to 100. */
  readonly limit: number;
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

/** A place in the order of ready tasks: priority descending, created_at, id. */
export type ReadyKey = Pick<ReadyTask, 'priority' | 'createdAt' | 'id'>;

/** Before the first task of each priority, the highest first. */
export const READY_FROM_START: readonly ReadyKey[] = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((priority) => ({
  priority,
  createdAt: new Date(0),
  id: '00000000-0000-0000-0000-000000000000',
}));

/** A row that the database shows under a lease. */
export interface LeasedTask {
  readonly id: string;
  readonly attempt: number;
  /** Log index of the entry that granted the lease. */
  readonly leaseEpoch: number;
  readonly requestId: string;
}

/** A task that somebody wants cancelled and that has not ended. */
export interface CancelRequest {
  readonly taskId: string;
  /** Of the submission. */
  readonly requestId: string;
  readonly attempt: number;
  readonly by: string;
  /** Of the request to cancel. */
  readonly cancelRequestId: string;
}

/** One line of a task's story: what the log decided about it at one index. */
export interface TaskEvent {
  readonly taskId: string;
  readonly logIndex: number;
  readonly kind: string;
  readonly atMs: number;
  readonly attempt: number;
  readonly workerId: string | null;
  readonly code: string | null;
  readonly message: string | null;
  /** Of the submission. */
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
  /** The owner's tasks, the newest first: keyset by (created_at, id). */
  list(owner: string, query: TaskListQuery): Promise<readonly TaskSummary[]>;
  /** Undefined when there is none, or it is another owner's. */
  find(owner: string, id: string): Promise<TaskRow | undefined>;
  /** Writes down that the owner wants the task cancelled; the leader takes it up. Undefined: none of the owner's. */
  requestCancel(owner: string, id: string, requestId: string): Promise<CancelOutcome | undefined>;
  /** A new task over the same tree as a failed or cancelled one. Undefined: none of the owner's. */
  resubmit(owner: string, id: string, requestId: string): Promise<ResubmitOutcome | undefined>;
  /** Resolves when the task has become terminal or `timeoutMs` passed, with the row as it is then. */
  waitTerminal(owner: string, id: string, timeoutMs: number, signal?: AbortSignal): Promise<TaskRow | undefined>;
}

/** For the coordinator's leader. */
export interface SchedulingStore {
  /**
   * For each key the first `limit` ready tasks of its priority after it (keyset by created_at, id); together they come
   * by priority descending, created_at, id. Those that are backing off, by `nowMs` on the leader's clock (default: this
   * process's), or to be cancelled are left out.
   */
  readyTasks(after: readonly ReadyKey[], limit: number, nowMs?: number): Promise<readonly ReadyTask[]>;
  /** Rows in `assigned` or `in_progress`, by id after `afterId`: a leader looks for those that its state knows nothing of. */
  leasedTasks(afterId: string | undefined, limit: number): Promise<readonly LeasedTask[]>;
  leaves(treeId: string): Promise<Uint8Array>;
  /** Called (coalesced) when tasks were inserted; returns the way to stop. Reconnects by itself and then calls once. */
  onInserted(listener: () => void): () => void;
  /** Tasks that are to be cancelled and have not ended, by id after `afterId`. */
  cancelRequests(afterId: string | undefined, limit: number): Promise<readonly CancelRequest[]>;
  /** Like `onInserted`, for requests to cancel. */
  onCancelRequested(listener: () => void): () => void;
  /**
   * Adopts an unowned database for this cluster, or one of a cluster that it `succeeds`, or checks that it is ours:
   * `foreign_cluster`. Whoever else was projecting into it is cut off.
   */
  claimCluster(clusterId: string, succeeds?: readonly string[]): Promise<ClusterRow>;
  /**
   * One transaction: fenced rows, the story they belong to, and the cursor from `expectedCursor` to `cursor`. False
   * when the cursor differs.
   */
  project(
    cluster: { readonly clusterId: string; readonly epoch: number },
    expectedCursor: number,
    cursor: number,
    rows: readonly TaskProjection[],
    story?: readonly TaskEvent[],
  ): Promise<boolean>;
  /** At a price that goes by them, and not by all that ever ended. */
  countPending(): Promise<number>;
}

/** Which tasks an operator wants to see: all owners', newest first. */
export interface TaskFilter {
  readonly status?: TaskStatus;
  readonly owner?: string;
  readonly requestId?: string;
  /** Keyset: tasks submitted before this one. */
  readonly before?: { readonly createdAt: Date; readonly id: string };
  readonly limit: number;
}

export interface TaskStory {
  readonly task: TaskRow;
  readonly cancelRequestId: string | undefined;
  /** Oldest first. */
  readonly events: readonly TaskEvent[];
  /** Tasks that repeat this one, oldest first. */
  readonly resubmittedAs: readonly string[];
}

/** For an operator: every owner's tasks. `by` is who asks, as the story will show. */
export interface OperatorStore {
  listTasks(filter: TaskFilter): Promise<readonly TaskRow[]>;
  taskStory(id: string): Promise<TaskStory | undefined>;
  cancelAny(id: string, by: string, requestId: string): Promise<CancelOutcome | undefined>;
  resubmitAny(id: string, requestId: string): Promise<ResubmitOutcome | undefined>;
}

/** Database reachability for health routes: rejects with `database_unavailable`. */
export interface StoreHealth {
  ping(): Promise<void>;
}

/** What a key may be used for. `admin` stands for all of them; no scope opens another owner's tasks. */
export const SCOPES = ['submit', 'read', 'cancel', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key as it is kept: without the key, and without its hash. */
export interface ApiKeyRow {
  readonly id: string;
  /** Owner of what is submitted with it. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly revokedAt: Date | undefined;
  /** To the minute. */
  readonly lastUsedAt: Date | undefined;
}

export interface NewApiKey {
  /** 1 to 64 of [A-Za-z0-9._-]. */
  readonly name: string;
  /** SHA-256 of the key, 32 bytes. */
  readonly hash: Uint8Array;
  readonly scopes: readonly Scope[];
  readonly expiresInMs?: number;
}

/** Who did something, for the audit row that is written in the same statement. */
export interface Doer {
  readonly actor: string;
  readonly requestId: string;
}

/** Keys of the gateway's clients. Times are the database's. */
export interface ApiKeyStore {
  /** Rejects with `invalid_request` for a name, scopes or expiry that cannot be. */
  create(key: NewApiKey, by: Doer): Promise<ApiKeyRow>;
  /** All keys, revoked ones too, the oldest first, after `after`. */
  list(after: ApiKeyRow | undefined, limit: number): Promise<readonly ApiKeyRow[]>;
  /**
   * By id or by its beginning (4 characters at least). A key that is revoked already stays as it is. Rejects with
   * `key_not_found`, and with `invalid_request` when several keys begin so.
   */
  revoke(idOrPrefix: string, by: Doer): Promise<ApiKeyRow>;
  /** Undefined when nobody has a key of this hash, or it has expired or was revoked. */
  findLive(hash: Uint8Array): Promise<ApiKeyRow | undefined>;
  /** Notes that the key was used, at most once a minute. */
  noteUse(id: string): Promise<void>;
}

export interface AuditEntry extends Doer {
  /** `subject.verb`, lower case, such as task.cancel. */
  readonly action: string;
  /** Id of what it was done to. */
  readonly target: string;
  /** At most 4 KiB as JSON. Never a secret, leaf or key. */
  readonly detail?: Readonly<Record<string, string | number | boolean | readonly string[] | null>>;
}

export interface AuditRow extends Required<AuditEntry> {
  readonly id: number;
  readonly at: Date;
}

/** What was done, by whom. Rows are only added. */
export interface AuditLog {
  append(entry: AuditEntry): Promise<void>;
  /** In order of time, after the row `afterId`; at most `limit` (1 to 1000). */
  list(
    by: { readonly target: string } | { readonly requestId: string },
    afterId: number | undefined,
    limit: number,
  ): Promise<readonly AuditRow[]>;
}
