import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { packElements, sha256Hex, toBytesBE, toHex, ZkraftError } from '../../src/common/index.ts';
import { get, memoryArtifacts, submit, type TestGateway, testGateway, VKEY_TEXT } from './support.ts';

const BODY = { leaves: ['1', '2', '3'], leaf_index: 1 };
const NOWHERE = '00000000-0000-4000-8000-000000000000';

describe('submitting', () => {
  let part: TestGateway;
  beforeEach(async () => {
    part = await testGateway();
  });
  afterEach(() => part.gateway.close());

  test('a new task is 202 and a MISS, and says where it is', async () => {
    const answer = await submit(part.gateway.url, BODY);
    assert.equal(answer.status, 202);
    assert.equal(answer.headers.get('x-cache'), 'MISS');
    assert.deepEqual(Object.keys(answer.json), ['success', 'task_id', 'status', 'message', 'request_id']);
    assert.equal(answer.json.status, 'pending');
    assert.equal(answer.headers.get('location'), `/api/v1/tasks/${answer.json.task_id}`);
  });

  test('the same request again is 200, a HIT and the same task, however its leaves are spelled', async () => {
    const first = await submit(part.gateway.url, BODY);
    for (const leaves of [
      ['1', '2', '3'],
      ['0x1', '0x0002', '0X3'.toLowerCase()],
    ]) {
      const again = await submit(part.gateway.url, { ...BODY, leaves });
      assert.equal(again.status, 200);
      assert.equal(again.headers.get('x-cache'), 'HIT');
      assert.equal(again.json.task_id, first.json.task_id);
    }
  });

  test('another index, depth, leaf, order or external hash is another task; another priority is not', async () => {
    const first = await submit(part.gateway.url, BODY);
    const others = [
      { leaf_index: 2 },
      { depth: 10 },
      { leaves: ['1', '2', '4'] },
      { leaves: ['2', '1', '3'] },
      { leaves: ['1', '2', '3', '4'] },
      { external_hash: '9' },
    ];
    const ids = new Set([first.json.task_id]);
    for (const other of others) ids.add((await submit(part.gateway.url, { ...BODY, ...other })).json.task_id);
    assert.equal(ids.size, others.length + 1);
    const same = await submit(part.gateway.url, { ...BODY, priority: 9, depth: 8, external_hash: '0x0' });
    assert.equal(same.json.task_id, first.json.task_id);
  });

  test('fresh makes a new task of the same request', async () => {
    const first = await submit(part.gateway.url, BODY);
    const second = await submit(part.gateway.url, { ...BODY, fresh: true });
    assert.equal(second.status, 202);
    assert.notEqual(second.json.task_id, first.json.task_id);
  });

  test('a failed task does not stand in the way of the same request', async () => {
    const first = await submit(part.gateway.url, BODY);
    part.tasks.end(first.json.task_id, { status: 'failed', errorCode: 'attempts_exhausted', errorMessage: 'no' });
    assert.equal((await submit(part.gateway.url, BODY)).status, 202);
  });

  test('an idempotency key with another body is 409', async () => {
    const headers = { 'idempotency-key': 'order 7' };
    const first = await submit(part.gateway.url, BODY, headers);
    assert.equal((await submit(part.gateway.url, BODY, headers)).json.task_id, first.json.task_id);
    const other = await submit(part.gateway.url, { ...BODY, leaf_index: 0 }, headers);
    assert.equal(other.status, 409);
    assert.equal(other.json.code, 'idempotency_conflict');
  });

  test('the content hash is the documented SHA-256 of the documented bytes', async () => {
    await submit(part.gateway.url, { leaves: ['5', '0x6'], leaf_index: 1, depth: 10, external_hash: '7' });
    const circuit = await memoryArtifacts().circuits.find('merkle-10');
    const expected = createHash('sha256')
      .update('zkraft merkle task v1\n')
      .update(Buffer.from(circuit?.digest ?? '', 'hex'))
      .update(Buffer.from('0000000a00000001', 'hex'))
      .update(Buffer.from('7'.padStart(64, '0'), 'hex'))
      .update(Buffer.from(`00000002${'5'.padStart(64, '0')}${'6'.padStart(64, '0')}`, 'hex'))
      .digest('hex');
    assert.equal(toHex(part.tasks.submitted[0]?.contentHash ?? new Uint8Array()), expected);
  });

  test('what the store gets is what the client sent', async () => {
    const external = '123';
    await submit(
      part.gateway.url,
      { ...BODY, priority: 3, external_hash: external },
      { 'x-request-id': 'my.request-1', 'idempotency-key': 'k' },
    );
    const task = part.tasks.submitted[0];
    assert.deepEqual(task?.leaves, packElements([1n, 2n, 3n]));
    assert.deepEqual(task?.externalHash, toBytesBE(123n));
    assert.deepEqual(task?.root, toBytesBE(await part.prover.merkleRoot([1n, 2n, 3n], 8)));
    const { leafIndex, depth, priority, circuitId, requestId, idempotencyKey, fresh } = task ?? {};
    assert.deepEqual(
      { leafIndex, depth, priority, circuitId, requestId, idempotencyKey, fresh },
      {
        leafIndex: 1,
        depth: 8,
        priority: 3,
        circuitId: 'merkle-8',
        requestId: 'my.request-1',
        idempotencyKey: 'k',
        fresh: false,
      },
    );
  });

  test('a tree is hashed once for many of its leaves, also for requests at the same time', async () => {
    await Promise.all([0, 1, 2].map((leaf_index) => submit(part.gateway.url, { ...BODY, leaf_index })));
    assert.equal(part.prover.calls, 1);
    await submit(part.gateway.url, { ...BODY, depth: 10 });
    assert.equal(part.prover.calls, 2);
  });

  test('1000 leaves are taken', async () => {
    const leaves = Array.from({ length: 1000 }, (_, i) => String(i + 1));
    assert.equal((await submit(part.gateway.url, { leaves, leaf_index: 999, depth: 10 })).status, 202);
  });

  test('when the database is away a submit is 503 with Retry-After, and works again when it is back', async () => {
    part.tasks.failure = new ZkraftError('database_unavailable', 'PostgreSQL cannot be reached');
    const away = await submit(part.gateway.url, BODY);
    assert.deepEqual([away.status, away.json.code], [503, 'database_unavailable']);
    assert.match(away.headers.get('retry-after') ?? '', /^\d+$/);
    part.tasks.failure = undefined;
    assert.equal((await submit(part.gateway.url, BODY)).status, 202);
  });

  test('a fault of ours is 500, says nothing about the inside and does not become 404', async () => {
    part.tasks.failure = new TypeError('cannot read secret of undefined');
    for (const answer of [
      await submit(part.gateway.url, BODY),
      await get(part.gateway.url, `/api/v1/tasks/${NOWHERE}`),
    ]) {
      assert.deepEqual([answer.status, answer.json.code], [500, 'internal']);
      assert.doesNotMatch(answer.json.error, /secret/);
    }
  });
});

