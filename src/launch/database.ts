/** The store that the settings name. */
import type { Logger } from '../common/index.ts';
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

export function openConfiguredStore(config: Config, logger: Logger): Promise<Store> {
  return openStore({ ...databaseOptions(config), logger });
}
