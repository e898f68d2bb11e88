/**
 * The gateway's side: inserts tasks once, finds them, waits for their end.
 *
 * An insert is one statement for leaves, tree, task and audit row, so it happened whole or not at all, and one for all
 * that is submitted within a moment (`insert-batches.ts`). The same request of the same owner meets the unique index and gets the earlier task. With an idempotency key there is a transaction, which
 * takes the key first: two requests under one key then wait for each other, and never deadlock.
 */
import { randomUUID } from 'node:crypto';
import { ZkraftError } from '../common/index.ts';
import { CHUNK_BYTES } from '../prover/index.ts';
import type { Database, Row, Run } from './database.ts';
import { InsertBatches, insertTasks } from './insert-batches.ts';
import type { PgTaskControl } from './task-control.ts';
import { isTerminal, isUuid, SUMMARY_COLUMNS, TASK_COLUMNS, TERMINAL, taskRowOf, taskSummaryOf } from './task-rows.ts';
import type { TerminalWaiters } from './terminal-waiters.ts';
import type {
  CancelOutcome,
  InsertOutcome,
  NewTask,
  ResubmitOutcome,
  TaskListQuery,
  TaskRow,
  TaskStore,
  TaskSummary,
} from './types.ts';

/** So many leaves fill one chunk, and a tree is written in one statement. */
export const TREE_LEAVES_MAX = CHUNK_BYTES / 32;
/** Of one page of a list. */
const LIST_ROWS_MAX = 100;
/** An insert can meet a task that ends in failure just then; the next try inserts. */
const TRIES_MAX = 8;

const FIND_SAME = `SELECT ${TASK_COLUMNS} FROM tasks
WHERE owner = $1 AND content_hash = $2 AND status NOT IN ('failed', 'cancelled') AND NOT fresh`;

const TAKE_KEY = `INSERT INTO idempotency_keys (owner, key, body_hash, task_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner, key) DO NOTHING RETURNING task_id`;

const FIND_KEY = `SELECT k.body_hash, ${TASK_COLUMNS.replace(/\b(\w+)\b/g, 't.$1')}
FROM idempotency_keys k JOIN tasks t ON t.id = k.task_id WHERE k.owner = $1 AND k.key = $2`;

export class PgTaskStore implements TaskStore {
  readonly #database: Database;
  readonly #batches: InsertBatches;
  readonly #waiters: TerminalWaiters;
  readonly #control: PgTaskControl;

  constructor(database: Database, waiters: TerminalWaiters, control: PgTaskControl) {
    this.#database = database;
    this.#batches = new InsertBatches(database);
    this.#waiters = waiters;
    this.#control = control;
  }

  async insert(task: NewTask): Promise<InsertOutcome> {
    checkLeaves(task.leaves);
    const doing = 'inserting a task';
    if (task.idempotencyKey === undefined) {
      const given = { id: randomUUID(), task };
      return insertOnce(
        task,
        () => this.#batches.insert(given),
        (text, values) => this.#database.query(doing, text, values),
      );
    }
    const key = task.idempotencyKey;
    return this.#database.transaction(doing, (run) => insertUnderKey(task, key, run));
  }

  async list(owner: string, { status, after, limit }: TaskListQuery): Promise<readonly TaskSummary[]> {
    const values: unknown[] = [owner, Math.min(LIST_ROWS_MAX, Math.max(1, limit))];
    let where = 'owner = $1';
    if (status !== undefined) where += ` AND status = $${values.push(status)}`;
    if (after !== undefined) {
      where += ` AND (created_at, id) < ($${values.push(after.createdAt)}, $${values.push(after.id)}::uuid)`;
    }
    const rows = await this.#database.query(
      'listing tasks',
      `SELECT ${SUMMARY_COLUMNS} FROM tasks WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT $2`,
      values,
    );
    return rows.map(taskSummaryOf);
  }

  async find(owner: string, id: string): Promise<TaskRow | undefined> {
    if (!isUuid(id)) return undefined;
    const [row] = await this.#database.query(
      'finding a task',
      `SELECT ${TASK_COLUMNS} FROM tasks WHERE id = $1 AND owner = $2`,
      [id, owner],
    );
    return row && taskRowOf(row);
  }

  requestCancel(owner: string, id: string, requestId: string): Promise<CancelOutcome | undefined> {
    return this.#control.requestCancel({ id, owner, by: owner, requestId });
  }

  resubmit(owner: string, id: string, requestId: string): Promise<ResubmitOutcome | undefined> {
    return this.#control.resubmit(owner, id, requestId);
  }

  async waitTerminal(owner: string, id: string, timeoutMs: number, signal?: AbortSignal): Promise<TaskRow | undefined> {
    if (!isUuid(id)) return undefined;
    return this.#waiters.wait(
      id.toLowerCase(),
      timeoutMs,
      () => this.find(owner, id),
      (row) => row === undefined || isTerminal(row.status),
      signal,
    );
  }
}

/** Which of these tasks have ended: for the waiters' poll. */
export async function endedTasks(database: Database, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await database.query(
    'polling for ended tasks',
    'SELECT id FROM tasks WHERE id = ANY($1::uuid[]) AND status = ANY($2)',
    [ids, TERMINAL],
  );
  return rows.map((row) => row.id as string);
}

function checkLeaves(leaves: Uint8Array): void {
  const count = leaves.length / 32;
  if (Number.isInteger(count) && count >= 1 && count <= TREE_LEAVES_MAX) return;
  throw new ZkraftError(
    'invalid_leaves',
    `leaves holds ${leaves.length} bytes; a tree is 1 to ${TREE_LEAVES_MAX} leaves of 32 bytes`,
    { field: 'leaves' },
  );
}

/** `insert` writes the task if no equal one is there. */
async function insertOnce(task: NewTask, insert: () => Promise<Row | undefined>, run: Run): Promise<InsertOutcome> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const inserted = await insert();
    if (inserted) return { task: taskRowOf(inserted), created: true };
    const [same] = await run(FIND_SAME, [task.owner, task.contentHash]);
    if (same) return { task: taskRowOf(same), created: false };
  }
  throw new ZkraftError('database_unavailable', 'equal tasks end as fast as they are inserted: try again');
}

async function insertUnderKey(task: NewTask, key: string, run: Run): Promise<InsertOutcome> {
  const id = randomUUID();
  const [taken] = await run(TAKE_KEY, [task.owner, key, task.contentHash, id]);
  if (!taken) {
    const [earlier] = await run(FIND_KEY, [task.owner, key]);
    if (!earlier) throw new ZkraftError('database_unavailable', 'the idempotency key was just released: try again');
    if (Buffer.compare(earlier.body_hash as Buffer, task.contentHash) !== 0) {
      throw new ZkraftError(
        'idempotency_conflict',
        'Idempotency-Key was used with another body before: send a new key, or the same body',
        { field: 'Idempotency-Key' },
      );
    }
    return { task: taskRowOf(earlier), created: false };
  }
  const outcome = await insertOnce(task, async () => (await insertTasks([{ id, task }], run)).get(id), run);
  if (outcome.task.id !== id) {
    await run('UPDATE idempotency_keys SET task_id = $3 WHERE owner = $1 AND key = $2', [
      task.owner,
      key,
      outcome.task.id,
    ]);
  }
  return outcome;
}