describe('asking for a task', () => {
  let part: TestGateway;
  let id: string;
  beforeEach(async () => {
    part = await testGateway({ longPollMaxMs: 1_000, longPollsMax: 3, longPollsPerClientMax: 2 });
    id = (await submit(part.gateway.url, BODY)).json.task_id;
  });
  afterEach(() => part.gateway.close());

  const completed = {
    status: 'completed' as const,
    attempt: 1,
    workerId: 'worker-1',
    startedAt: new Date('2026-01-02T03:04:05.678Z'),
    proof: packElements([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]),
    publicSignals: packElements([11n, 0n]),
  };

  test('a pending task has no proof and names its circuit and the trust in its key', async () => {
    const { status, json } = await get(part.gateway.url, `/api/v1/tasks/${id}`);
    assert.equal(status, 200);
    assert.equal(json.status, 'pending');
    assert.equal(json.circuit_id, 'merkle-8');
    assert.equal(json.circuit_type, 'merkle');
    assert.equal(json.trusted_setup, 'single-party');
    assert.equal(json.verification_key_id, sha256Hex(VKEY_TEXT));
    assert.equal(json.merkle_root, String(await part.prover.merkleRoot([1n, 2n, 3n], 8)));
    assert.match(json.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    for (const absent of ['proof', 'public_signals', 'error', 'code', 'worker_id', 'started_at', 'completed_at']) {
      assert.equal(absent in json, false, absent);
    }
  });

  test("a completed task has snarkjs's proof and public signals", async () => {
    part.tasks.end(id, completed);
    const { json } = await get(part.gateway.url, `/api/v1/tasks/${id.toUpperCase()}`);
    assert.deepEqual(json.proof, {
      pi_a: ['1', '2', '1'],
      pi_b: [
        ['3', '4'],
        ['5', '6'],
        ['1', '0'],
      ],
      pi_c: ['7', '8', '1'],
      protocol: 'groth16',
      curve: 'bn128',
    });
    assert.deepEqual(json.public_signals, ['11', '0']);
    assert.deepEqual([json.attempt, json.worker_id, json.started_at], [1, 'worker-1', '2026-01-02T03:04:05.678Z']);
  });

  test('a task shows its Merkle root, from the start to the end', async () => {
    const root = BigInt(`0x${toHex(part.tasks.rows.get(id)?.root ?? new Uint8Array())}`).toString();
    assert.ok(root.length > 10);
    assert.equal((await get(part.gateway.url, `/api/v1/tasks/${id}`)).json.merkle_root, root);
    part.tasks.end(id, completed);
    assert.equal((await get(part.gateway.url, `/api/v1/tasks/${id}`)).json.merkle_root, root);
  });

  test('a failed task says why, and is still a 200', async () => {
    part.tasks.end(id, { status: 'failed', errorCode: 'attempts_exhausted', errorMessage: 'tried 3 times' });
    const { status, json } = await get(part.gateway.url, `/api/v1/tasks/${id}`);
    assert.deepEqual([status, json.success, json.status], [200, true, 'failed']);
    assert.deepEqual([json.error, json.code], ['tried 3 times', 'attempts_exhausted']);
  });

  test('a wait answers as soon as the task ends', async () => {
    const begun = performance.now();
    const waiting = get(part.gateway.url, `/api/v1/tasks/${id}?wait=20s`);
    await sleep(100);
    part.tasks.end(id, completed);
    assert.equal((await waiting).json.status, 'completed');
    assert.ok(performance.now() - begun < 700);
  });

  test('a wait ends after its time, and after the longest time allowed, with what the task is then', async () => {
    for (const [wait, least, most] of [
      ['200ms', 150, 700],
      ['1h', 900, 1_600],
    ] as const) {
      const begun = performance.now();
      const { status, json } = await get(part.gateway.url, `/api/v1/tasks/${id}?wait=${wait}`);
      const took = performance.now() - begun;
      assert.deepEqual([status, json.status], [200, 'pending']);
      assert.ok(took > least && took < most, `${wait} took ${took} ms`);
    }
  });

  test('a wait for a task that has ended or is not there does not wait', async () => {
    part.tasks.end(id, completed);
    const begun = performance.now();
    assert.equal((await get(part.gateway.url, `/api/v1/tasks/${id}?wait=20s`)).json.status, 'completed');
    assert.equal((await get(part.gateway.url, `/api/v1/tasks/${NOWHERE}?wait=20s`)).status, 404);
    assert.ok(performance.now() - begun < 500);
  });

  test('one client cannot take all places to wait, and gets them back', async () => {
    const path = `/api/v1/tasks/${id}?wait=20s`;
    const waiting = [get(part.gateway.url, path), get(part.gateway.url, path)];
    await sleep(150);
    const refused = await get(part.gateway.url, path);
    assert.deepEqual([refused.status, refused.json.code], [429, 'rate_limited']);
    assert.ok(refused.headers.get('retry-after'));
    part.tasks.end(id, completed);
    for (const answer of await Promise.all(waiting)) assert.equal(answer.json.status, 'completed');
    assert.equal((await get(part.gateway.url, path)).status, 200);
  });

  test('a client that goes away gives its place back at once', async () => {
    const socket = connect(part.gateway.port, '127.0.0.1');
    socket.write(`GET /api/v1/tasks/${id}?wait=20s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    await sleep(150);
    assert.equal(part.tasks.waiting.size, 1);
    socket.destroy();
    await sleep(100);
    assert.equal(part.tasks.waiting.size, 0);
  });

  test('closing answers those who wait with what is known, and takes no new requests', async () => {
    const waiting = get(part.gateway.url, `/api/v1/tasks/${id}?wait=20s`);
    await sleep(150);
    const begun = performance.now();
    await part.gateway.close();
    assert.ok(performance.now() - begun < 900, 'before the wait would have ended');
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.json.status], [200, 'pending']);
    await assert.rejects(get(part.gateway.url, '/livez'));
  });

  test('a database that goes away while somebody waits is 503, not 404', async () => {
    const waiting = get(part.gateway.url, `/api/v1/tasks/${id}?wait=300ms`);
    await sleep(100);
    part.tasks.failure = new ZkraftError('database_unavailable', 'PostgreSQL cannot be reached');
    assert.equal((await waiting).status, 503);
  });
});

describe('closing', () => {
  test('a client that has sent half a request cannot keep the gateway from closing', async () => {
    const { gateway } = await testGateway();
    const socket = connect(gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('POST /api/v1/tasks/merkle HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n');
    await sleep(100);
    const begun = performance.now();
    await gateway.close();
    assert.ok(performance.now() - begun < 3_000);
    socket.destroy();
  });
});
