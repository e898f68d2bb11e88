import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sha256Hex } from '../../src/common/index.ts';
import { get, submit, type TestGateway, testGateway } from './support.ts';

const alice = { authorization: 'Bearer alice-key' };
const bob = { authorization: 'Bearer bob-key' };

describe('the list of tasks', () => {
  let part: TestGateway;
  const ids: string[] = [];
  const list = (query = '', headers = alice) => get(part.gateway.url, `/api/v1/tasks${query}`, headers);

  before(async () => {
    part = await testGateway({
      authentication: {
        mode: 'keys',
        keys: [
          { name: 'alice', sha256: sha256Hex('alice-key') },
          { name: 'bob', sha256: sha256Hex('bob-key') },
        ],
      },
    });
    for (let i = 0; i < 25; i++) {
      const { json } = await submit(part.gateway.url, { leaves: ['1', String(i + 2)], leaf_index: 0 }, alice);
      ids.push(json.task_id);
    }
    part.tasks.end(ids[3] as string, { status: 'failed', errorCode: 'attempts_exhausted', errorMessage: 'five times' });
  });
  after(() => part.gateway.close());

  test('holds all tasks of the owner once, over its pages, and 20 on a page that nobody limits', async () => {
    const seen: string[] = [];
    let query = '';
    for (let pages = 1; ; pages++) {
      const { status, json } = await list(query);
      assert.equal(status, 200);
      seen.push(...json.tasks.map((task: { task_id: string }) => task.task_id));
      if (json.next_cursor === undefined) {
        assert.equal(pages, 2);
        break;
      }
      assert.equal(json.tasks.length, 20);
      query = `?cursor=${json.next_cursor}`;
    }
    assert.deepEqual([...seen].sort(), [...ids].sort());
  });

  test('shows nothing of another owner, not even with the cursor of that owner', async () => {
    const { json } = await list('?limit=1');
    for (const query of ['', `?cursor=${json.next_cursor}`, '?status=pending']) {
      assert.deepEqual((await list(query, bob)).json.tasks, []);
    }
  });

  test('can be of one status, and says why a task failed', async () => {
    const { json } = await list('?status=failed');
    assert.deepEqual(
      json.tasks.map((task: { task_id: string; code: string; error: string }) => [task.task_id, task.code, task.error]),
      [[ids[3], 'attempts_exhausted', 'five times']],
    );
    assert.equal('proof' in json.tasks[0], false);
    assert.equal((await list('?status=pending&limit=100')).json.tasks.length, 24);
  });

  test('refuses limits, cursors and statuses that it does not know, and names them', async () => {
    const forged = Buffer.from("1 ' OR true --").toString('base64url');
    for (const [query, field] of [
      ['?limit=0', 'limit'],
      ['?limit=101', 'limit'],
      ['?limit=ten', 'limit'],
      ['?limit=5&limit=6', 'limit'],
      ['?cursor=', 'cursor'],
      ['?cursor=abc', 'cursor'],
      [`?cursor=${forged}`, 'cursor'],
      ['?cursor=%00', 'cursor'],
      ['?status=done', 'status'],
      ['?owner=bob', 'owner'],
    ]) {
      const { status, json } = await list(query);
      assert.deepEqual([status, json.code], [400, 'invalid_request'], query);
      assert.match(json.error, new RegExp(field as string), query);
    }
  });
});
