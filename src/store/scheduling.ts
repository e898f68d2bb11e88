/**
 * The leader's side: ready tasks, leaves, the claim on the database, the fenced projection.
 *
 * `project` is one statement. Its first part moves the cursor by compare-and-set and thereby takes the lock on the
 * cluster's row; only if it did, the second part writes rows, each only if its fence is older and it has not ended. A
 * leader of the past finds another cursor, cluster or epoch, and changes nothing.
 */
import { fromHex, type Logger, sha256Hex, toHex, ZkraftError } from '../common/index.ts';
import type { Database, Row } from './database.ts';
import type { Listener } from './listener.ts';
import { READY_COLUMNS, readyTaskOf } from './task-rows.ts';
import type {
  CancelRequest,
  ClusterRow,
  LeasedTask,
  ReadyKey,
  ReadyTask,
  SchedulingStore,
  TaskEvent,
  TaskProjection,
} from './types.ts';

const INSERTED_CHANNEL = 'zkraft_task_inserted';
const CANCEL_CHANNEL = 'zkraft_task_cancel';
/** By which a leader finds the session of the one before. */
export const PROJECTION_SESSION = 'zkraft projection';
/** A statement of this size stays far below the statement timeout. */
export const PROJECTION_ROWS_MAX = 2_000;
export const PAGE_ROWS_MAX = 10_000;

/** Each lane is one descent into `tasks_ready`, right to its key: what has ended before it is not walked over. */
const READY = `
SELECT ready.* FROM unnest($3::smallint[], $4::timestamptz[], $5::uuid[]) AS lane (priority, created_at, id)
CROSS JOIN LATERAL (
  SELECT ${READY_COLUMNS} FROM tasks
  WHERE status = 'pending' AND cancel_requested_at IS NULL AND (not_before IS NULL OR not_before <= $2)
    AND tasks.priority = lane.priority AND (tasks.created_at, tasks.id) > (lane.created_at, lane.id)
  ORDER BY tasks.created_at, tasks.id LIMIT $1
) AS ready
ORDER BY ready.priority DESC, ready.created_at, ready.id`;

/** The epoch rises, so that whatever was written before is older than all that is written from now on. */
const ADOPT = `UPDATE cluster SET cluster_id = $1, epoch = epoch + 1, cursor = 0 WHERE cluster_id = $2`;

/** Of this database and role alone: nobody may end the sessions of others, nor would want to. */
const END_OTHERS = `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = $1 AND pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user`;

const PROJECT = `
WITH moved AS (
  UPDATE cluster SET cursor = $4 WHERE cluster_id = $1 AND epoch = $2 AND cursor = $3 RETURNING epoch
), decided AS (
  SELECT * FROM unnest($5::uuid[], $6::bigint[], $7::text[], $8::int[], $9::text[], $10::bigint[],
                       $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::bytea[], $15::bytea[],
                       $16::text[], $17::text[])
    AS row (id, fence_index, status, attempt, worker_id, lease_epoch, not_before, started_at, completed_at, proof,
            public_signals, error_code, error_message)
), written AS (
  UPDATE tasks SET
    status = decided.status, attempt = decided.attempt, worker_id = decided.worker_id,
    lease_epoch = CASE WHEN decided.status IN ('assigned', 'in_progress') THEN decided.lease_epoch END,
    not_before = decided.not_before, started_at = decided.started_at,
    completed_at = decided.completed_at, proof = decided.proof, public_signals = decided.public_signals,
    error_code = decided.error_code, error_message = decided.error_message,
    fence_epoch = moved.epoch, fence_index = decided.fence_index
  FROM moved, decided
  WHERE tasks.id = decided.id
    AND (tasks.fence_epoch, tasks.fence_index) < (moved.epoch, decided.fence_index)
    AND tasks.status NOT IN ('completed', 'failed', 'cancelled')
), told AS (
  INSERT INTO task_events (task_id, epoch, log_index, kind, at, attempt, worker_id, code, message, request_id)
  SELECT story.task_id, moved.epoch, story.log_index, story.kind, story.at, story.attempt, story.worker_id, story.code,
         story.message, story.request_id
  FROM moved, unnest($18::uuid[], $19::bigint[], $20::text[], $21::timestamptz[], $22::int[], $23::text[],
                     $24::text[], $25::text[], $26::text[])
    AS story (task_id, log_index, kind, at, attempt, worker_id, code, message, request_id)
  WHERE EXISTS (SELECT FROM tasks WHERE tasks.id = story.task_id)
  ON CONFLICT DO NOTHING
)
SELECT epoch FROM moved`;

export interface SchedulingParts {
  readonly database: Database;
  /** Of one connection, under the name `PROJECTION_SESSION`. */
  readonly projection: Database;
  readonly listener: Listener;
  readonly logger: Logger;
}

