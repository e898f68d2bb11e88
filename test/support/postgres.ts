/**
 * A private PostgreSQL for one test file, and fresh databases in it.
 *
 * The server is the one that users get, but for fsync, which only a power cut would miss. It lives in a temp folder that is removed at the end; when
 * the test process dies first, the server dies with it and the folder is removed by the next run.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { migrate, type PrivatePostgres, removePrivatePostgres, startPrivatePostgres } from '../../src/store/index.ts';

export interface TestPostgres {
  /** Of the newest start: a restart keeps it the same. */
  connectionString(): string;
  /** A new database, migrated unless told otherwise, as a connection string. */
  createDatabase(options?: { migrated?: boolean }): Promise<string>;
  /** Ends the server with SIGKILL, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same data. */
  restart(): Promise<void>;
  pid(): number;
  stop(): Promise<void>;
}

const PREFIX = 'zkraft-test-pg-';
const ABANDONED_MS = 3_600_000;

/**
 * `durable`: with fsync, for a test of what things cost. `ofTheSystem`: the PostgreSQL that is installed here, with its
 * client programs, rather than that of npm, which has none.
 */
export async function startTestPostgres({ durable = false, ofTheSystem = false } = {}): Promise<TestPostgres> {
  await sweepAbandoned();
  const dir = mkdtempSync(join(tmpdir(), PREFIX));
  // So that root's PostgreSQL, which runs under another account, can keep its data right here.
  chmodSync(dir, 0o755);
  const options = { dir, durable, ...(ofTheSystem ? { nativeDir: join(dir, 'none') } : {}) };
  let server: PrivatePostgres = await startPrivatePostgres(options);
  let template: Promise<string> | undefined;

  const admin = async (sql: string): Promise<void> => {
    const client = new Client({ connectionString: server.connectionString });
    client.on('error', () => {});
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  const makeTemplate = async (): Promise<string> => {
    await admin('CREATE DATABASE migrated_template');
    await migrate(urlOf(server, 'migrated_template'), 'up');
    return 'migrated_template';
  };

  return {
    connectionString: () => server.connectionString,
    createDatabase: async ({ migrated = true } = {}) => {
      const name = `test_${randomBytes(6).toString('hex')}`;
      template ??= makeTemplate();
      await admin(`CREATE DATABASE ${name} TEMPLATE ${migrated ? await template : 'template0'}`);
      return urlOf(server, name);
    },
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.stop();
    },
    restart: async () => {
      await server.stop();
      server = await startPrivatePostgres(options);
    },
    pid: () => server.pid,
    stop: async () => {
      await server.stop();
      await removePrivatePostgres(dir);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function urlOf(server: PrivatePostgres, database: string): string {
  return server.connectionString.replace('@/zkraft?', `@/${database}?`);
}

/** Removes what test runs that were killed left behind. Folders in use are locked and stay. */
async function sweepAbandoned(): Promise<void> {
  for (const entry of readdirSync(tmpdir())) {
    if (!entry.startsWith(PREFIX)) continue;
    const dir = join(tmpdir(), entry);
    try {
      if (Date.now() - statSync(dir).mtimeMs < ABANDONED_MS) continue;
      await removePrivatePostgres(dir);
      rmSync(dir, { recursive: true, force: true });
    } catch {
      // In use, or somebody else's.
    }
  }
}
