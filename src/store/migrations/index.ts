/**
 * Brings the schema up, takes it down, says where it stands.
 *
 * Each migration runs in a transaction with its row in `schema_migrations`, so it happened whole or not at all. An
 * advisory lock lets one process at a time do this; the others wait and then find nothing left to do. A file that was
 * changed after it was applied stops everything: two databases with one version number would differ.
 */
import { Client, Pool } from 'pg';
import { ZkraftError } from '../../common/index.ts';
import { clientConfig, type DatabaseOptions } from '../connection.ts';
import { mapPgError } from '../pg-errors.ts';
import { type Migration, readMigrations } from './files.ts';

export type MigrateDirection = 'up' | 'down' | 'status';

export interface MigrationStatus {
  readonly version: number;
  readonly name: string;
  /** Undefined: not applied. */
  readonly appliedAt: Date | undefined;
}

export interface MigrateResult {
  /** Version of the database now; 0 when it is empty. */
  readonly current: number;
  /** Version that this build expects. */
  readonly latest: number;
  readonly migrations: readonly MigrationStatus[];
}

export interface MigrateOptions {
  /** Version to end at. Default: up to the newest; down by one. */
  readonly to?: number;
  /** Overrides where the SQL files lie: for tests. */
  readonly dir?: string;
}

/** A pool, a connection string, or discrete fields. */
export type MigrateTarget = Pool | string | DatabaseOptions;

export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

interface AppliedRow {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly appliedAt: Date;
}

/** Of this project: any 64-bit number would do, if it stays the same. */
const LOCK_KEY = 7_218_804_151_203n;
const LOCK_WAIT_MS = 120_000;
const TABLE = `CREATE TABLE IF NOT EXISTS schema_migrations (
  version integer PRIMARY KEY CHECK (version >= 1),
  name text NOT NULL,
  checksum text NOT NULL CHECK (char_length(checksum) = 64),
  applied_at timestamptz(3) NOT NULL DEFAULT now()
)`;

/**
 * `up` and `down` return the state they led to. Rejects with `migration_failed` (rolled back; the message names the
 * file), `invalid_request` for a `to` that does not exist, `database_unavailable`.
 */
export async function migrate(
  target: MigrateTarget,
  direction: MigrateDirection,
  options: MigrateOptions = {},
): Promise<MigrateResult> {
  const migrations = readMigrations(options.dir);
  checkTo(options.to, migrations.length);
  return withClient(target, async (client) => {
    if (direction === 'status') return resultOf(migrations, await readApplied(client));
    await client.query('SET statement_timeout = 0');
    await client.query(`SET lock_timeout = ${LOCK_WAIT_MS}`);
    await client.query(`SELECT pg_advisory_lock(${LOCK_KEY})`);
    try {
      await client.query(TABLE);
      const applied = await readApplied(client);
      checkHistory(migrations, applied);
      if (direction === 'up') {
        const to = options.to ?? migrations.length;
        for (const migration of migrations.slice(applied.length, Math.max(to, applied.length))) {
          await runOne(client, migration, 'up');
        }
      } else {
        const to = options.to ?? Math.max(0, applied.length - 1);
        for (const migration of migrations.slice(to, applied.length).toReversed()) {
          await runOne(client, migration, 'down');
        }
      }
      return resultOf(migrations, await readApplied(client));
    } finally {
      await client.query(`SELECT pg_advisory_unlock(${LOCK_KEY})`).catch(() => {
        // The connection is gone, and the lock with it.
      });
    }
  });
}

/** Rejects with `schema_outdated` unless the database has exactly the migrations of this build. */
export async function assertSchemaCurrent(client: Queryable, migrations = readMigrations()): Promise<void> {
  const applied = await readApplied(client);
  if (applied.length > migrations.length) {
    throw new ZkraftError(
      'schema_outdated',
      `the database schema is version ${applied.length}, newer than this zkraft knows (${migrations.length}): update zkraft`,
    );
  }
  if (applied.length < migrations.length) {
    throw new ZkraftError(
      'schema_outdated',
      `the database schema is version ${applied.length}, and ${migrations.length} is expected: run zkraft migrate up`,
    );
  }
  for (const [i, row] of applied.entries()) {
    if (row.checksum !== migrations[i]?.checksum) {
      throw new ZkraftError(
        'schema_outdated',
        `the database was migrated with another ${row.name} than this zkraft has: use the zkraft that made it`,
      );
    }
  }
}

async function withClient<T>(target: MigrateTarget, work: (client: Queryable) => Promise<T>): Promise<T> {
  if (target instanceof Pool) {
    const client = await target.connect().catch((error: unknown) => {
      throw mapPgError(error, 'connecting');
    });
    // It is thrown away below; whatever it still hears then is of no use to anybody.
    client.on('error', () => {});
    try {
      return await work(client);
    } catch (error) {
      throw mapPgError(error, 'migrating');
    } finally {
      // Not back into the pool: its session has other timeouts now.
      client.release(true);
    }
  }
  const options = typeof target === 'string' ? { connectionString: target } : target;
  const client = new Client(clientConfig(options, 'zkraft-migrate'));
  // A broken connection also rejects the query that runs.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    throw mapPgError(error, 'migrating');
  } finally {
    await client.end().catch(() => {});
  }
}

async function runOne(client: Queryable, migration: Migration, direction: 'up' | 'down'): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(direction === 'up' ? migration.up : migration.down);
    if (direction === 'up') {
      await client.query('INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)', [
        migration.version,
        migration.name,
        migration.checksum,
      ]);
    } else {
      await client.query('DELETE FROM schema_migrations WHERE version = $1', [migration.version]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    const mapped = mapPgError(error, `running ${migration.name}.${direction}.sql`);
    if (mapped.retryable && mapped.code === 'database_unavailable') throw mapped;
    // A migration holds no values of users, so PostgreSQL's own words may be shown.
    throw new ZkraftError(
      'migration_failed',
      `${migration.name}.${direction}.sql failed and was rolled back: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

async function readApplied(client: Queryable): Promise<readonly AppliedRow[]> {
  try {
    const exists = await client.query(`SELECT to_regclass('schema_migrations') IS NOT NULL AS found`);
    if (!(exists.rows[0] as { found: boolean }).found) return [];
    const { rows } = await client.query(
      'SELECT version, name, checksum, applied_at AS "appliedAt" FROM schema_migrations ORDER BY version',
    );
    return rows as AppliedRow[];
  } catch (error) {
    throw mapPgError(error, 'reading the schema version');
  }
}

function checkHistory(migrations: readonly Migration[], applied: readonly AppliedRow[]): void {
  for (const [i, row] of applied.entries()) {
    const migration = migrations[i];
    if (!migration || migration.name !== row.name) {
      throw new ZkraftError(
        'migration_failed',
        `the database has migration ${row.name}, which this zkraft does not: use a zkraft at least as new as the database`,
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new ZkraftError(
        'migration_failed',
        `${row.name}.up.sql has changed since it was applied: restore the file, and put the change into a new migration`,
      );
    }
  }
}

function checkTo(to: number | undefined, latest: number): void {
  if (to === undefined || (Number.isSafeInteger(to) && to >= 0 && to <= latest)) return;
  throw new ZkraftError('invalid_request', `to is ${to}; it is a whole number from 0 to ${latest}`, { field: 'to' });
}

function resultOf(migrations: readonly Migration[], applied: readonly AppliedRow[]): MigrateResult {
  return {
    current: applied.length,
    latest: migrations.length,
    migrations: migrations.map(({ version, name }) => ({
      version,
      name,
      appliedAt: applied[version - 1]?.appliedAt,
    })),
  };
}
