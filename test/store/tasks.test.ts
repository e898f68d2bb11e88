import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client } from 'pg';
import { openStore, type Store, treeId } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { assigned, completed, failed, sampleTask } from '../support/store-samples.ts';

const CLUSTER = 'b0a9c1de-0000-4000-8000-000000000001';

describe('the gateway side of the store', () => {
  let postgres: TestPostgres;
  let url: string;
  let store: Store;
  let cursor = 0;

  before(async () => {
    postgres = await startTestPostgres();
    url = await postgres.createDatabase();
    store = await openStore({ connectionString: url, waitersMax: 5 });
    await store.claimCluster(CLUSTER);
  });
  after(async () => {
    await store?.close();
    await postgres?.stop();
  });

  const project = async (...rows: Parameters<Store['project']>[3]) => {
    assert.equal(await store.project({ clusterId: CLUSTER, epoch: 1 }, cursor, cursor + 1, rows), true);
    cursor += 1;
  };

  test('an inserted task is found by its owner, field for field, and by nobody else', async () => {
    const task = sampleTask('found', { leafIndex: 0, priority: 9 });
    const { task: row, created } = await store.insert(task);
    assert.equal(created, true);
    assert.deepEqual(await store.find('alice', row.id), row);
    assert.equal(await store.find('bob', row.id), undefined);
    assert.equal(await store.find('alice', 'not a uuid'), undefined);
    assert.deepEqual(
      { ...row, id: '', createdAt: undefined },
      {
        id: '',
        createdAt: undefined,
        owner: 'alice',
        status: 'pending',
        circuitId: 'merkle-8',
        circuitDigest: 'ab'.repeat(32),
        treeId: treeId(8, task.leaves),
        depth: 8,
        leafIndex: 0,
        root: task.root,
        externalHash: task.externalHash,
        priority: 9,
        attempt: 0,
        workerId: undefined,
        proof: undefined,
        publicSignals: undefined,
        errorCode: undefined,
        errorMessage: undefined,
        requestId: 'request-found',
        startedAt: undefined,
        completedAt: undefined,
        cancelRequestedAt: undefined,
        cancelRequestedBy: undefined,
        resubmittedFrom: undefined,
      },
    );
    assert.ok(Math.abs(row.createdAt.getTime() - Date.now()) < 60_000);
    assert.deepEqual(await store.leaves(row.treeId), task.leaves);
  });

  test('fifty equal requests at the same time are one task', async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => store.insert(sampleTask('fifty'))));
    assert.equal(new Set(outcomes.map(({ task }) => task.id)).size, 1);
    assert.equal(outcomes.filter(({ created }) => created).length, 1);
  });

  test('the same content of another owner is another task, on the same tree', async () => {
    const one = await store.insert(sampleTask('owners'));
    const two = await store.insert(sampleTask('owners', { owner: 'bob' }));
    assert.equal(two.created, true);
    assert.notEqual(one.task.id, two.task.id);
    assert.equal(one.task.treeId, two.task.treeId);
  });

  test('a fresh task is always new, and does not stand in the way of others', async () => {
    const fresh = await store.insert(sampleTask('fresh', { fresh: true }));
    const again = await store.insert(sampleTask('fresh', { fresh: true }));
    const plain = await store.insert(sampleTask('fresh'));
    assert.deepEqual([fresh.created, again.created, plain.created], [true, true, true]);
    assert.equal(new Set([fresh.task.id, again.task.id, plain.task.id]).size, 3);
  });

  test('after a failure or a cancellation the same request is a new task, after a completion it is not', async () => {
    const first = (await store.insert(sampleTask('again'))).task.id;
    await project(failed(first, 1));
    const second = await store.insert(sampleTask('again'));
    assert.equal(second.created, true);
    await project(failed(second.task.id, 1, { status: 'cancelled', errorCode: 'task_cancelled' }));
    const third = await store.insert(sampleTask('again'));
    assert.equal(third.created, true);
    await project(completed(third.task.id, 1));
    assert.deepEqual(
      await store.insert(sampleTask('again')).then(({ task, created }) => [task.id, task.status, created]),
      [third.task.id, 'completed', false],
    );
  });

  test('an idempotency key names one task for good: another body under it conflicts', async () => {
    const key = { idempotencyKey: 'order-17' };
    const first = await store.insert(sampleTask('keyed', key));
    const again = await store.insert(sampleTask('keyed', key));
    assert.deepEqual([again.task.id, again.created], [first.task.id, false]);
    await assert.rejects(store.insert(sampleTask('other body', key)), { code: 'idempotency_conflict' });
    assert.equal((await store.insert(sampleTask('other body', { ...key, owner: 'bob' }))).created, true);
    await project(failed(first.task.id, 1));
    const afterFailure = await store.insert(sampleTask('keyed', key));
    assert.deepEqual([afterFailure.task.id, afterFailure.task.status], [first.task.id, 'failed']);
  });

  test('a key that met an existing task is bound to it, and a refused insert leaves nothing behind', async () => {
    const plain = await store.insert(sampleTask('bound'));
    const keyed = await store.insert(sampleTask('bound', { idempotencyKey: 'late' }));
    assert.deepEqual([keyed.task.id, keyed.created], [plain.task.id, false]);
    await assert.rejects(store.insert(sampleTask('unbound', { idempotencyKey: 'late' })), {
      code: 'idempotency_conflict',
    });
    assert.equal((await store.insert(sampleTask('unbound'))).created, true);
  });

  test('of many requests at once under one key with two bodies, one body wins and the others conflict', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => store.insert(sampleTask(`race-${i % 2}`, { idempotencyKey: 'race' }))),
    );
    const ids = new Set(results.flatMap((r) => (r.status === 'fulfilled' ? [r.value.task.id] : [])));
    const codes = new Set(results.flatMap((r) => (r.status === 'rejected' ? [r.reason.code] : [])));
    assert.equal(ids.size, 1);
    assert.deepEqual([...codes], ['idempotency_conflict']);
  });

  test('leaves that are no tree are refused by name', async () => {
    for (const leaves of [new Uint8Array(0), new Uint8Array(33), new Uint8Array(32 * 8193)]) {
      await assert.rejects(store.insert(sampleTask('ragged', { leaves })), { code: 'invalid_leaves', field: 'leaves' });
    }
  });

  test('a wait ends within moments of the task, long before its time is up', async () => {
    const { task } = await store.insert(sampleTask('waited'));
    const began = performance.now();
    const waiting = store.waitTerminal('alice', task.id, 20_000);
    // The first waiter also opens the listening connection.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await project(assigned(task.id, 1));
    await project(completed(task.id, 2));
    const row = await waiting;
    assert.equal(row?.status, 'completed');
    assert.ok(performance.now() - began < 1_500);
  });

  test('a wait ends with the row as it is when its time is up, and at once for a task that is not there', async () => {
    const { task } = await store.insert(sampleTask('not yet'));
    const began = performance.now();
    assert.equal((await store.waitTerminal('alice', task.id, 150))?.status, 'pending');
    assert.ok(performance.now() - began >= 149);
    assert.equal((await store.waitTerminal('alice', task.id, 0))?.status, 'pending');
    assert.equal(await store.waitTerminal('bob', task.id, 10_000), undefined);
    assert.equal(await store.waitTerminal('alice', 'no uuid', 10_000), undefined);
  });

  test('waiters are limited, and one that is cancelled makes room', async () => {
    const { task } = await store.insert(sampleTask('crowd'));
    const controllers = Array.from({ length: 5 }, () => new AbortController());
    const waits = controllers.map(({ signal }) => store.waitTerminal('alice', task.id, 20_000, signal));
    await assert.rejects(store.waitTerminal('alice', task.id, 20_000), { code: 'overloaded' });
    for (const controller of controllers) controller.abort();
    for (const wait of waits) await assert.rejects(wait, { code: 'cancelled' });
    assert.equal((await store.waitTerminal('alice', task.id, 10))?.status, 'pending');
    await assert.rejects(store.waitTerminal('alice', task.id, 10, AbortSignal.abort()), { code: 'cancelled' });
  });

  test('an end whose notification was lost is found by the poll', async () => {
    const deaf = await openStore({ connectionString: url, waitPollMs: 100 });
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const { task } = await store.insert(sampleTask('unheard'));
      // The look at the beginning of listening is over before the change is made.
      await deaf.waitTerminal('alice', task.id, 500);
      const waiting = deaf.waitTerminal('alice', task.id, 10_000);
      await new Promise((resolve) => setTimeout(resolve, 300));
      // Takes the notification away, not the change.
      await client.query('SET session_replication_role = replica');
      await client.query(
        "UPDATE tasks SET status = 'failed', error_code = 'internal', completed_at = now() WHERE id = $1",
        [task.id],
      );
      const began = performance.now();
      assert.equal((await waiting)?.status, 'failed');
      assert.ok(performance.now() - began < 5_000);
    } finally {
      await client.end();
      await deaf.close();
    }
  });

  test('closing ends the waits and is idempotent', async () => {
    const own = await openStore({ connectionString: url });
    const { task } = await own.insert(sampleTask('closed'));
    const waiting = own.waitTerminal('alice', task.id, 20_000);
    const refused = assert.rejects(waiting, { code: 'shutting_down' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await Promise.all([own.close(), own.close()]);
    await refused;
    await assert.rejects(own.find('alice', task.id), { code: 'shutting_down' });
  });
});
