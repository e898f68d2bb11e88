/** What the bench asks the cluster's own database: what ended when, and rows of tasks that ended long ago. */
import { Client } from 'pg';
import { ZkraftError } from '../../src/common/index.ts';
import { parentOf } from './usage.ts';

/** Milliseconds. */
export interface Stretch {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Ended {
  readonly completed: number;
  /** From the moment at which a task was accepted to that at which it was leased. */
  readonly assign: Stretch;
  /** And to that at which its proof was accepted. */
  readonly whole: Stretch;
  /** The longest time without any task completed. */
  readonly longestGapMs: number;
}

const HISTORY_ROWS_AT_ONCE = 20_000;

export class BenchDatabase {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(connectionString: string): Promise<BenchDatabase> {
    const client = new Client({ connectionString, application_name: 'zkraft bench' });
    client.on('error', () => {});
    await client.connect();
    return new BenchDatabase(client);
  }

  /** Of the server, for its usage. */
  async serverPid(): Promise<number | undefined> {
    const { rows } = await this.#client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return rows[0] && parentOf(rows[0].pid);
  }

  async count(): Promise<number> {
    const { rows } = await this.#client.query<{ total: string }>('SELECT count(*) AS total FROM tasks');
    return Number(rows[0]?.total);
  }

  /** Ended without a proof. */
  async lost(): Promise<number> {
    const { rows } = await this.#client.query<{ lost: string }>(
      `SELECT count(*) AS lost FROM tasks WHERE status IN ('failed', 'cancelled')`,
    );
    return Number(rows[0]?.lost);
  }

  /** Accepted, and not ended yet. */
  async unfinished(): Promise<number> {
    const { rows } = await this.#client.query<{ open: string }>(
      `SELECT count(*) AS open FROM tasks WHERE status IN ('pending', 'assigned', 'in_progress')`,
    );
    return Number(rows[0]?.open);
  }

  async ended(from: Date, to: Date): Promise<Ended> {
    const { rows } = await this.#client.query<Record<string, string | null>>(
      `WITH done AS (
         SELECT created_at, completed_at, completed_at - lag(completed_at) OVER (ORDER BY completed_at) AS gap,
           (SELECT min(at) FROM task_events e WHERE e.task_id = tasks.id AND e.kind = 'assigned') AS assigned_at
         FROM tasks WHERE status = 'completed' AND completed_at >= $1 AND completed_at < $2
       ), ms AS (
         SELECT 1000 * extract(epoch FROM assigned_at - created_at) AS assign,
           1000 * extract(epoch FROM completed_at - created_at) AS whole, 1000 * extract(epoch FROM gap) AS gap FROM done
       )
       SELECT count(*) AS completed, max(gap) AS gap,
         percentile_disc(0.5) WITHIN GROUP (ORDER BY assign) AS assign_p50,
         percentile_disc(0.99) WITHIN GROUP (ORDER BY assign) AS assign_p99, max(assign) AS assign_max,
         percentile_disc(0.5) WITHIN GROUP (ORDER BY whole) AS whole_p50,
         percentile_disc(0.99) WITHIN GROUP (ORDER BY whole) AS whole_p99, max(whole) AS whole_max
       FROM ms`,
      [from, to],
    );
    const row = rows[0] ?? {};
    const stretch = (name: string): Stretch => ({
      p50: Number(row[`${name}_p50`]),
      p99: Number(row[`${name}_p99`]),
      max: Number(row[`${name}_max`]),
    });
    return {
      completed: Number(row.completed),
      assign: stretch('assign'),
      whole: stretch('whole'),
      longestGapMs: Number(row.gap),
    };
  }

  /** Makes rows, with the events of each, as if so many tasks had ended before; they are copies of one that has. */
  async addHistory(rows: number, signal: AbortSignal): Promise<void> {
    for (let done = 0; done < rows; done += HISTORY_ROWS_AT_ONCE) {
      signal.throwIfAborted();
      const count = Math.min(HISTORY_ROWS_AT_ONCE, rows - done);
      const { rowCount } = await this.#client.query(
        `WITH model AS (SELECT * FROM tasks WHERE status = 'completed' ORDER BY created_at LIMIT 1), old AS (
           INSERT INTO tasks (id, owner, content_hash, fresh, circuit_id, circuit_digest, tree_id, depth, root, leaf_index,
             external_hash, priority, request_id, created_at, status, attempt, worker_id, started_at, completed_at, proof,
             public_signals, fence_epoch, fence_index)
           SELECT gen_random_uuid(), owner, content_hash, true, circuit_id, circuit_digest, tree_id, depth, root,
             leaf_index, external_hash, priority, request_id, created_at - n * interval '1 second', status, attempt,
             worker_id, started_at - n * interval '1 second', completed_at - n * interval '1 second', proof,
             public_signals, fence_epoch, fence_index
           FROM model, generate_series($1::int, $2::int) AS n RETURNING id, completed_at, worker_id, request_id
         )
         INSERT INTO task_events (task_id, epoch, log_index, kind, at, attempt, worker_id, request_id)
         SELECT id, 1, 1, kind, completed_at, 1, worker_id, request_id
         FROM old, unnest(ARRAY['assigned', 'started', 'completed']) AS kind`,
        [done + 1, done + count],
      );
      if (rowCount !== 3 * count)
        throw new ZkraftError('bench_failed', 'no task has ended that history could be made of');
    }
    await this.#client.query('VACUUM (ANALYZE) tasks, task_events');
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
