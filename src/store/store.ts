/** Opens the store: one pool, one listening connection, and the parts that use them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, ZkraftError } from '../common/index.ts';
import { silentLogger } from '../common/logging/index.ts';
import { type ArtifactStore, BLOB_BYTES_MAX } from '../prover/index.ts';
import { PgApiKeyStore } from './api-keys.ts';
import { PgAuditLog } from './audit.ts';
import { PgBlobStore } from './blobs.ts';
import { PgCircuitRegistry } from './circuits.ts';
import type { DatabaseOptions } from './connection.ts';
import { Database } from './database.ts';
import { Listener } from './listener.ts';
import { assertSchemaCurrent } from './migrations/index.ts';
import { PgSchedulingStore, PROJECTION_SESSION } from './scheduling.ts';
import { PgTaskControl } from './task-control.ts';
import { PgTaskStories } from './task-story.ts';
import { endedTasks, PgTaskStore } from './tasks.ts';
import { TerminalWaiters } from './terminal-waiters.ts';
import type { ApiKeyStore, AuditLog, OperatorStore, SchedulingStore, StoreHealth, TaskStore } from './types.ts';

export interface StoreOptions extends DatabaseOptions {
  readonly logger?: Logger;
  /** As PostgreSQL shows it in pg_stat_activity. */
  readonly applicationName?: string;
  /** Default 25; one more listens for notifications, and a coordinator that leads has one more for what it decides. */
  readonly maxConnections?: number;
  /** Kept open while nothing is to be done. Default 5. */
  readonly idleConnections?: number;
  /** A connection is replaced after this time. Default 5 minutes. */
  readonly connectionLifetimeMs?: number;
  /** Limit on each statement, lock and idle transaction. Default 2 s. */
  readonly statementTimeoutMs?: number;
  /** Most queries that wait for a connection; more reject with `overloaded`. Default 1000. */
  readonly queueMax?: number;
  /** Most callers of `waitTerminal`; more reject with `overloaded`. Default 10,000. */
  readonly waitersMax?: number;
  /** The safety net of `waitTerminal` looks this often. Default 2 s. */
  readonly waitPollMs?: number;
  readonly blobBytesMax?: number;
  /** How long to wait at the start for a database that does not answer yet. Default 10 s. */
  readonly connectPatienceMs?: number;
}

export interface Store extends TaskStore, SchedulingStore, OperatorStore, StoreHealth {
  readonly artifacts: ArtifactStore;
  readonly keys: ApiKeyStore;
  readonly audit: AuditLog;
  /** Ends waits with `shutting_down`, then all connections. Idempotent. */
  close(): Promise<void>;
}

const CONNECT_RETRY_MS = 250;

/**
 * Rejects with `database_unavailable` when the database does not answer within the patience, with `schema_outdated`
 * when it has other migrations than this build, with `config_invalid` when the options make no connection.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const logger = options.logger ?? silentLogger;
  const applicationName = options.applicationName ?? 'zkraft';
  const database = new Database(
    options,
    {
      maxConnections: options.maxConnections ?? 25,
      idleConnections: options.idleConnections ?? 5,
      connectionLifetimeMs: options.connectionLifetimeMs ?? 300_000,
      statementTimeoutMs: options.statementTimeoutMs ?? 2_000,
      queueMax: options.queueMax ?? 1_000,
      applicationName,
    },
    logger,
  );
  try {
    await firstContact(database, options.connectPatienceMs ?? 10_000);
  } catch (error) {
    await database.close();
    throw error;
  }
  const listener = new Listener(options, applicationName, logger);
  const waiters = new TerminalWaiters({
    listener,
    ended: (ids) => endedTasks(database, ids),
    pollMs: options.waitPollMs ?? 2_000,
    waitersMax: options.waitersMax ?? 10_000,
    logger,
  });
  const control = new PgTaskControl(database);
  const tasks = new PgTaskStore(database, waiters, control);
  const stories = new PgTaskStories(database);
  // A session of its own, by whose name the next leader finds it and ends it; opened when it is needed.
  const projection = new Database(
    options,
    {
      maxConnections: 1,
      idleConnections: 0,
      connectionLifetimeMs: options.connectionLifetimeMs ?? 300_000,
      statementTimeoutMs: options.statementTimeoutMs ?? 2_000,
      transactionTimeoutMs: options.statementTimeoutMs ?? 2_000,
      queueMax: 16,
      applicationName: PROJECTION_SESSION,
    },
    logger,
  );
  const scheduling = new PgSchedulingStore({ database, projection, listener, logger });
  const blobs = new PgBlobStore(database, options.blobBytesMax ?? BLOB_BYTES_MAX);
  let closing: Promise<void> | undefined;
  return {
    insert: (task) => tasks.insert(task),
    list: (owner, query) => tasks.list(owner, query),
    find: (owner, id) => tasks.find(owner, id),
    waitTerminal: (owner, id, timeoutMs, signal) => tasks.waitTerminal(owner, id, timeoutMs, signal),
    requestCancel: (owner, id, requestId) => tasks.requestCancel(owner, id, requestId),
    resubmit: (owner, id, requestId) => tasks.resubmit(owner, id, requestId),
    listTasks: (filter) => stories.listTasks(filter),
    taskStory: (id) => stories.taskStory(id),
    cancelAny: (id, by, requestId) => control.requestCancel({ id, owner: undefined, by, requestId }),
    resubmitAny: (id, requestId) => control.resubmit(undefined, id, requestId),
    readyTasks: (after, limit, nowMs) => scheduling.readyTasks(after, limit, nowMs),
    leasedTasks: (afterId, limit) => scheduling.leasedTasks(afterId, limit),
    leaves: (id) => scheduling.leaves(id),
    onInserted: (heard) => scheduling.onInserted(heard),
    cancelRequests: (afterId, limit) => scheduling.cancelRequests(afterId, limit),
    onCancelRequested: (heard) => scheduling.onCancelRequested(heard),
    claimCluster: (clusterId, succeeds) => scheduling.claimCluster(clusterId, succeeds),
    project: (cluster, expectedCursor, cursor, rows, story) =>
      scheduling.project(cluster, expectedCursor, cursor, rows, story),
    countPending: () => scheduling.countPending(),
    ping: async () => {
      await database.query('asking whether it is there', 'SELECT 1');
    },
    artifacts: { blobs, circuits: new PgCircuitRegistry(database, blobs) },
    keys: new PgApiKeyStore(database),
    audit: new PgAuditLog(database),
    close: () => {
      closing ??= (async () => {
        waiters.close();
        await listener.close();
        await projection.close();
        await database.close();
      })();
      return closing;
    },
  };
}

async function firstContact(database: Database, patienceMs: number): Promise<void> {
  const end = performance.now() + patienceMs;
  for (;;) {
    try {
      await database.transaction('checking the schema', (run) =>
        assertSchemaCurrent({ query: async (text: string) => ({ rows: await run(text) }) }),
      );
      return;
    } catch (error) {
      const mapped = ZkraftError.from(error);
      if (mapped.code !== 'database_unavailable' || performance.now() >= end) throw mapped;
      await sleep(CONNECT_RETRY_MS);
    }
  }
}