export class PgSchedulingStore implements SchedulingStore {
  readonly #database: Database;
  readonly #projection: Database;
  readonly #listener: Listener;
  readonly #logger: Logger;

  constructor({ database, projection, listener, logger }: SchedulingParts) {
    this.#database = database;
    this.#projection = projection;
    this.#listener = listener;
    this.#logger = logger;
  }

  async readyTasks(
    after: readonly ReadyKey[],
    limit: number,
    nowMs: number = Date.now(),
  ): Promise<readonly ReadyTask[]> {
    checkLimit(limit);
    const now = new Date(nowMs);
    const rows = await this.#database.query('reading ready tasks', READY, [
      limit,
      now,
      after.map(({ priority }) => priority),
      after.map(({ createdAt }) => createdAt),
      after.map(({ id }) => id),
    ]);
    return rows.map(readyTaskOf);
  }

  async leasedTasks(afterId: string | undefined, limit: number): Promise<readonly LeasedTask[]> {
    checkLimit(limit);
    const rows = await this.#database.query(
      'reading leased tasks',
      `SELECT id, attempt, lease_epoch, request_id FROM tasks
       WHERE status IN ('assigned', 'in_progress') AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2`,
      [afterId ?? null, limit],
    );
    return rows.map((row) => ({
      id: row.id as string,
      attempt: row.attempt as number,
      leaseEpoch: Number(row.lease_epoch),
      requestId: row.request_id as string,
    }));
  }

  async leaves(treeId: string): Promise<Uint8Array> {
    const rows = await this.#database.query(
      'reading leaves',
      `SELECT b.digest, b.bytes, c.content FROM trees t JOIN blobs b ON b.digest = t.leaves_digest AND b.complete
       JOIN blob_chunks c ON c.digest = b.digest WHERE t.id = $1 ORDER BY c.seq`,
      [fromHex(treeId)],
    );
    const [first] = rows;
    if (!first) throw new ZkraftError('artifact_not_found', `no leaves of tree ${treeId} are stored`);
    const leaves = new Uint8Array(Buffer.concat(rows.map((row) => row.content as Buffer)));
    if (sha256Hex(leaves) !== toHex(first.digest as Buffer)) {
      throw new ZkraftError('artifact_corrupt', `the stored leaves of tree ${treeId} have another digest`);
    }
    return leaves;
  }

  async cancelRequests(afterId: string | undefined, limit: number): Promise<readonly CancelRequest[]> {
    checkLimit(limit);
    const rows = await this.#database.query(
      'reading requests to cancel',
      `SELECT id, request_id, attempt, cancel_requested_by, cancel_request_id FROM tasks
       WHERE cancel_requested_at IS NOT NULL AND status IN ('pending', 'assigned', 'in_progress')
         AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2`,
      [afterId ?? null, limit],
    );
    return rows.map((row) => ({
      taskId: row.id as string,
      requestId: row.request_id as string,
      attempt: row.attempt as number,
      by: row.cancel_requested_by as string,
      cancelRequestId: row.cancel_request_id as string,
    }));
  }

  onInserted(listener: () => void): () => void {
    return this.#on(INSERTED_CHANNEL, listener);
  }

  onCancelRequested(listener: () => void): () => void {
    return this.#on(CANCEL_CHANNEL, listener);
  }

  #on(channel: string, listener: () => void): () => void {
    let due = false;
    // Many notifications of one moment are one call.
    const call = (): void => {
      if (due) return;
      due = true;
      setImmediate(() => {
        due = false;
        if (stopped) return;
        try {
          listener();
        } catch (error) {
          this.#logger.error({ reason: (error as Error).message }, 'a listener for notifications failed');
        }
      });
    };
    let stopped = false;
    const unsubscribe = this.#listener.subscribe(channel, { notified: call, resync: call });
    return () => {
      stopped = true;
      unsubscribe();
    };
  }

  async claimCluster(clusterId: string, succeeds: readonly string[] = []): Promise<ClusterRow> {
    const found = (await this.#cluster()) ?? (await this.#foundCluster(clusterId));
    if (found === undefined || ![clusterId, ...succeeds].includes(found.clusterId)) {
      throw foreignCluster(found, clusterId);
    }
    // Only now, for it may be the leader of another cluster; and before anything waits for what that session holds.
    await this.#projection.query('ending the session of the leader before', END_OTHERS, [PROJECTION_SESSION]);
    if (found.clusterId !== clusterId) {
      await this.#projection.query('adopting the database of a lost cluster', ADOPT, [clusterId, found.clusterId]);
    }
    const claimed = await this.#cluster();
    if (claimed?.clusterId !== clusterId) throw foreignCluster(claimed, clusterId);
    return claimed;
  }

  async project(
    cluster: { readonly clusterId: string; readonly epoch: number },
    expectedCursor: number,
    cursor: number,
    rows: readonly TaskProjection[],
    story: readonly TaskEvent[] = [],
  ): Promise<boolean> {
    if (Math.max(rows.length, story.length) > PROJECTION_ROWS_MAX) {
      throw new ZkraftError(
        'internal',
        `${rows.length} rows, ${story.length} events in one projection; the most is ${PROJECTION_ROWS_MAX}`,
      );
    }
    if (cursor < expectedCursor) throw new ZkraftError('internal', 'the cursor cannot go back');
    const moved = await this.#projection.query('projecting the log', PROJECT, [
      cluster.clusterId,
      cluster.epoch,
      expectedCursor,
      cursor,
      ...columnsOf(newestPerTask(rows)),
      ...storyColumnsOf(story),
    ]);
    if (moved.length > 0) return true;
    const found = await this.#cluster();
    if (found?.clusterId !== cluster.clusterId || found.epoch !== cluster.epoch) {
      throw foreignCluster(found, cluster.clusterId, cluster.epoch);
    }
    return false;
  }

  async countPending(): Promise<number> {
    const [row] = await this.#database.query(
      'counting pending tasks',
      "SELECT count(*) AS tasks FROM tasks WHERE status = 'pending'",
    );
    return Number(row?.tasks ?? 0);
  }

  /** Only where there is no row yet: it would wait for whoever has just changed one. */
  async #foundCluster(clusterId: string): Promise<ClusterRow | undefined> {
    await this.#projection.query(
      'claiming the database',
      'INSERT INTO cluster (cluster_id) VALUES ($1) ON CONFLICT (singleton) DO NOTHING',
      [clusterId],
    );
    return await this.#cluster();
  }

  async #cluster(): Promise<ClusterRow | undefined> {
    const [row] = await this.#database.query('reading the cluster', 'SELECT cluster_id, epoch, cursor FROM cluster');
    return row && clusterRowOf(row);
  }
}

