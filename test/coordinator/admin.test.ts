/** The admin service over real gRPC: who may call it, what it shows, and what its changes do. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import { changeWorker, getWorker, listWorkers } from '../../src/cli/admin-calls.ts';
import { compareVersions } from '../../src/coordinator/scheduler/index.ts';
import { createAdminAuth } from '../../src/coordinator/service/index.ts';
import { Bed, makeProofs, type Proofs } from './bed.ts';

const TOKEN = 'token-of-the-operators';

describe('administering workers', () => {
  let proofs: Proofs;
  let bed: Bed;
  before(async () => {
    proofs = await makeProofs();
  });
  after(() => proofs.close());
  afterEach(() => bed?.close());

  const at = (token = '') => ({ address: `127.0.0.1:${bed.coordinator.grpcPort}`, token });
  const quiet = (ms = 200) => new Promise((resolve) => setTimeout(resolve, ms));

  test('with a token set, only those who send it are served; the worker token is not it', async () => {
    bed = await Bed.start(proofs, { adminToken: TOKEN, workerToken: 'token-of-the-workers' });
    assert.deepEqual(await listWorkers(at(TOKEN)), []);
    for (const wrong of ['', 'token-of-the-workers', `${TOKEN}s`]) {
      await assert.rejects(listWorkers(at(wrong)), { code: 'unauthenticated' });
      await assert.rejects(changeWorker(at(wrong), 'quarantine', 'w1'), { code: 'unauthenticated' });
    }
  });

  test('without a token only this machine is served', () => {
    const authenticate = createAdminAuth(undefined);
    for (const peer of ['127.0.0.1:5000', '::1:5000', '[::1]:5000', '::ffff:127.0.0.1:5000']) {
      authenticate(new Metadata(), peer);
    }
    for (const peer of ['10.0.0.7:5000', '::ffff:10.0.0.7:5000', '2001:db8::1:5000', 'unknown', '']) {
      assert.throws(() => authenticate(new Metadata(), peer), { code: 'forbidden' });
    }
  });

  test('an admin token that is too short is refused at the start', async () => {
    await assert.rejects(Bed.start(proofs, { adminToken: 'short' }), {
      code: 'config_invalid',
      field: 'coordinator.admin_token',
    });
  });

  test('a drained worker finishes what it holds and gets nothing new, whatever its heartbeats and registrations say', async () => {
    bed = await Bed.start(proofs);
    const worker = await bed.worker('w1', 2);
    const first = bed.submit();
    const { lease } = await worker.assignment();
    worker.held = [lease];
    await worker.acknowledge(lease);
    await worker.start(lease);
    const drained = await changeWorker(at(), 'drain', 'w1');
    assert.deepEqual([drained.drained, drained.refusedBecause, drained.used], [true, 'drained', 1]);
    const second = bed.submit();
    await quiet();
    const again = await worker.register({ heldLeases: [lease] });
    assert.equal(again.notice, 'drained by an operator');
    assert.equal(again.keep.length, 1);
    worker.receive();
    await quiet();
    assert.equal(bed.store.row(second.id).status, 'pending');
    const shown = await getWorker(at(), 'w1');
    assert.deepEqual(
      shown.leases.map(({ taskId, attempt, started }) => [taskId, attempt, started]),
      [[first.id, 1, true]],
    );
    await worker.complete(lease, proofs.proof, proofs.signals);
    worker.held = [];
    await bed.until(() => bed.store.row(first.id).status === 'completed');
    await bed.restart();
    const [kept] = await listWorkers(at());
    assert.equal(kept?.drained, true);
    const back = await bed.worker('w1', 2);
    await quiet();
    assert.equal(back.assignments.length, 0);
    assert.equal((await changeWorker(at(), 'release', 'w1')).refusedBecause, '');
    await back.assignment();
  });

  test('a quarantined worker loses its leases and is refused until released, under a name never seen too', async () => {
    bed = await Bed.start(proofs);
    const worker = await bed.worker('w1', 1);
    const { id } = bed.submit();
    const { lease } = await worker.assignment();
    await changeWorker(at(), 'quarantine', 'w1');
    await bed.until(() => bed.store.storyOf(id).some((event) => event.kind === 'retry_scheduled'));
    await assert.rejects(worker.complete(lease, proofs.proof, proofs.signals), { code: 'stale_lease' });
    await assert.rejects(worker.register(), { code: 'worker_quarantined' });
    const stranger = await changeWorker(at(), 'quarantine', 'stranger');
    assert.deepEqual([stranger.registered, stranger.quarantined], [false, true]);
    await assert.rejects(bed.guest('stranger').register(), { code: 'worker_quarantined' });
    assert.deepEqual(
      (await listWorkers(at())).map((info) => [info.workerId, info.quarantined]),
      [
        ['stranger', true],
        ['w1', true],
      ],
    );
    assert.equal((await changeWorker(at(), 'release', 'stranger')).quarantined, false);
    await bed.guest('stranger').register();
    await assert.rejects(changeWorker(at(), 'drain', 'nobody'), { code: 'worker_not_found' });
    await assert.rejects(changeWorker(at(), 'release', 'nobody'), { code: 'worker_not_found' });
    await assert.rejects(changeWorker(at(), 'quarantine', 'no name'), { code: 'invalid_worker_id' });
  });

  test('a worker below the lowest version gets no tasks, is told so, and shows why', async () => {
    bed = await Bed.start(proofs, { minWorkerVersion: '0.1.0' });
    const old = bed.guest('old');
    const answer = await old.register({ softwareVersion: '0.1.0-rc.1' });
    assert.match(answer.notice, /0\.1\.0-rc\.1 is older than coordinator\.min_worker_version 0\.1\.0/);
    old.receive();
    const { id } = bed.submit();
    await quiet();
    assert.equal(old.assignments.length, 0);
    assert.equal(bed.store.row(id).status, 'pending');
    const [shown] = await listWorkers(at());
    assert.match(shown?.refusedBecause ?? '', /older than/);
    const current = await bed.worker('new', 1);
    await current.assignment();
    assert.equal(old.assignments.length, 0);
  });

  test('versions are in the order of Semantic Versioning, and what is none comes first', () => {
    const inOrder = [
      'latest',
      '0.9.9',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
      '1.0.1',
      '1.2.0',
      '1.10.0',
      '2.0.0',
    ];
    for (const [i, a] of inOrder.entries()) {
      for (const [j, b] of inOrder.entries())
        assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} ${b}`);
    }
    assert.equal(compareVersions('v1.2.3+build', '1.2.3'), 0);
  });
});
