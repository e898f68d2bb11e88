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
import {
  type ClusterRow,
  type LeasedTask,
  type ReadyTask,
  type SchedulingStore,
  TASK_STATUSES,
  type TaskProjection,
  type TaskStatus,
} from './types.ts';

const INSERTED_CHANNEL = 'zkraft_task_inserted';
/** A statement of this size stays far below the statement timeout. */
export const PROJECTION_ROWS_MAX = 2_000;
export const PAGE_ROWS_MAX = 10_000;

const READY = `SELECT ${READY_COLUMNS} FROM tasks
WHERE status = 'pending' AND (not_before IS NULL OR not_before <= $2)`;
const READY_AFTER = `AND priority <= $3 AND (priority < $3 OR (created_at, id) > ($4, $5::uuid))`;
const READY_ORDER = 'ORDER BY priority DESC, created_at, id LIMIT $1';

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
)
SELECT epoch FROM moved`;

export class PgSchedulingStore implements SchedulingStore {
  readonly #database: Database;
  readonly #listener: Listener;
  readonly #logger: Logger;

  constructor(database: Database, listener: Listener, logger: Logger) {
    this.#database = database;
    this.#listener = listener;
    this.#logger = logger;
  }

  async readyTasks(
    after: ReadyTask | undefined,
    limit: number,
    nowMs: number = Date.now(),
  ): Promise<readonly ReadyTask[]> {
    checkLimit(limit);
    const now = new Date(nowMs);
    const rows = after
      ? await this.#database.query('reading ready tasks', `${READY} ${READY_AFTER} ${READY_ORDER}`, [
          limit,
          now,
          after.priority,
          after.createdAt,
          after.id,
        ])
      : await this.#database.query('reading ready tasks', `${READY} ${READY_ORDER}`, [limit, now]);
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

  onInserted(listener: () => void): () => void {
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
          this.#logger.error({ reason: (error as Error).message }, 'a listener for new tasks failed');
        }
      });
    };
    let stopped = false;
    const unsubscribe = this.#listener.subscribe(INSERTED_CHANNEL, { notified: call, resync: call });
    return () => {
      stopped = true;
      unsubscribe();
    };
  }

  async claimCluster(clusterId: string): Promise<ClusterRow> {
    await this.#database.query(
      'claiming the database',
      'INSERT INTO cluster (cluster_id) VALUES ($1) ON CONFLICT (singleton) DO NOTHING',
      [clusterId],
    );
    const found = await this.#cluster();
    if (found?.clusterId !== clusterId) throw foreignCluster(found, clusterId);
    return found;
  }

  async project(
    cluster: { readonly clusterId: string; readonly epoch: number },
    expectedCursor: number,
    cursor: number,
    rows: readonly TaskProjection[],
  ): Promise<boolean> {
    if (rows.length > PROJECTION_ROWS_MAX) {
      throw new ZkraftError('internal', `${rows.length} rows in one projection; the most is ${PROJECTION_ROWS_MAX}`);
    }
    if (cursor < expectedCursor) throw new ZkraftError('internal', 'the cursor cannot go back');
    const moved = await this.#database.query('projecting the log', PROJECT, [
      cluster.clusterId,
      cluster.epoch,
      expectedCursor,
      cursor,
      ...columnsOf(newestPerTask(rows)),
    ]);
    if (moved.length > 0) return true;
    const found = await this.#cluster();
    if (found?.clusterId !== cluster.clusterId || found.epoch !== cluster.epoch) {
      throw foreignCluster(found, cluster.clusterId, cluster.epoch);
    }
    return false;
  }

  async countByStatus(): Promise<Readonly<Record<TaskStatus, number>>> {
    const rows = await this.#database.query(
      'counting tasks',
      'SELECT status, count(*) AS tasks FROM tasks GROUP BY status',
    );
    const counts = Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])) as Record<TaskStatus, number>;
    for (const row of rows) counts[row.status as TaskStatus] = Number(row.tasks);
    return counts;
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
