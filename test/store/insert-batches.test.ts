import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client } from 'pg';
import { openStore, type Store } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { sampleTask } from '../support/store-samples.ts';

describe('tasks that are submitted at the same time', () => {
  let postgres: TestPostgres;
  let url: string;
  let stores: readonly Store[];
  let client: Client;

  before(async () => {
    postgres = await startTestPostgres();
    url = await postgres.createDatabase();
    stores = await Promise.all(['a', 'b'].map((name) => openStore({ connectionString: url, applicationName: name })));
    client = new Client({ connectionString: url });
    await client.connect();
  });
  after(async () => {
    await client?.end();
    for (const store of stores ?? []) await store.close();
    await postgres?.stop();
  });

  const [a, b] = [() => stores[0] as Store, () => stores[1] as Store];

  it('are written in few transactions, each as it was asked for', async () => {
    const tasks = Array.from({ length: 100 }, (_, i) =>
      sampleTask(`many ${i}`, { priority: i % 10, keyId: `key ${i}` }),
    );
    const outcomes = await Promise.all(tasks.map((task) => a().insert(task)));
    assert.ok(outcomes.every(({ created }) => created));
    const ids = outcomes.map(({ task }) => task.id);
    const { rows } = await client.query(
      `SELECT t.xmin::text, t.id, t.priority, encode(t.content_hash, 'hex') AS hash, a.detail ->> 'key_id' AS key, t.request_id
       FROM tasks t JOIN audit a ON a.target = t.id::text WHERE t.id = ANY($1)`,
      [ids],
    );
    assert.equal(rows.length, 100);
    for (const row of rows) {
      const i = ids.indexOf(row.id);
      const { contentHash, requestId } = tasks[i] as (typeof tasks)[number];
      assert.deepEqual(
        [row.priority, row.hash, row.key, row.request_id],
        [i % 10, Buffer.from(contentHash).toString('hex'), `key ${i}`, requestId],
      );
    }
    assert.ok(new Set(rows.map(({ xmin }) => xmin)).size <= 10, 'and not in a hundred');
  });

  it('and are the same, are one', async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => a().insert(sampleTask('the same'))));
    assert.equal(outcomes.filter(({ created }) => created).length, 1);
    assert.equal(new Set(outcomes.map(({ task }) => task.id)).size, 1);
    const fresh = await Promise.all(
      Array.from({ length: 20 }, () => a().insert(sampleTask('the same', { fresh: true }))),
    );
    assert.equal(new Set(fresh.map(({ task }) => task.id)).size, 20, 'but each is one of its own that asks for that');
  });

  it('do not suffer from one that cannot be written', async () => {
    const tasks = Array.from({ length: 9 }, (_, i) =>
      sampleTask(`beside a bad one ${i}`, { priority: i === 4 ? 99 : 5 }),
    );
    const outcomes = await Promise.allSettled(tasks.map((task) => a().insert(task)));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      tasks.map(({ priority }) => (priority === 99 ? 'rejected' : 'fulfilled')),
    );
  });

  it('through two gateways, with the same trees the other way round, never wait for each other both ways', async () => {
    for (let round = 0; round < 30; round += 1) {
      const tasks = Array.from({ length: 64 }, (_, i) => sampleTask(`crossing ${round} ${i}`));
      const outcomes = await Promise.all([
        ...tasks.map((task) => a().insert(task)),
        ...tasks.toReversed().map((task) => b().insert(task)),
      ]);
      assert.equal(outcomes.filter(({ created }) => created).length, 64);
    }
  });

  it('are at most a thousand that wait; more are told to try again', async () => {
    await client.query('BEGIN');
    await client.query('LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE');
    const asked = Array.from({ length: 1_200 }, (_, i) => a().insert(sampleTask(`too many ${i}`)));
    const refused = Promise.allSettled(asked);
    await client.query('ROLLBACK');
    const codes = (await refused).flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    assert.ok(codes.length >= 1 && codes.length <= 200, `${codes.length}`);
    assert.deepEqual([...new Set(codes)], ['overloaded']);
  });
});
