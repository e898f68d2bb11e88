/** What an operator reads: lists of tasks of all owners, newest first, and the whole story of one. */
import { ZkraftError } from '../common/index.ts';
import type { Database, Row } from './database.ts';
import { isUuid, TASK_COLUMNS, taskRowOf } from './task-rows.ts';
import type { TaskEvent, TaskFilter, TaskRow, TaskStory } from './types.ts';

const LIST_MAX = 1_000;
/** Attempts are few, so a story is short; this is a limit, not a page. */
const EVENTS_MAX = 1_000;

const LIST = `SELECT ${TASK_COLUMNS} FROM tasks
WHERE ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR owner = $3) AND ($4::text IS NULL OR request_id = $4)
  AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))
ORDER BY created_at DESC, id DESC LIMIT $1`;

export class PgTaskStories {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async listTasks(filter: TaskFilter): Promise<readonly TaskRow[]> {
    const { status, owner, requestId, before, limit } = filter;
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIST_MAX) {
      throw new ZkraftError('invalid_request', `limit is ${limit}; it is 1 to ${LIST_MAX}`, { field: 'limit' });
    }
    const rows = await this.#database.query('listing tasks', LIST, [
      limit,
      status ?? null,
      owner ?? null,
      requestId ?? null,
      before?.createdAt ?? null,
      before?.id ?? null,
    ]);
    return rows.map(taskRowOf);
  }

  async taskStory(id: string): Promise<TaskStory | undefined> {
    if (!isUuid(id)) return undefined;
    const doing = 'reading the story of a task';
    const [row] = await this.#database.query(
      doing,
      `SELECT ${TASK_COLUMNS}, cancel_request_id FROM tasks WHERE id = $1`,
      [id],
    );
    if (!row) return undefined;
    const events = await this.#database.query(
      doing,
      `SELECT task_id, log_index, kind, at, attempt, worker_id, code, message, request_id FROM task_events
       WHERE task_id = $1 ORDER BY epoch, log_index, kind LIMIT ${EVENTS_MAX}`,
      [id],
    );
    const repeated = await this.#database.query(
      doing,
      'SELECT id FROM tasks WHERE resubmitted_from = $1 ORDER BY created_at, id LIMIT 100',
      [id],
    );
    return {
      task: taskRowOf(row),
      cancelRequestId: (row.cancel_request_id as string | null) ?? undefined,
      events: events.map(eventOf),
      resubmittedAs: repeated.map(({ id: other }) => other as string),
    };
  }
}

const eventOf = (row: Row): TaskEvent => ({
  taskId: row.task_id as string,
  logIndex: Number(row.log_index),
  kind: row.kind as string,
  atMs: (row.at as Date).getTime(),
  attempt: row.attempt as number,
  workerId: row.worker_id as string | null,
  code: row.code as string | null,
  message: row.message as string | null,
  requestId: row.request_id as string,
});
