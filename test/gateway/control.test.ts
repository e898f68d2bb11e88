import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createClient } from '../../src/client/index.ts';
import { sha256Hex } from '../../src/common/index.ts';
import { get, submit, type TestGateway, testGateway } from './support.ts';

const BODY = { leaves: ['1', '2', '3'], leaf_index: 1 };
const NOWHERE = '00000000-0000-4000-8000-000000000000';

const post = async (url: string, path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url + path, { method: 'POST', headers });
  return {
    status: response.status,
    headers: response.headers,
    json: (await response.json()) as Record<string, string>,
  };
};

describe('cancelling and submitting again', () => {
  let part: TestGateway;
  let url: string;
  beforeEach(async () => {
    part = await testGateway();
    url = part.gateway.url;
  });
  afterEach(() => part.gateway.close());

  const submitted = async (): Promise<string> => (await submit(url, BODY)).json.task_id;

  test('a request to cancel is 202 once and 200 after that, and the task shows it', async () => {
    const id = await submitted();
    const first = await post(url, `/api/v1/tasks/${id.toUpperCase()}/cancel`);
    assert.equal(first.status, 202);
    assert.deepEqual([first.json.task_id, first.json.status], [id, 'pending']);
    assert.equal((await post(url, `/api/v1/tasks/${id}/cancel`)).status, 200);
    assert.match((await get(url, `/api/v1/tasks/${id}`)).json.cancel_requested_at, /^\d{4}-.*Z$/);
  });

  test('what has ended answers 409 with a code and its status', async () => {
    for (const status of ['completed', 'failed', 'cancelled'] as const) {
      const id = (await submit(url, { ...BODY, fresh: true })).json.task_id;
      part.tasks.end(id, {
        status,
        proof: new Uint8Array(256),
        publicSignals: new Uint8Array(32),
        errorCode: 'internal',
      });
      const { status: http, json } = await post(url, `/api/v1/tasks/${id}/cancel`);
      assert.deepEqual([http, json.code, json.status, json.success], [409, 'task_ended', status, false]);
    }
  });

  test('a failed or cancelled task is submitted again as a new task that names it, once', async () => {
    for (const status of ['failed', 'cancelled'] as const) {
      const id = (await submit(url, { ...BODY, fresh: true })).json.task_id;
      part.tasks.end(id, { status, errorCode: 'internal' });
      const again = await post(url, `/api/v1/tasks/${id}/resubmit`);
      assert.equal(again.status, 202);
      assert.equal(again.headers.get('location'), `/api/v1/tasks/${again.json.task_id}`);
      assert.notEqual(again.json.task_id, id);
      assert.equal((await get(url, `/api/v1/tasks/${again.json.task_id}`)).json.resubmitted_from, id);
      const twice = await post(url, `/api/v1/tasks/${id}/resubmit`);
      assert.deepEqual([twice.status, twice.json.task_id], [200, again.json.task_id]);
      assert.equal((await get(url, `/api/v1/tasks/${id}`)).json.status, status);
    }
  });

  test('a task that goes on or is completed is not submitted again', async () => {
    const id = await submitted();
    const pending = await post(url, `/api/v1/tasks/${id}/resubmit`);
    assert.deepEqual([pending.status, pending.json.code, pending.json.status], [409, 'task_not_failed', 'pending']);
    part.tasks.end(id, { status: 'completed', proof: new Uint8Array(256), publicSignals: new Uint8Array(32) });
    assert.equal((await post(url, `/api/v1/tasks/${id}/resubmit`)).json.status, 'completed');
  });

  test('a second submit of a cancelled request is a new task', async () => {
    const id = await submitted();
    part.tasks.end(id, { status: 'cancelled' });
    const again = await submit(url, BODY);
    assert.equal(again.status, 202);
    assert.notEqual(again.json.task_id, id);
  });

  test('ids that are none, or of nobody, are 400 and 404', async () => {
    for (const what of ['cancel', 'resubmit']) {
      assert.equal((await post(url, `/api/v1/tasks/seven/${what}`)).json.code, 'invalid_task_id');
      assert.equal((await post(url, `/api/v1/tasks/${NOWHERE}/${what}`)).json.code, 'task_not_found');
    }
  });

  test('nobody cancels or repeats the tasks of another owner', async () => {
    const keys = ['alice', 'mallory'].map((name) => ({ name, sha256: sha256Hex(`key-of-${name}`) }));
    const two = await testGateway({ authentication: { mode: 'keys', keys } });
    try {
      const as = (name: string) => ({ authorization: `Bearer key-of-${name}` });
      const id = (await submit(two.gateway.url, BODY, as('alice'))).json.task_id;
      assert.equal((await post(two.gateway.url, `/api/v1/tasks/${id}/cancel`, as('mallory'))).status, 404);
      assert.equal(two.tasks.rows.get(id)?.cancelRequestedAt, undefined);
      two.tasks.end(id, { status: 'failed', errorCode: 'internal' });
      assert.equal((await post(two.gateway.url, `/api/v1/tasks/${id}/resubmit`, as('mallory'))).status, 404);
      assert.equal(two.tasks.rows.size, 1);
    } finally {
      await two.gateway.close();
    }
  });

  test('the SDK cancels and submits again', async () => {
    const client = createClient({ url });
    const id = await submitted();
    const asked = await client.cancelTask(id);
    assert.deepEqual([asked.taskId, asked.status], [id, 'pending']);
    assert.ok((await client.getTask(id)).cancelRequestedAt);
    part.tasks.end(id, { status: 'cancelled' });
    await assert.rejects(client.cancelTask(id), { code: 'task_ended' });
    const again = await client.resubmitTask(id);
    assert.equal(again.created, true);
    assert.equal((await client.getTask(again.taskId)).resubmittedFrom, id);
    assert.equal((await client.resubmitTask(id)).created, false);
    await assert.rejects(client.resubmitTask(again.taskId), { code: 'task_not_failed' });
  });
});
