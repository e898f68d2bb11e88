/**
 * What somebody asks of a task that is there: to cancel it, to do it again.
 *
 * A request to cancel is a mark on the row, in one statement, and a notification; the log decides what comes of it. To
 * do a task again is to insert another over the same tree, since what has ended does not change; equal live tasks stay
 * one, by the same unique index that makes equal submissions one, so asking twice makes one task.
 */
import { randomUUID } from 'node:crypto';
import { ZkraftError } from '../common/index.ts';
import type { Database } from './database.ts';
import { isTerminal, isUuid, TASK_COLUMNS, taskRowOf } from './task-rows.ts';
import type { CancelOutcome, ResubmitOutcome, TaskRow } from './types.ts';

/** A task can end between two statements; the next look sees it. */
const TRIES_MAX = 8;

const CANCEL = `
WITH asked AS (
  UPDATE tasks SET cancel_requested_at = now(), cancel_requested_by = $3, cancel_request_id = $4
  WHERE id = $1 AND ($2::text IS NULL OR owner = $2) AND cancel_requested_at IS NULL
    AND status IN ('pending', 'assigned', 'in_progress')
  RETURNING ${TASK_COLUMNS}
)
SELECT true AS asked, ${TASK_COLUMNS} FROM asked
UNION ALL
SELECT false AS asked, ${TASK_COLUMNS} FROM tasks
WHERE id = $1 AND ($2::text IS NULL OR owner = $2) AND NOT EXISTS (SELECT FROM asked)`;

const RESUBMIT = `
INSERT INTO tasks (id, owner, content_hash, fresh, circuit_id, circuit_digest, tree_id, depth, root, leaf_index,
                   external_hash, priority, request_id, resubmitted_from)
SELECT $3, owner, content_hash, fresh, circuit_id, circuit_digest, tree_id, depth, root, leaf_index, external_hash,
       priority, $4, id
FROM tasks WHERE id = $1 AND ($2::text IS NULL OR owner = $2) AND status IN ('failed', 'cancelled')
ON CONFLICT DO NOTHING
RETURNING ${TASK_COLUMNS}`;

const FIND = `SELECT ${TASK_COLUMNS} FROM tasks WHERE id = $1 AND ($2::text IS NULL OR owner = $2)`;

const FIND_REPETITION = `
SELECT ${TASK_COLUMNS} FROM tasks
WHERE status NOT IN ('failed', 'cancelled') AND (
  resubmitted_from = $1
  OR (NOT fresh AND (owner, content_hash) = (SELECT owner, content_hash FROM tasks WHERE id = $1 AND NOT fresh)))
ORDER BY created_at LIMIT 1`;

export interface CancelAsk {
  readonly id: string;
  /** Undefined: whoever it belongs to. */
  readonly owner: string | undefined;
  readonly by: string;
  readonly requestId: string;
}

export class PgTaskControl {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async requestCancel({ id, owner, by, requestId }: CancelAsk): Promise<CancelOutcome | undefined> {
    if (!isUuid(id)) return undefined;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const doing = 'asking to cancel a task';
      const [row] = await this.#database.query(doing, CANCEL, [id, owner ?? null, by, requestId]);
      if (!row) return undefined;
      const task = taskRowOf(row);
      if (row.asked === true) return { task, outcome: 'asked' };
      if (isTerminal(task.status)) return { task, outcome: 'ended' };
      if (task.cancelRequestedAt !== undefined) return { task, outcome: 'before' };
    }
    throw changing();
  }

  async resubmit(owner: string | undefined, id: string, requestId: string): Promise<ResubmitOutcome | undefined> {
    if (!isUuid(id)) return undefined;
    const doing = 'submitting a task again';
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const [made] = await this.#database.query(doing, RESUBMIT, [id, owner ?? null, randomUUID(), requestId]);
      if (made) return { task: taskRowOf(made), outcome: 'repeated' };
      const [row] = await this.#database.query(doing, FIND, [id, owner ?? null]);
      if (!row) return undefined;
      const earlier: TaskRow = taskRowOf(row);
      if (earlier.status !== 'failed' && earlier.status !== 'cancelled') return { task: earlier, outcome: 'refused' };
      const [there] = await this.#database.query(doing, FIND_REPETITION, [id]);
      if (there) return { task: taskRowOf(there), outcome: 'there' };
    }
    throw changing();
  }
}

const changing = (): ZkraftError =>
  new ZkraftError('database_unavailable', 'the task changes as fast as it is looked at: try again');
