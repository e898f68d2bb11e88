/**
 * What each of the coordinator's statements costs PostgreSQL, by its own count (`pg_stat_statements`).
 *
 * Time is noisy on a busy machine; pages touched for each call are not, and they grow where an index is missing or
 * full of dead rows, long before the time shows it.
 */
import { Client } from 'pg';
import type { TestPostgres } from '../support/postgres.ts';

/** Each by words that stand in it alone. */
const STATEMENTS = {
  /** Which tasks are next. */
  ready: '%AS lane (%',
  /** What was decided, into its rows. */
  project: 'WITH moved AS (%',
} as const;

type StatementName = keyof typeof STATEMENTS;

export interface StatementCost {
  readonly calls: number;
  /** Planning and execution, of all calls. */
  readonly ms: number;
  /** Pages of 8 KiB, of all calls, wherever they came from. */
  readonly pages: number;
}

export type Costs = Readonly<Record<StatementName, StatementCost>>;

/** To be called before databases are made: the server is restarted with the module loaded. */
export async function countStatements(postgres: TestPostgres): Promise<void> {
  const client = new Client({ connectionString: postgres.connectionString() });
  await client.connect();
  await client.query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'");
  await client.query('ALTER SYSTEM SET pg_stat_statements.track_planning = on');
  await client.end();
  await postgres.restart();
}

export class DatabaseCosts {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(connectionString: string): Promise<DatabaseCosts> {
    const client = new Client({ connectionString, application_name: 'soak-costs' });
    await client.connect();
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    return new DatabaseCosts(client);
  }

  /** Since the last call. */
  async take(): Promise<Costs> {
    const costs = { ready: await this.#costOf('ready'), project: await this.#costOf('project') };
    await this.#client.query('SELECT pg_stat_statements_reset()');
    return costs;
  }

  /** Tasks by status, and how many lines their stories have: what the record must hold in the end. */
  async record(): Promise<{ byStatus: Record<string, number>; attemptsMax: number; events: number }> {
    const { rows } = await this.#client.query<{ status: string; tasks: string; attempts: number }>(
      'SELECT status, count(*) AS tasks, max(attempt) AS attempts FROM tasks GROUP BY status',
    );
    const { rows: told } = await this.#client.query<{ events: string }>('SELECT count(*) AS events FROM task_events');
    return {
      byStatus: Object.fromEntries(rows.map(({ status, tasks }) => [status, Number(tasks)])),
      attemptsMax: Math.max(0, ...rows.map(({ attempts }) => attempts)),
      events: Number(told[0]?.events ?? 0),
    };
  }

  async #costOf(name: StatementName): Promise<StatementCost> {
    const { rows } = await this.#client.query<Record<'calls' | 'ms' | 'pages', string | null>>(
      `SELECT sum(calls) AS calls, sum(total_exec_time + total_plan_time) AS ms,
              sum(shared_blks_hit + shared_blks_read) AS pages
       FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
       WHERE datname = current_database() AND query LIKE $1`,
      [STATEMENTS[name]],
    );
    const [row] = rows;
    return { calls: Number(row?.calls), ms: Number(row?.ms), pages: Number(row?.pages) };
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