function checkLimit(limit: number): void {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= PAGE_ROWS_MAX) return;
  throw new ZkraftError('internal', `limit is ${limit}; it is 1 to ${PAGE_ROWS_MAX}`);
}

function clusterRowOf(row: Row): ClusterRow {
  return { clusterId: row.cluster_id as string, epoch: Number(row.epoch), cursor: Number(row.cursor) };
}

function foreignCluster(found: ClusterRow | undefined, clusterId: string, epoch?: number): ZkraftError {
  const theirs = found ? `cluster ${found.clusterId}, epoch ${found.epoch}` : 'no cluster';
  const ours = epoch === undefined ? `cluster ${clusterId}` : `cluster ${clusterId}, epoch ${epoch}`;
  return new ZkraftError(
    'foreign_cluster',
    `the database belongs to ${theirs}, and the log to ${ours}: nothing was written. Point the coordinator to its own database or log directory, or begin anew with both empty`,
  );
}

/** One write per row: where the log decided several times about a task, the newest decision. */
function newestPerTask(rows: readonly TaskProjection[]): readonly TaskProjection[] {
  const newest = new Map<string, TaskProjection>();
  for (const row of rows) {
    const seen = newest.get(row.taskId);
    if (!seen || seen.fenceIndex < row.fenceIndex) newest.set(row.taskId, row);
  }
  return [...newest.values()];
}

function columnsOf(rows: readonly TaskProjection[]): unknown[][] {
  const time = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));
  const binary = (bytes: Uint8Array | null): Buffer | null => (bytes === null ? null : Buffer.from(bytes));
  return [
    rows.map((row) => row.taskId),
    rows.map((row) => row.fenceIndex),
    rows.map((row) => row.status),
    rows.map((row) => row.attempt),
    rows.map((row) => row.workerId),
    rows.map((row) => row.leaseEpoch),
    rows.map((row) => time(row.notBeforeMs)),
    rows.map((row) => time(row.startedAtMs)),
    rows.map((row) => time(row.completedAtMs)),
    rows.map((row) => binary(row.proof)),
    rows.map((row) => binary(row.publicSignals)),
    rows.map((row) => row.errorCode),
    rows.map((row) => row.errorMessage),
  ];
}

function storyColumnsOf(story: readonly TaskEvent[]): unknown[][] {
  return [
    story.map((event) => event.taskId),
    story.map((event) => event.logIndex),
    story.map((event) => event.kind),
    story.map((event) => new Date(event.atMs)),
    story.map((event) => event.attempt),
    story.map((event) => event.workerId),
    story.map((event) => event.code),
    story.map((event) => event.message),
    story.map((event) => event.requestId),
  ];
}
