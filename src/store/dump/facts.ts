/** What a database of ours says of itself, before it is dumped and after it was restored. */
import type { Client } from 'pg';
import { ZkraftError } from '../../common/index.ts';

export interface DatabaseFacts {
  readonly name: string;
  /** Such as 18.4. */
  readonly serverVersion: string;
  readonly serverMajor: number;
  /** The newest migration: 0 where there is no schema of ours. */
  readonly schemaVersion: number;
  /** The coordinators whose database it is; undefined before the first of them led. */
  readonly cluster:
    | {
        readonly clusterId: string;
        readonly epoch: number;
        /** How much of their log is reflected in it. */
        readonly cursor: number;
      }
    | undefined;
  /** Tasks by status. */
  readonly tasks: Readonly<Record<string, number>>;
  /** On the server's disk. */
  readonly bytes: number;
}

export async function readFacts(client: Client): Promise<DatabaseFacts> {
  const { rows } = await client.query(
    `SELECT current_database() AS name, current_setting('server_version_num')::int AS version,
            pg_database_size(current_database()) AS bytes, to_regclass('schema_migrations') IS NOT NULL AS migrated`,
  );
  const [{ name, version, bytes, migrated }] = rows as [Record<string, unknown>];
  const serverMajor = Math.floor((version as number) / 10_000);
  const server = { serverMajor, serverVersion: `${serverMajor}.${(version as number) % 10_000}` };
  const place = { name: name as string, bytes: Number(bytes), ...server };
  if (migrated !== true) return { ...place, schemaVersion: 0, cluster: undefined, tasks: {} };
  const schema = await client.query('SELECT coalesce(max(version), 0) AS version FROM schema_migrations');
  const schemaVersion = Number(schema.rows[0]?.version);
  // A schema that was only begun, or taken down: it has no tasks.
  const whole = await client.query(
    `SELECT to_regclass('tasks') IS NOT NULL AND to_regclass('cluster') IS NOT NULL AS is`,
  );
  if (whole.rows[0]?.is !== true) return { ...place, schemaVersion, cluster: undefined, tasks: {} };
  const cluster = await client.query('SELECT cluster_id, epoch, cursor FROM cluster');
  const tasks = await client.query('SELECT status, count(*) AS tasks FROM tasks GROUP BY status ORDER BY status');
  const row = cluster.rows[0];
  return {
    ...place,
    schemaVersion,
    cluster: row && { clusterId: row.cluster_id, epoch: Number(row.epoch), cursor: Number(row.cursor) },
    tasks: Object.fromEntries(tasks.rows.map(({ status, tasks: count }) => [status, Number(count)])),
  };
}

/** Throws `schema_outdated` for a database that is not ours. */
export function refuseForeignDatabase({ name, schemaVersion }: DatabaseFacts): void {
  if (schemaVersion > 0) return;
  throw new ZkraftError(
    'schema_outdated',
    `the database ${name} has no tables of zkraft: name another (DATABASE_URL, database.database), or make them: zkraft migrate up`,
    { field: 'database' },
  );
}
