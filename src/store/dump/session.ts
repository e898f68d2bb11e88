/** A connection of its own for a dump or a restore, and the same place told to PostgreSQL's programs. */
import { Client } from 'pg';
import { clientConfig, type DatabaseOptions } from '../connection.ts';
import { mapPgError } from '../pg-errors.ts';

/** By which a session of ours is told from those of coordinators and gateways. */
export const DUMP_SESSION = 'zkraft-dump';

/** Runs `work` on one connection, without a limit on how long a statement takes. Rejects as queries of the store do. */
export async function withSession<T>(
  options: DatabaseOptions,
  doing: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client(clientConfig(options, DUMP_SESSION));
  // A broken connection also rejects the query that runs.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0');
    await client.query(NO_TRANSACTION_TIMEOUT);
    return await work(client);
  } catch (error) {
    throw mapPgError(error, doing);
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * The variables by which libpq finds the database: in the environment, which others cannot read, as they could read a
 * command line. `base` is the environment to which they are added.
 */
export function libpqEnvironment(options: DatabaseOptions, base: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { host, port, user, database, password } = new Client(clientConfig(options));
  const query = new URLSearchParams(options.connectionString?.split('?')[1] ?? '');
  const sslMode = options.connectionString === undefined ? (options.sslMode ?? 'disable') : query.get('sslmode');
  const told: readonly (readonly [string, string | null | undefined])[] = [
    ['PGHOST', host],
    ['PGPORT', String(port)],
    ['PGUSER', user],
    ['PGDATABASE', database],
    ['PGPASSWORD', password],
    ['PGSSLMODE', sslMode],
    ['PGSSLROOTCERT', query.get('sslrootcert') ?? authorityOf(sslMode, base)],
    ['PGSSLCERT', query.get('sslcert')],
    ['PGSSLKEY', query.get('sslkey')],
    ['PGAPPNAME', DUMP_SESSION],
  ];
  const env = { ...base };
  for (const [name, value] of told) if (value) env[name] = value;
  return env;
}

/** libpq knows nothing of the authorities that Node was told of. */
const authorityOf = (sslMode: string | null | undefined, base: NodeJS.ProcessEnv): string | undefined =>
  sslMode?.startsWith('verify-') === true && base.PGSSLROOTCERT === undefined ? base.NODE_EXTRA_CA_CERTS : undefined;

/** A role or a database may have one set, from PostgreSQL 17 on; a dump is one long transaction. */
const NO_TRANSACTION_TIMEOUT = `
SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('server_version_num')::int >= 170000`;
