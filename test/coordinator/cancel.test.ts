/** Cancellation through a whole coordinator: pending, leased, being proved; racing with completion; told or found. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Bed, makeProofs, type Proofs } from './bed.ts';

describe('cancellation', () => {
  let proofs: Proofs;
  let bed: Bed;
  before(async () => {
    proofs = await makeProofs();
  });
  after(() => proofs.close());
  afterEach(() => bed.close());

  const story = (id: string) => bed.store.storyOf(id).map((event) => event.kind);
  const ended = (id: string) =>
    bed.until(() => ['completed', 'failed', 'cancelled'].includes(bed.store.row(id).status));

  test('a pending task that the state never held ends as cancelled, exactly once, and is not leased', async () => {
    bed = await Bed.start(proofs);
    const { id } = bed.submit();
    assert.equal(bed.store.requestCancel(id), true);
    await ended(id);
    const row = bed.store.row(id);
    assert.deepEqual(row.history, ['cancelled']);
    assert.equal(row.errorCode, 'task_cancelled');
    assert.match(row.errorMessage ?? '', /alice/);
    assert.deepEqual(story(id), ['cancelled']);
    const worker = await bed.worker('w1');
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(worker.assignments.length, 0);
  });

  test('the holder of a task is told on its stream, its late proof is stale, and its slot is free', async () => {
    bed = await Bed.start(proofs);
    const worker = await bed.worker('w1', 1);
    const { id } = bed.submit();
    const assignment = await worker.assignment();
    const lease = assignment.lease;
    assert.ok(lease);
    worker.held = [lease];
    await worker.acknowledge(lease);
    await worker.start(lease);
    const other = bed.submit();
    bed.store.requestCancel(id);
    await ended(id);
    await bed.until(() => worker.cancellations.length === 1);
    assert.deepEqual(worker.cancellations, [lease]);
    assert.equal(bed.store.row(id).status, 'cancelled');
    await assert.rejects(worker.complete(lease, proofs.proof, proofs.signals), { code: 'stale_lease' });
    assert.equal(bed.store.row(id).status, 'cancelled');
    assert.equal(bed.store.row(id).proof, null);
    assert.deepEqual(story(id), ['assigned', 'started', 'cancelled']);
    assert.equal(bed.store.storyOf(id).at(-1)?.workerId, 'w1');
    await bed.until(() => worker.assignments.some((next) => next.lease?.taskId === other.id));
  });

  test('a request that nobody heard of is found by the poll', async () => {
    bed = await Bed.start(proofs);
    const { id } = bed.submit();
    bed.store.requestCancel(id, 'alice', true);
    await ended(id);
    assert.equal(bed.store.row(id).status, 'cancelled');
  });

  test('a task that backs off is cancelled too, and a completed one is not', async () => {
    bed = await Bed.start(proofs, { backoffBaseMs: 60_000, backoffCapMs: 60_000 });
    const worker = await bed.worker('w1', 1);
    const first = bed.submit();
    const lease = (await worker.assignment()).lease;
    assert.ok(lease);
    await worker.fail(lease, 'prover_crashed', 'no');
    bed.store.requestCancel(first.id);
    await ended(first.id);
    assert.deepEqual([bed.store.row(first.id).status, bed.store.row(first.id).attempt], ['cancelled', 1]);
    assert.deepEqual(story(first.id), ['assigned', 'retry_scheduled', 'cancelled']);
    assert.equal(bed.store.storyOf(first.id)[1]?.code, 'prover_crashed');
    const second = bed.submit();
    await bed.until(() => worker.assignments.length === 2);
    const next = worker.assignments[1]?.lease;
    assert.ok(next);
    await worker.complete(next, proofs.proof, proofs.signals);
    // Before the row says so, as from a gateway that read it earlier.
    bed.store.row(second.id).cancelRequestedBy = 'alice';
    await ended(second.id);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(bed.store.row(second.id).status, 'completed');
    assert.deepEqual(story(second.id), ['assigned', 'completed']);
  });

  test('whatever races, each task ends once: cancelled or completed, as the log decided', async () => {
    bed = await Bed.start(proofs, { deliveryTimeoutMs: 10_000, heartbeatTimeoutMs: 10_000 });
    const worker = await bed.worker('w1', 8);
    const rows = Array.from({ length: 24 }, () => bed.submit());
    const outcomes = new Map<string, 'ok' | 'stale'>();
    let taken = 0;
    while (outcomes.size < rows.length) {
      const { lease } = await worker.assignment(taken);
      taken += 1;
      // Unacknowledged assignments are sent again.
      if (outcomes.has(lease.taskId)) continue;
      assert.ok(lease);
      worker.held.push(lease);
      const reported = worker.complete(lease, proofs.proof, proofs.signals).then(
        () => outcomes.set(lease.taskId, 'ok'),
        () => outcomes.set(lease.taskId, 'stale'),
      );
      if (taken % 3 !== 0) setTimeout(() => bed.store.requestCancel(lease.taskId), taken % 7);
      await reported;
    }
    await bed.until(() => rows.every((row) => ['completed', 'cancelled'].includes(bed.store.row(row.id).status)));
    for (const { id } of rows) {
      const row = bed.store.row(id);
      assert.equal(row.status, outcomes.get(id) === 'ok' ? 'completed' : 'cancelled');
      assert.equal(row.history.filter((status) => status === 'completed' || status === 'cancelled').length, 1);
      assert.equal(story(id).filter((kind) => kind === 'completed' || kind === 'cancelled').length, 1);
    }
  });

  test('requests made while the database or the coordinator was away are met afterwards, with their story', async () => {
    bed = await Bed.start(proofs);
    const worker = await bed.worker('w1', 1);
    const { id } = bed.submit({ root: new Uint8Array(32).fill(1) });
    const lease = (await worker.assignment()).lease;
    assert.ok(lease);
    await bed.until(() => bed.store.row(id).status === 'assigned');
    bed.store.away = true;
    await worker.start(lease);
    await worker.fail(lease, 'wrong_path', 'false');
    await bed.restart();
    bed.store.away = false;
    await ended(id);
    assert.equal(bed.store.row(id).status, 'failed');
    assert.deepEqual(story(id), ['assigned', 'started', 'failed']);
    const told = bed.store.storyOf(id).at(-1);
    assert.deepEqual([told?.code, told?.message, told?.workerId, told?.attempt], ['wrong_path', 'false', 'w1', 1]);
  });
});
