import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Client } from 'pg';
import {
  openStore,
  PROJECTION_ROWS_MAX,
  PROJECTION_SESSION,
  READY_FROM_START,
  type ReadyTask,
  type Store,
} from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { assigned, completed, failed, pending, sampleTask } from '../support/store-samples.ts';

const CLUSTER = { clusterId: 'b0a9c1de-0000-4000-8000-000000000001', epoch: 1 };

describe('the leader side of the store', () => {
  let postgres: TestPostgres;
  let url: string;
  let store: Store;
  let client: Client;

  before(async () => {
    postgres = await startTestPostgres();
  });
  after(async () => {
    await client?.end();
    await store?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    await client?.end();
    await store?.close();
    url = await postgres.createDatabase();
    store = await openStore({ connectionString: url });
    client = new Client({ connectionString: url });
    await client.connect();
  });

  const insert = async (seed: string, priority = 5) => (await store.insert(sampleTask(seed, { priority }))).task.id;
  const find = (id: string) => store.find('alice', id);

  test('a database is claimed once, by one cluster, and refuses any other', async () => {
    const claims = await Promise.all(Array.from({ length: 5 }, () => store.claimCluster(CLUSTER.clusterId)));
    for (const claim of claims) assert.deepEqual(claim, { ...CLUSTER, cursor: 0 });
    await assert.rejects(store.claimCluster('another'), { code: 'foreign_cluster', message: /nothing was written/ });
  });

  test('a recovered cluster adopts the database of the one that was lost, whose leader can write no more', async () => {
    const lost = await store.claimCluster(CLUSTER.clusterId);
    const [before, after] = [await insert('before'), await insert('after')];
    assert.equal(await store.project(lost, 0, 900, [assigned(before, 900), assigned(after, 899)]), true);
    const heir = 'b0a9c1de-0000-4000-8000-000000000002';
    const adopted = await store.claimCluster(heir, ['some other', CLUSTER.clusterId]);
    assert.deepEqual(adopted, { clusterId: heir, epoch: 2, cursor: 0 });
    await assert.rejects(store.project(lost, 900, 901, [completed(before, 901)]), { code: 'foreign_cluster' });
    await assert.rejects(store.claimCluster(CLUSTER.clusterId), { code: 'foreign_cluster' });
    // Its log was shorter: lower indexes of the new epoch win all the same.
    assert.equal(await store.project(adopted, 0, 12, [completed(before, 12)]), true);
    assert.equal((await find(before))?.status, 'completed');
    assert.deepEqual(await store.claimCluster(heir, [CLUSTER.clusterId]), { clusterId: heir, epoch: 2, cursor: 12 });
  });

  test('a claim ends the session in which the leader before was writing, and nobody else’s', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const task = await insert('held');
    // As a leader that was paused in the middle of its statement: it holds the cluster's row.
    const paused = new Client({ connectionString: url, application_name: PROJECTION_SESSION });
    const ended = new Promise((resolve) => paused.once('end', resolve));
    paused.on('error', () => {});
    await paused.connect();
    await paused.query('BEGIN');
    await paused.query('UPDATE cluster SET cursor = 7');
    const next = await openStore({ connectionString: url });
    try {
      const startedMs = performance.now();
      const claim = await next.claimCluster(CLUSTER.clusterId);
      assert.equal(await next.project(claim, 0, 1, [assigned(task, 1)]), true);
      assert.ok(performance.now() - startedMs < 1_500, 'it waits for nobody');
      await ended;
      assert.equal((await next.claimCluster(CLUSTER.clusterId)).cursor, 1);
      await store.ping();
    } finally {
      await next.close();
      await paused.end().catch(() => {});
    }
  });

  const key = ({ priority, createdAt, id }: ReadyTask) =>
    `${9 - priority} ${String(createdAt.getTime()).padStart(20, '0')} ${id}`;

  test('ready tasks come by priority, then age, then id, page by page, none twice and none left out', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, (_, i) => insert(`page-${i}`, i % 4)));
    // Many of one moment: only the id tells them apart.
    await client.query(`UPDATE tasks SET created_at = to_timestamp(1700000000.123) WHERE priority < 2`);
    const seen: ReadyTask[] = [];
    for (let after = READY_FROM_START; after.length > 0; ) {
      const page = await store.readyTasks(after, 7);
      assert.deepEqual(page.map(key), page.map(key).toSorted(), 'each page in order');
      assert.ok(seen.push(...page) <= 40);
      after = [3, 2, 1, 0].flatMap((priority) => page.findLast((row) => row.priority === priority) ?? []);
    }
    assert.deepEqual(seen.map(({ id }) => id).toSorted(), ids.toSorted());
    for (const priority of [3, 2, 1, 0]) {
      const lane = seen.filter((row) => row.priority === priority).map(key);
      assert.equal(lane.length, 10);
      assert.deepEqual(lane, lane.toSorted());
    }
  });

  test('ready tasks are read through their index, however many have ended', async () => {
    const id = await insert('explained');
    await client.query(
      `INSERT INTO tasks (id, owner, content_hash, circuit_id, circuit_digest, tree_id, depth, root, leaf_index,
         external_hash, priority, request_id, status, error_code, completed_at)
       SELECT gen_random_uuid(), owner, sha256(n::text::bytea), circuit_id, circuit_digest, tree_id, depth, root, 0,
         external_hash, 5, 'r', 'failed', 'internal', now() FROM tasks, generate_series(1, 3000) AS n`,
    );
    // As the store asks, for one priority; whatever the statistics say of how many are pending.
    const explain = async (): Promise<string> => {
      const { rows } = await client.query(
        `EXPLAIN SELECT * FROM tasks WHERE status = 'pending' AND cancel_requested_at IS NULL
           AND (not_before IS NULL OR not_before <= now()) AND priority = 5
           AND (created_at, id) > (to_timestamp(0), '${READY_FROM_START[0]?.id}'::uuid)
         ORDER BY created_at, id LIMIT 5`,
      );
      return JSON.stringify(rows);
    };
    await client.query('ANALYZE tasks');
    const few = await explain();
    assert.match(few, /tasks_ready.*Index Cond: \(\(priority = 5\) AND \(ROW\(created_at, id\) >/);
    assert.doesNotMatch(few, /Sort/);
    await client.query('DELETE FROM tasks WHERE id = $1', [id]);
    await client.query('ANALYZE tasks');
    assert.match(await explain(), /tasks_ready.*Index Cond: \(\(priority = 5\) AND \(ROW\(created_at, id\) >/);
  });

  test('a task that backs off is not ready before its time on the leader’s clock', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const id = await insert('back-off');
    const until = Date.now() + 60_000;
    await store.project(CLUSTER, 0, 1, [
      pending(id, 1, { attempt: 1, notBeforeMs: until, errorCode: 'lease_expired' }),
    ]);
    assert.deepEqual(await store.readyTasks(READY_FROM_START, 10), []);
    assert.deepEqual(await store.readyTasks(READY_FROM_START, 10, until - 1), []);
    const [ready] = await store.readyTasks(READY_FROM_START, 10, until);
    assert.deepEqual([ready?.id, ready?.attempt], [id, 1]);
  });

  test('leased rows are listed by id, page by page', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const ids = (await Promise.all(Array.from({ length: 9 }, (_, i) => insert(`leased-${i}`)))).toSorted();
    const startedAtMs = Date.now();
    await store.project(CLUSTER, 0, 1, [
      ...ids.slice(0, 5).map((id) => assigned(id, 7)),
      ...ids.slice(5, 8).map((id) => assigned(id, 7, { status: 'in_progress', startedAtMs })),
    ]);
    const first = await store.leasedTasks(undefined, 5);
    const second = await store.leasedTasks(first.at(-1)?.id, 5);
    assert.deepEqual(
      [...first, ...second].map(({ id }) => id),
      ids.slice(0, 8),
    );
    assert.deepEqual(first[0] && { ...first[0], requestId: '' }, {
      id: ids[0],
      attempt: 1,
      leaseEpoch: 7,
      requestId: '',
    });
  });

  test('a projection writes what the log decided, to the millisecond and the byte', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const [a, b, c] = [await insert('a'), await insert('b'), await insert('c')];
    const rows = [completed(a, 3), failed(b, 4), assigned(c, 5, { workerId: 'gpu-7', attempt: 2 })];
    assert.equal(await store.project(CLUSTER, 0, 5, rows), true);
    const done = await find(a);
    assert.deepEqual(
      [done?.status, done?.workerId, done?.startedAt?.getTime(), done?.completedAt?.getTime()],
      ['completed', 'worker-1', 1_700_000_000_123, 1_700_000_000_456],
    );
    assert.deepEqual(done?.proof, new Uint8Array(256).fill(7));
    assert.deepEqual(done?.publicSignals, new Uint8Array(64).fill(9));
    const lost = await find(b);
    assert.deepEqual(
      [lost?.status, lost?.errorCode, lost?.errorMessage],
      ['failed', 'attempts_exhausted', 'three times'],
    );
    const leased = await find(c);
    assert.deepEqual([leased?.status, leased?.workerId, leased?.attempt], ['assigned', 'gpu-7', 2]);
    assert.equal((await store.claimCluster(CLUSTER.clusterId)).cursor, 5);
    assert.equal(await store.countPending(), 0);
    await insert('d');
    assert.equal(await store.countPending(), 1);
  });

  test('texts that SQL could trip over arrive as they are', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const id = await insert('quotes');
    const errorMessage = `"NULL", {a,b}, 'x'; \\ \n -- $1 %s ü`;
    await store.project(CLUSTER, 0, 1, [failed(id, 1, { errorMessage, workerId: 'NULL' })]);
    assert.deepEqual([(await find(id))?.errorMessage, (await find(id))?.workerId], [errorMessage, 'NULL']);
  });

  test('an older or equal fence changes nothing, and the cursor still moves', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const id = await insert('fenced');
    assert.equal(await store.project(CLUSTER, 0, 10, [assigned(id, 10, { workerId: 'new' })]), true);
    for (const index of [9, 10]) {
      const rows = [assigned(id, index, { workerId: 'old' })];
      assert.equal(await store.project(CLUSTER, 10, 10, rows), true);
      assert.equal((await find(id))?.workerId, 'new');
    }
    assert.equal(await store.project(CLUSTER, 10, 11, [assigned(id, 11, { workerId: 'newer' })]), true);
    assert.equal((await find(id))?.workerId, 'newer');
  });

  test('of several decisions about one task in one projection, the newest is written', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const id = await insert('merged');
    const rows = [assigned(id, 3, { workerId: 'third' }), assigned(id, 5, { workerId: 'fifth' }), assigned(id, 4)];
    await store.project(CLUSTER, 0, 5, rows);
    assert.equal((await find(id))?.workerId, 'fifth');
  });

  test('a cursor that moved meanwhile means: nothing was written', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const id = await insert('cursor');
    assert.equal(await store.project(CLUSTER, 0, 4, []), true);
    assert.equal(await store.project(CLUSTER, 0, 9, [assigned(id, 9)]), false);
    assert.equal((await find(id))?.status, 'pending');
    assert.equal((await store.claimCluster(CLUSTER.clusterId)).cursor, 4);
    await assert.rejects(store.project(CLUSTER, 4, 3, []), { code: 'internal' });
  });

  test('of leaders that project from the same cursor at the same time, one succeeds', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const id = await insert('two leaders');
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        store.project(CLUSTER, 0, 1, [assigned(id, 1, { workerId: `leader-${i}` })]),
      ),
    );
    assert.equal(outcomes.filter(Boolean).length, 1);
    assert.equal((await find(id))?.workerId, `leader-${outcomes.indexOf(true)}`);
  });

  test('another cluster or epoch writes nothing and is told whose the database is', async () => {
    const id = await insert('foreign');
    const rows = [assigned(id, 1)];
    await assert.rejects(store.project(CLUSTER, 0, 1, rows), { code: 'foreign_cluster' });
    await store.claimCluster(CLUSTER.clusterId);
    await assert.rejects(store.project({ ...CLUSTER, clusterId: 'other' }, 0, 1, rows), { code: 'foreign_cluster' });
    await client.query('UPDATE cluster SET epoch = 2');
    await assert.rejects(store.project(CLUSTER, 0, 1, rows), { code: 'foreign_cluster', message: /epoch 2/ });
    assert.equal((await find(id))?.status, 'pending');
    // The higher epoch wins over any index of the one before.
    assert.equal(await store.project({ ...CLUSTER, epoch: 2 }, 0, 1, rows), true);
    assert.equal((await find(id))?.status, 'assigned');
  });

  test('terminal is terminal: no later decision changes a row that has ended', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const ended = await Promise.all(['x', 'y', 'z'].map((seed) => insert(seed)));
    const [x = '', y = '', z = ''] = ended;
    await store.project(CLUSTER, 0, 3, [completed(x, 1), failed(y, 2), failed(z, 3, { status: 'cancelled' })]);
    const before = await Promise.all(ended.map(find));
    for (const [i, row] of [pending(x, 50), completed(y, 51), assigned(z, 52)].entries()) {
      assert.equal(await store.project(CLUSTER, 3 + i, 4 + i, [row]), true);
    }
    assert.deepEqual(await Promise.all(ended.map(find)), before);
  });

  test('one row that cannot be right fails the whole projection, cursor and all', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    const [good, bad] = [await insert('good'), await insert('bad')];
    const rows = [completed(good, 1), completed(bad, 2, { proof: new Uint8Array(255) })];
    await assert.rejects(store.project(CLUSTER, 0, 2, rows), { code: 'internal', message: /tasks_proof_check/ });
    assert.equal((await find(good))?.status, 'pending');
    assert.equal((await store.claimCluster(CLUSTER.clusterId)).cursor, 0);
  });

  test('a row that the database does not have is passed over', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    assert.equal(await store.project(CLUSTER, 0, 1, [completed('00000000-0000-4000-8000-000000000000', 1)]), true);
  });

  test('a projection as large as allowed fits into the statement timeout, a larger one is refused', async () => {
    await store.claimCluster(CLUSTER.clusterId);
    await insert('model');
    await client.query(
      `INSERT INTO tasks (id, owner, content_hash, circuit_id, circuit_digest, tree_id, depth, root, leaf_index,
         external_hash, priority, request_id)
       SELECT gen_random_uuid(), owner, sha256(n::text::bytea), circuit_id, circuit_digest, tree_id, depth, root, 0,
         external_hash, 5, 'r' FROM tasks, generate_series(1, $1) AS n`,
      [PROJECTION_ROWS_MAX - 1],
    );
    const ready = await store.readyTasks(READY_FROM_START, PROJECTION_ROWS_MAX);
    assert.equal(ready.length, PROJECTION_ROWS_MAX);
    const rows = ready.map(({ id }) => completed(id, 1));
    assert.equal(await store.project(CLUSTER, 0, 1, rows), true);
    assert.equal(await store.countPending(), 0);
    await assert.rejects(store.project(CLUSTER, 1, 2, [...rows, pending('x', 2)]), { code: 'internal' });
  });

  test('inserts are heard, many as few, until one stops listening', async () => {
    let calls = 0;
    const stop = store.onInserted(() => {
      calls += 1;
    });
    await until(() => calls === 1, 'the first look after connecting');
    await Promise.all(Array.from({ length: 30 }, (_, i) => insert(`heard-${i}`)));
    await until(() => calls >= 2, 'a notification');
    await quiet();
    assert.ok(calls <= 31);
    const before = calls;
    await client.query(`SELECT pg_notify('zkraft_task_inserted', n::text) FROM generate_series(1, 500) AS n`);
    await until(() => calls > before, 'a call for five hundred notifications');
    await quiet();
    assert.ok(calls - before < 50);
    const heard = calls;
    // An insert that met an existing task is no news.
    await insert('heard-0');
    await quiet();
    assert.equal(calls, heard);
    stop();
    await insert('unheard');
    await quiet();
    assert.equal(calls, heard);
  });

  test('leaves that were damaged on disk are not handed out', async () => {
    const { task } = await store.insert(sampleTask('damaged'));
    await client.query('UPDATE blob_chunks SET content = $1', [Buffer.alloc(64, 1)]);
    await assert.rejects(store.leaves(task.treeId), { code: 'artifact_corrupt' });
    await assert.rejects(store.leaves('00'.repeat(32)), { code: 'artifact_not_found' });
  });
});

const quiet = () => new Promise((resolve) => setTimeout(resolve, 150));

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 5_000;
  while (!condition()) {
    assert.ok(Date.now() < end, `${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
