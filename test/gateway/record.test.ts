/** The gateway on the real store: PostgreSQL's rules, not those of the store in memory. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { packElements } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import { type Gateway, startGateway } from '../../src/gateway/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { get, HashingProver, memoryArtifacts, submit } from './support.ts';

describe('with PostgreSQL', () => {
  let postgres: TestPostgres;
  let connectionString: string;
  let store: Store;
  let gateway: Gateway;
  let leaf = 1;

  before(async () => {
    postgres = await startTestPostgres();
    connectionString = await postgres.createDatabase();
    store = await openStore({ connectionString });
    gateway = await startGateway({
      host: '127.0.0.1',
      port: 0,
      tasks: store,
      health: store,
      artifacts: memoryArtifacts(),
      prover: new HashingProver(),
      logger: silentLogger,
      authentication: { mode: 'none' },
      rateLimit: { enabled: false },
    });
  });
  after(async () => {
    await gateway?.close();
    await store?.close();
    await postgres?.stop();
  });
  beforeEach(() => {
    leaf += 1;
  });

  const body = () => ({ leaves: ['1', '2', String(leaf + 100)], leaf_index: 2 });
  const sql = async (text: string, values: unknown[] = []) => {
    const client = new Client({ connectionString });
    await client.connect();
    try {
      return await client.query(text, values);
    } finally {
      await client.end();
    }
  };

  test('when 202 is answered the row is committed: another connection sees it', async () => {
    const { status, json } = await submit(gateway.url, body());
    assert.equal(status, 202);
    const { rows } = await sql('SELECT status FROM tasks WHERE id = $1', [json.task_id]);
    assert.deepEqual(rows, [{ status: 'pending' }]);
    assert.equal((await get(gateway.url, `/api/v1/tasks/${json.task_id}`)).json.status, 'pending');
  });

  test('twenty times the same request at once is one task', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit(gateway.url, body())));
    assert.equal(new Set(answers.map(({ json }) => json.task_id)).size, 1);
    assert.equal(answers.filter(({ status }) => status === 202).length, 1);
    assert.equal(answers.filter(({ status }) => status === 200).length, 19);
  });

  test('an idempotency key with another body is 409', async () => {
    const headers = { 'idempotency-key': `key ${leaf}` };
    assert.equal((await submit(gateway.url, body(), headers)).status, 202);
    const other = await submit(gateway.url, { ...body(), leaf_index: 0 }, headers);
    assert.deepEqual([other.status, other.json.code], [409, 'idempotency_conflict']);
  });

  test('a wait ends when the row does, and shows its proof', async () => {
    const { json } = await submit(gateway.url, body());
    const waiting = get(gateway.url, `/api/v1/tasks/${json.task_id}?wait=20s`);
    await sleep(150);
    const cluster = await store.claimCluster('11111111-1111-4111-8111-111111111111');
    const nowMs = Date.now();
    await store.project(cluster, cluster.cursor, cluster.cursor + 1, [
      {
        taskId: json.task_id,
        fenceIndex: cluster.cursor + 1,
        status: 'completed',
        attempt: 1,
        workerId: 'worker-1',
        leaseEpoch: 1,
        notBeforeMs: null,
        startedAtMs: nowMs,
        completedAtMs: nowMs,
        proof: packElements([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]),
        publicSignals: packElements([9n, 0n]),
        errorCode: null,
        errorMessage: null,
      },
    ]);
    const answer = await waiting;
    assert.equal(answer.json.status, 'completed');
    assert.deepEqual(answer.json.public_signals, ['9', '0']);
    assert.equal(answer.json.proof.pi_c[0], '7');
    assert.equal(answer.json.completed_at, new Date(nowMs).toISOString());
  });

  test('while PostgreSQL is away all is 503, never 404; when it is back all works, and nothing was lost', async () => {
    const { json } = await submit(gateway.url, body());
    const path = `/api/v1/tasks/${json.task_id}`;
    await postgres.kill();
    leaf += 1;
    for (const answer of [await submit(gateway.url, body()), await get(gateway.url, path)]) {
      assert.deepEqual([answer.status, answer.json.code], [503, 'database_unavailable']);
      assert.ok(answer.headers.get('retry-after'));
    }
    assert.equal((await get(gateway.url, '/ready')).status, 503);
    assert.equal((await get(gateway.url, '/livez')).status, 200);
    await postgres.restart();
    for (let tries = 0; (await get(gateway.url, '/ready')).status !== 200; tries += 1) {
      assert.ok(tries < 100, 'it becomes ready again');
      await sleep(100);
    }
    assert.equal((await get(gateway.url, path)).json.task_id, json.task_id);
    assert.equal((await submit(gateway.url, body())).status, 202);
  });
});
