/**
 * The pool of connections, with a limit on everything: connections, waiting callers, statements, locks, transactions.
 *
 * A server that is paused answers nothing at all, so beside PostgreSQL's own timeouts the driver has one, a little
 * longer; a connection that ran into it is thrown away.
 */
import { type ClientBase, Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg';
import { type Logger, ZkraftError } from '../common/index.ts';
import { clientConfig, type DatabaseOptions } from './connection.ts';
import { mapPgError } from './pg-errors.ts';

export interface PoolLimits {
  readonly maxConnections: number;
  readonly idleConnections: number;
  readonly connectionLifetimeMs: number;
  readonly statementTimeoutMs: number;
  /** Of a whole transaction, as far as the server knows such a limit: from PostgreSQL 17 on. Absent: none. */
  readonly transactionTimeoutMs?: number;
  /** Most callers that wait for a connection. */
  readonly queueMax: number;
  readonly applicationName: string;
}

const IDLE_MS = 30_000;
/** How much longer than PostgreSQL's timeout the driver waits. */
const DRIVER_GRACE_MS = 1_000;

/**
 * A client that is stopped between two messages of one statement keeps its locks, and to the server it is not idle: of all
 * time-outs this one alone ends it. Older servers would refuse the name at the start, so it is set afterwards.
 */
const LIMIT_TRANSACTIONS = `
SELECT set_config('transaction_timeout', $1, false) WHERE current_setting('server_version_num')::int >= 170000`;

export type Row = QueryResultRow;
/** `name`: it is prepared under it, once a connection. */
export type Run = (text: string, values?: readonly unknown[], name?: string) => Promise<Row[]>;

export class Database {
  readonly #pool: Pool;
  readonly #queueMax: number;

  constructor(options: DatabaseOptions, limits: PoolLimits, logger: Logger) {
    this.#queueMax = limits.queueMax;
    this.#pool = new Pool({
      ...clientConfig(options, limits.applicationName),
      max: limits.maxConnections,
      min: Math.min(limits.idleConnections, limits.maxConnections),
      idleTimeoutMillis: IDLE_MS,
      maxLifetimeSeconds: Math.ceil(limits.connectionLifetimeMs / 1_000),
      statement_timeout: limits.statementTimeoutMs,
      lock_timeout: limits.statementTimeoutMs,
      idle_in_transaction_session_timeout: limits.statementTimeoutMs,
      query_timeout: limits.statementTimeoutMs + DRIVER_GRACE_MS,
      ...(limits.transactionTimeoutMs === undefined ? {} : { onConnect: limiting(limits.transactionTimeoutMs) }),
    });
    // A connection that is lent out, or on its way out, can break between queries. The next query rejects as well, so
    // nothing is lost by not listening; but without a listener the process would end.
    this.#pool.on('connect', (client) => {
      client.on('error', () => {});
    });
    // An idle connection broke; the pool drops it.
    this.#pool.on('error', (error) => {
      logger.warn({ reason: mapPgError(error, 'idle').message }, 'a database connection broke');
    });
  }

  /**
   * Runs one statement. `doing` completes "while ..." in an error. With a `name` it is prepared once a connection, and
   * its plan kept: for statements that are run often, and whose best plan does not change as tables grow.
   */
  async query(doing: string, text: string, values: readonly unknown[] = [], name?: string): Promise<Row[]> {
    this.#assertQueue();
    try {
      const result: QueryResult<Row> = await this.#pool.query(queryOf(text, values, name));
      return result.rows;
    } catch (error) {
      throw mapPgError(error, doing);
    }
  }

  /** Runs `work` in a transaction: committed when it resolves, rolled back when it rejects. */
  async transaction<T>(doing: string, work: (run: Run) => Promise<T>): Promise<T> {
    this.#assertQueue();
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw mapPgError(error, doing);
    }
    let broken = false;
    try {
      await client.query('BEGIN');
      const result = await work(
        async (text, values, name) => (await client.query(queryOf(text, values, name))).rows as Row[],
      );
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {
        broken = true;
      });
      const mapped = mapPgError(error, doing);
      broken ||= mapped.code === 'database_unavailable';
      throw mapped;
    } finally {
      client.release(broken);
    }
  }

  /** Ends all connections. Statements that run may finish; new ones reject with `shutting_down`. */
  async close(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end();
  }

  #assertQueue(): void {
    if (this.#pool.waitingCount < this.#queueMax) return;
    throw new ZkraftError('overloaded', `${this.#queueMax} queries already wait for a database connection`);
  }
}

const queryOf = (text: string, values: readonly unknown[] = [], name?: string) => ({
  text,
  values: [...values],
  ...(name !== undefined && { name }),
});

const limiting =
  (ms: number) =>
  async (client: ClientBase): Promise<void> => {
    await client.query(LIMIT_TRANSACTIONS, [String(ms)]);
  };
