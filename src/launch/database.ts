/** The store that the settings name. */
import { type Logger, ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { openStore, type Store } from '../store/index.ts';

export function databaseOptions(config: Config) {
  const url = config.get('database.url');
  const pool = {
    maxConnections: config.get('database.max_open_conns'),
    idleConnections: config.get('database.max_idle_conns'),
    connectionLifetimeMs: config.ms('database.conn_max_lifetime'),
  };
  if (url !== '') return { connectionString: url, ...pool };
  return {
    host: config.get('database.host'),
    port: config.get('database.port'),
    database: config.get('database.database'),
    user: config.get('database.user'),
    password: config.get('database.password'),
    sslMode: config.get('database.ssl_mode'),
    ...pool,
  };
}

/** An unreachable database, with where it was looked for: the host, never what a connection string holds besides. */
export async function namingDatabase<T>(config: Config, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    const error = ZkraftError.from(thrown);
    if (error.code !== 'database_unavailable') throw thrown;
    const where =
      config.get('database.url') === ''
        ? `${config.get('database.host')}:${config.get('database.port')}`
        : 'DATABASE_URL';
    throw new ZkraftError(error.code, `${error.message} (looked for at ${where}; set DATABASE_URL or database.host)`, {
      field: 'database',
      cause: error,
    });
  }
}

export function openConfiguredStore(config: Config, logger: Logger): Promise<Store> {
  return namingDatabase(config, openStore({ ...databaseOptions(config), logger }));
}
