/** The record of tasks and artifacts in PostgreSQL, and a private PostgreSQL where there is none. See README.md. */
export { KEY_PATTERN, newApiKey } from './api-keys.ts';
export { type DatabaseOptions, SSL_MODES, type SslMode } from './connection.ts';
export * from './dump/index.ts';
export {
  assertSchemaCurrent,
  type MigrateDirection,
  type MigrateOptions,
  type MigrateResult,
  type MigrateTarget,
  type MigrationStatus,
  migrate,
} from './migrations/index.ts';
export {
  describePostgresBinaries,
  type PostgresBinaries,
  type PrivatePostgres,
  type PrivatePostgresOptions,
  removePrivatePostgres,
  startPrivatePostgres,
} from './private-postgres/index.ts';
export { PAGE_ROWS_MAX, PROJECTION_ROWS_MAX, PROJECTION_SESSION } from './scheduling.ts';
export { openStore, type Store, type StoreOptions } from './store.ts';
export { isTerminal, treeId } from './task-rows.ts';
export { TREE_LEAVES_MAX } from './tasks.ts';
export * from './types.ts';
