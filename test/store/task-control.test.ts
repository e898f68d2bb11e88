import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore, READY_FROM_START, type Store, type TaskEvent } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { assigned, completed, failed, sampleTask } from '../support/store-samples.ts';

const CLUSTER = { clusterId: 'b0a9c1de-0000-4000-8000-000000000001', epoch: 1 };

describe('what is asked of tasks that are there', () => {
  let postgres: TestPostgres;
  let store: Store;
  let cursor = 0;

  before(async () => {
    postgres = await startTestPostgres();
  });
  after(async () => {
    await store?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    await store?.close();
    store = await openStore({ connectionString: await postgres.createDatabase() });
    await store.claimCluster(CLUSTER.clusterId);
    cursor = 0;
  });

  const insert = async (seed: string, fresh = false) => (await store.insert(sampleTask(seed, { fresh }))).task.id;
  const project = async (row: ReturnType<typeof failed>, story: readonly TaskEvent[] = []) => {
    assert.equal(await store.project(CLUSTER, cursor, row.fenceIndex, [row], story), true);
    cursor = row.fenceIndex;
  };

  test('a request to cancel is kept once, heard at once, found by the scan, and takes the task off the queue', async () => {
    const id = await insert('cancel');
    let heard = 0;
    const stop = store.onCancelRequested(() => {
      heard += 1;
    });
    for (let tries = 0; heard === 0 && tries < 100; tries++) await sleep(20); // the first is the listener's own look
    const before = heard;
    const asked = await Promise.all(Array.from({ length: 12 }, (_, i) => store.requestCancel('alice', id, `r-${i}`)));
    assert.equal(asked.filter((answer) => answer?.outcome === 'asked').length, 1);
    assert.equal(asked.filter((answer) => answer?.outcome === 'before').length, 11);
    for (let tries = 0; heard === before && tries < 100; tries++) await sleep(20);
    assert.equal(heard, before + 1);
    stop();
    const [request] = await store.cancelRequests(undefined, 10);
    assert.deepEqual([request?.taskId, request?.by, request?.attempt], [id, 'alice', 0]);
    assert.match(request?.cancelRequestId ?? '', /^r-\d+$/);
    assert.deepEqual(await store.readyTasks(READY_FROM_START, 10), []);
  });

  test('requests are paged by id, and end with the task', async () => {
    const ids = [];
    for (let i = 0; i < 7; i++) ids.push(await insert(`page-${i}`));
    for (const id of ids) await store.requestCancel('alice', id, 'r');
    const seen: string[] = [];
    for (let after: string | undefined; ; after = seen.at(-1)) {
      const page = await store.cancelRequests(after, 3);
      seen.push(...page.map(({ taskId }) => taskId));
      if (page.length < 3) break;
    }
    assert.deepEqual(seen, ids.toSorted());
    await project({ ...failed(ids[0] as string, 1), status: 'cancelled' });
    assert.equal((await store.cancelRequests(undefined, 10)).length, 6);
  });

  test('what has ended is not marked, and another owner finds nothing', async () => {
    const id = await insert('ended');
    assert.equal(await store.requestCancel('mallory', id, 'r'), undefined);
    assert.equal(await store.requestCancel('alice', 'no uuid', 'r'), undefined);
    await project(completed(id, 1));
    const late = await store.requestCancel('alice', id, 'r');
    assert.deepEqual([late?.outcome, late?.task.status], ['ended', 'completed']);
    assert.equal((await store.find('alice', id))?.cancelRequestedAt, undefined);
  });

  test('a request that races with the end of its task is stored or refused, never lost', async () => {
    for (let i = 1; i <= 20; i++) {
      const id = await insert(`race-${i}`);
      const [answer] = await Promise.all([store.requestCancel('alice', id, 'r'), project(completed(id, i))]);
      const row = await store.find('alice', id);
      assert.equal(row?.status, 'completed');
      assert.equal(answer?.outcome, row?.cancelRequestedAt === undefined ? 'ended' : 'asked');
    }
  });

  test('a failed task is repeated over the same tree by one new task, however often that is asked', async () => {
    for (const fresh of [false, true]) {
      const id = await insert(`again-${fresh}`, fresh);
      assert.equal((await store.resubmit('alice', id, 'r'))?.outcome, 'refused');
      await project(failed(id, cursor + 1));
      const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => store.resubmit('alice', id, `r-${i}`)));
      const made = answers.filter((answer) => answer?.outcome === 'repeated');
      assert.equal(made.length, 1);
      const again = made[0]?.task;
      assert.ok(again);
      for (const answer of answers) assert.equal(answer?.task.id, again.id);
      const earlier = await store.find('alice', id);
      for (const field of ['treeId', 'depth', 'leafIndex', 'circuitDigest', 'priority'] as const) {
        assert.equal(again[field], earlier?.[field]);
      }
      assert.deepEqual([again.status, again.attempt, again.resubmittedFrom], ['pending', 0, id]);
      assert.equal(earlier?.status, 'failed');
      assert.deepEqual((await store.taskStory(id))?.resubmittedAs, [again.id]);
      // Its repetition came to nothing too: then there is another.
      await project(failed(again.id, cursor + 1));
      assert.equal((await store.resubmit('alice', id, 'r'))?.outcome, 'repeated');
    }
  });

  test('an equal task that was submitted meanwhile is the repetition', async () => {
    const id = await insert('equal');
    await project({ ...failed(id, 1), status: 'cancelled' });
    const second = await store.insert(sampleTask('equal'));
    assert.equal(second.created, true);
    const answer = await store.resubmit('alice', id, 'r');
    assert.deepEqual([answer?.outcome, answer?.task.id], ['there', second.task.id]);
  });

  test('a submit after a failure or a cancellation is a new task; under its idempotency key it is the one that ended', async () => {
    for (const status of ['failed', 'cancelled'] as const) {
      const seed = `second-${status}`;
      const first = (await store.insert(sampleTask(seed, { idempotencyKey: seed }))).task.id;
      await project({ ...failed(first, cursor + 1), status });
      const keyed = await store.insert(sampleTask(seed, { idempotencyKey: seed }));
      assert.deepEqual([keyed.created, keyed.task.id, keyed.task.status], [false, first, status]);
      const second = await store.insert(sampleTask(seed));
      assert.equal(second.created, true);
      assert.deepEqual([second.task.status, second.task.resubmittedFrom], ['pending', undefined]);
      assert.equal((await store.insert(sampleTask(seed))).task.id, second.task.id);
    }
  });

  test('a story is written with its row, once, only when the cursor moves', async () => {
    const id = await insert('story');
    const event = (logIndex: number, kind: string): TaskEvent => ({
      taskId: id,
      logIndex,
      kind,
      atMs: 1_700_000_000_000 + logIndex,
      attempt: 1,
      workerId: 'worker-1',
      code: kind === 'failed' ? 'internal' : null,
      message: kind === 'failed' ? 'why' : null,
      requestId: 'request-story',
    });
    await project(assigned(id, 3), [event(3, 'assigned')]);
    assert.equal(await store.project(CLUSTER, 2, 9, [], [event(9, 'failed')]), false);
    const absent = { ...event(4, 'assigned'), taskId: '00000000-0000-4000-8000-000000000000' };
    await project(failed(id, 5), [event(3, 'assigned'), event(4, 'started'), event(5, 'failed'), absent]);
    const story = await store.taskStory(id);
    assert.deepEqual(story?.events, [event(3, 'assigned'), event(4, 'started'), event(5, 'failed')]);
    assert.equal(story?.task.owner, 'alice');
    assert.equal(await store.taskStory('00000000-0000-4000-8000-000000000000'), undefined);
  });

  test('an operator lists the tasks of all owners, newest first, by status, owner, request and page', async () => {
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await insert(`list-${i}`));
    const others = (await store.insert(sampleTask('list-0', { owner: 'bob' }))).task.id;
    const all = (await store.listTasks({ limit: 10 })).map((task) => task.id);
    assert.deepEqual(all.toSorted(), [...ids, others].toSorted());
    const first = await store.listTasks({ limit: 4 });
    const last = first.at(-1);
    assert.ok(last);
    const rest = await store.listTasks({ limit: 4, before: last });
    assert.deepEqual(
      [...first, ...rest].map((task) => task.id),
      all,
    );
    assert.deepEqual(
      (await store.listTasks({ limit: 9, owner: 'bob' })).map((task) => task.id),
      [others],
    );
    assert.deepEqual(
      (await store.listTasks({ limit: 9, requestId: 'request-list-3' })).map((task) => task.id),
      [ids[3]],
    );
    await project(failed(ids[2] as string, 1));
    assert.deepEqual(
      (await store.listTasks({ limit: 9, status: 'failed' })).map((task) => task.id),
      [ids[2]],
    );
    await assert.rejects(store.listTasks({ limit: 0 }), { code: 'invalid_request' });
    const asked = await store.cancelAny(others, 'operator ann', 'r');
    assert.deepEqual([asked?.outcome, asked?.task.cancelRequestedBy], ['asked', 'operator ann']);
    assert.equal((await store.resubmitAny(ids[2] as string, 'r'))?.outcome, 'repeated');
  });
});
