/** PostgreSQL away, back, paused, or never there: errors are coded, nothing hangs, and service comes back by itself. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client } from 'pg';
import type { ZkraftError } from '../../src/common/index.ts';
import { migrate, openStore, type Store } from '../../src/store/index.ts';
import { mapPgError } from '../../src/store/pg-errors.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { completed, sampleTask } from '../support/store-samples.ts';

const CLUSTER = { clusterId: 'outage', epoch: 1 };
const unavailable = { code: 'database_unavailable' };

describe('a database that goes away', () => {
  let postgres: TestPostgres;
  let url: string;
  let store: Store;

  before(async () => {
    postgres = await startTestPostgres();
    url = await postgres.createDatabase();
    store = await openStore({ connectionString: url, statementTimeoutMs: 500, waitPollMs: 200 });
    await store.claimCluster(CLUSTER.clusterId);
  });
  after(async () => {
    await store?.close();
    await postgres?.stop();
  });

  test('killed: every call says so; restarted: all is there, waits end, inserts are heard', async () => {
    const { task } = await store.insert(sampleTask('survivor'));
    let heard = 0;
    const stop = store.onInserted(() => {
      heard += 1;
    });
    const waiting = store.waitTerminal('alice', task.id, 30_000);
    await new Promise((resolve) => setTimeout(resolve, 200));

    await postgres.kill();
    await assert.rejects(store.ping(), unavailable);
    await assert.rejects(store.find('alice', task.id), unavailable);
    await assert.rejects(store.insert(sampleTask('lost')), unavailable);
    await assert.rejects(store.insert(sampleTask('lost', { idempotencyKey: 'k' })), unavailable);
    await assert.rejects(store.project(CLUSTER, 0, 1, []), unavailable);
    await assert.rejects(store.waitTerminal('alice', task.id, 5_000), unavailable);
    await assert.rejects(store.artifacts.blobs.has('00'.repeat(32)), unavailable);
    await assert.rejects(migrate(url, 'status'), unavailable);
    const heardBefore = heard;

    await postgres.restart();
    await until(() => store.ping());
    assert.equal((await store.find('alice', task.id))?.status, 'pending');
    assert.equal(await store.project(CLUSTER, 0, 1, [completed(task.id, 1)]), true);
    assert.equal((await waiting)?.status, 'completed');
    // The connection for notifications came back too, and looked for itself.
    await until(async () => assert.ok(heard > heardBefore));
    const heardAgain = heard;
    await store.insert(sampleTask('after'));
    await until(async () => assert.ok(heard > heardAgain));
    stop();
  });

  test('paused: a call gives up soon after its limit, and works once the server runs on', async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query('SELECT pid FROM pg_stat_activity WHERE datname IS NOT NULL');
    const pids = [postgres.pid(), ...rows.map((row) => row.pid as number)];
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      const began = performance.now();
      await assert.rejects(store.ping(), unavailable);
      assert.ok(performance.now() - began < 4_000);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await until(() => store.ping());
    await client.end();
  });

  test('a statement or lock that takes too long ends with a coded error, and the connection serves on', async () => {
    const { task } = await store.insert(sampleTask('locked'));
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM cluster FOR UPDATE');
    await assert.rejects(store.project(CLUSTER, 1, 2, [completed(task.id, 2)]), unavailable);
    await client.query('ROLLBACK');
    await client.end();
    assert.equal(await store.project(CLUSTER, 1, 2, [completed(task.id, 2)]), true);
  });

  test('more callers than the queue takes are turned away', async () => {
    const narrow = await openStore({ connectionString: url, maxConnections: 1, queueMax: 3 });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => narrow.ping()));
    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'served'));
    assert.ok(codes.includes('served'));
    assert.ok(codes.includes('overloaded'));
    assert.deepEqual([...new Set(codes)].toSorted(), ['overloaded', 'served']);
    await narrow.close();
  });
});

describe('a database that cannot be reached', () => {
  const secret = 'hunter2-secret';

  test('is told as such within the patience, without the password, the user or the address', async () => {
    const began = performance.now();
    const options = { host: '127.0.0.1', port: 1, user: 'someone', database: 'x', password: secret };
    for (const attempt of [
      () => openStore({ ...options, connectPatienceMs: 300 }),
      () => openStore({ connectionString: `postgresql://someone:${secret}@127.0.0.1:1/x`, connectPatienceMs: 0 }),
      () => migrate({ ...options }, 'up'),
    ]) {
      const error = await attempt().then(
        () => assert.fail('it opened'),
        (thrown: unknown) => thrown as ZkraftError,
      );
      assert.equal(error.code, 'database_unavailable');
      assert.doesNotMatch(everything(error), /hunter2|someone|127\.0\.0\.1/);
    }
    assert.ok(performance.now() - began < 3_000);
  });

  test('by a wrong setting is an error of the setting, which does not repeat the URL', async () => {
    for (const connectionString of [
      `mysql://someone:${secret}@db/x`,
      `postgresql://someone:${secret}@db:notaport/x`,
      `postgresql://someone:${secret}@db/x?sslmode=perhaps`,
      `postgresql://someone:${secret}@db/x?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`,
    ]) {
      const error = await openStore({ connectionString }).then(
        () => assert.fail('it opened'),
        (thrown: unknown) => thrown as ZkraftError,
      );
      assert.equal(error.code, 'config_invalid', connectionString);
      assert.doesNotMatch(everything(error), /hunter2/);
    }
    await assert.rejects(openStore({ host: 'db', sslMode: 'prefer' }), {
      code: 'config_invalid',
      field: 'database.ssl_mode',
    });
  });

  test('what PostgreSQL says about rows stays with PostgreSQL', () => {
    const thrown = Object.assign(new Error('new row violates check constraint'), {
      code: '23514',
      detail: 'Failing row contains (secret-leaf)',
      where: 'secret-leaf',
      table: 'tasks',
      constraint: 'tasks_result',
    });
    const error = mapPgError(thrown, 'testing');
    assert.equal(error.code, 'internal');
    assert.match(error.message, /tasks_result/);
    assert.doesNotMatch(everything(error), /secret-leaf/);
  });
});

function everything(error: ZkraftError): string {
  const { cause } = error as { cause?: Error };
  return [error.message, error.stack, cause?.message, cause?.stack, JSON.stringify(cause), cause?.cause].join('\n');
}

async function until(attempt: () => Promise<unknown>): Promise<void> {
  for (const end = Date.now() + 10_000; ; ) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
