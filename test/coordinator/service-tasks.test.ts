/** The life of a task over real gRPC, with workers that die, lag, lie and repeat themselves, and real proofs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RemoteError } from '../../src/common/rpc/index.ts';
import { Bed, makeProofs, type Proofs } from './bed.ts';

let proofs: Proofs;
before(async () => {
  proofs = await makeProofs();
});
after(() => proofs.close());

const withBed = (
  name: string,
  body: (bed: Bed) => Promise<void>,
  options: Parameters<typeof Bed.start>[1] = {},
): void => {
  test(name, async () => {
    const bed = await Bed.start(proofs, options);
    try {
      await body(bed);
    } finally {
      await bed.close();
    }
  });
};
const coded = (code: string) => (error: unknown) => (error as RemoteError).code === code;

describe('the straight way', () => {
  withBed('a task is leased, delivered, started, proved, verified and written', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit({ leafIndex: 2 });
    const { lease, circuit, task, requestId, leaseMs } = await worker.assignment();
    assert.deepEqual([lease.taskId, lease.workerId, lease.attempt], [row.id, 'w1', 1]);
    assert.equal(requestId, row.requestId);
    assert.equal(Buffer.from(circuit?.manifestDigest ?? []).toString('hex'), proofs.circuitDigest);
    assert.equal(leaseMs, 600n);
    assert.deepEqual(Buffer.from(task?.value.leaves ?? []), Buffer.from(proofs.leaves));
    assert.deepEqual([task?.value.depth, task?.value.leafIndex], [3, 2]);
    await worker.acknowledge(lease);
    await worker.start(lease);
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
    assert.deepEqual(Buffer.from(row.proof ?? []), Buffer.from(proofs.proof));
    assert.deepEqual(Buffer.from(row.publicSignals ?? []), Buffer.concat(proofs.signals));
    assert.ok(row.startedAtMs !== null);
    await bed.until(() => bed.coordinator.status().outbox === 0);
    assert.equal(bed.coordinator.status().capacity.used, 0);
  });

  withBed('every slot of every worker is used, and none is used twice', async (bed) => {
    await bed.worker('w1', 3);
    await bed.worker('w2', 2);
    for (let i = 0; i < 12; i += 1) bed.submit();
    await bed.until(() => bed.coordinator.status().capacity.used === 5);
    await new Promise((resolve) => setTimeout(resolve, 120));
    const given = bed.workers.map((worker) => new Set(worker.assignments.map((a) => a.lease?.taskId)).size);
    assert.deepEqual(given, [3, 2]);
    const all = bed.workers.flatMap((worker) => [...new Set(worker.assignments.map((a) => a.lease?.taskId))]);
    assert.equal(new Set(all).size, 5);
  });

  withBed('ten tasks of a circuit that nobody can have do not block the one behind them', async (bed) => {
    for (let i = 0; i < 10; i += 1) bed.submit({ circuitDigest: 'ee'.repeat(32), priority: 9 });
    const row = bed.submit({ priority: 0 });
    const worker = await bed.worker('w1', 1);
    assert.equal((await worker.assignment()).lease.taskId, row.id);
  });
});

describe('reports', () => {
  withBed('a proof is accepted although the acknowledgement of its start was lost', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
  });

  withBed('the same proof reported again, at once and later, is taken once and answered each time', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    bed.store.away = true;
    await Promise.all([1, 2, 3].map(() => worker.complete(lease, proofs.proof, proofs.signals)));
    await worker.complete(lease, proofs.proof, proofs.signals);
    bed.store.away = false;
    await bed.until(() => row.status === 'completed');
    assert.equal(row.history.filter((status) => status === 'completed').length, 1);
    await bed.until(() => bed.coordinator.status().outbox === 0);
    await assert.rejects(worker.complete(lease, proofs.proof, proofs.signals), coded('stale_lease'));
  });

  withBed('a report under a lease that is not live is refused and changes nothing', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    const stale = [
      { ...lease, epoch: lease.epoch - 1n },
      { ...lease, attempt: 2 },
      { ...lease, workerId: 'w2' },
    ];
    for (const other of stale) {
      await assert.rejects(worker.complete(other, proofs.proof, proofs.signals), coded('stale_lease'));
      await assert.rejects(worker.fail(other, 'internal'), coded('stale_lease'));
      await assert.rejects(worker.start(other), coded('stale_lease'));
      await assert.rejects(worker.acknowledge(other), coded('stale_lease'));
    }
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
    await assert.rejects(worker.fail(lease, 'internal'), coded('stale_lease'));
    assert.equal(row.status, 'completed');
  });

  withBed(
    'a failure that another try may mend is tried again, elsewhere or later, and counted',
    async (bed) => {
      const worker = await bed.worker('w1');
      const row = bed.submit();
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        const { lease } = await worker.assignment(attempt - 1);
        assert.equal(lease.attempt, attempt);
        const { willRetry } = await worker.fail(lease, 'prover_crashed', 'out of memory\0');
        assert.equal(willRetry, attempt < 3);
      }
      await bed.until(() => row.status === 'failed');
      assert.equal(row.errorCode, 'attempts_exhausted');
      assert.equal(row.attempt, 3);
    },
    { maxAttempts: 3 },
  );

  withBed('a false statement fails at once, with the code that says so', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit({ root: new Uint8Array(32).fill(1) });
    const { lease } = await worker.assignment();
    assert.deepEqual(await worker.fail(lease, 'wrong_path'), { willRetry: false });
    await bed.until(() => row.status === 'failed');
    assert.equal(row.errorCode, 'wrong_path');
  });

  withBed('a true statement that a worker calls false is tried again', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit();
    for (const [n, code] of ['wrong_path', 'invalid_leaf'].entries()) {
      assert.deepEqual(await worker.fail((await worker.assignment(n)).lease, code), { willRetry: true }, code);
    }
    const { lease } = await worker.assignment(2);
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
  });

  withBed('a report under the lease of another worker is refused, however right the lease', async (bed) => {
    const worker = bed.guest('w1', undefined, 'a1'.repeat(32));
    await worker.join(1);
    const row = bed.submit();
    const { lease } = await worker.assignment();
    for (const key of [undefined, 'b2'.repeat(32)]) {
      const thief = bed.guest('w1', undefined, key);
      await assert.rejects(thief.complete(lease, new Uint8Array(256), proofs.signals), coded('stale_lease'));
      await assert.rejects(thief.fail(lease, 'wrong_path'), coded('stale_lease'));
      await assert.rejects(thief.register(), coded('worker_id_taken'));
    }
    // It may come back itself, and after a restart of the coordinator too.
    await worker.register({ heldLeases: [lease] });
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
    worker.stopBeating();
    await bed.restart();
    await assert.rejects(bed.guest('w1', undefined, 'b2'.repeat(32)).register(), coded('worker_id_taken'));
    await bed.guest('w1', undefined, 'a1'.repeat(32)).register();
  });

  withBed('a worker that stops, or lacks a backend, does not doom the task', async (bed) => {
    const worker = await bed.worker('w1');
    bed.submit();
    for (const [n, code] of ['prover_aborted', 'backend_unavailable', 'no_such_code'].entries()) {
      assert.deepEqual(await worker.fail((await worker.assignment(n)).lease, code), { willRetry: true });
    }
  });
});

describe('bad proofs', () => {
  const tamper = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = Uint8Array.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };

  withBed(
    'none is accepted: bent, cut, for other signals, or with signals of another order',
    async (bed) => {
      const row = bed.submit();
      const [root = new Uint8Array(), external = new Uint8Array()] = proofs.signals;
      // A sound proof with A negated: every coordinate canonical and on the curve, and yet false.
      const swapped = Uint8Array.from([
        ...proofs.proof.subarray(192, 256),
        ...proofs.proof.subarray(64, 192),
        ...proofs.proof.subarray(0, 64),
      ]);
      const lies: [Uint8Array, Uint8Array[]][] = [
        [swapped, proofs.signals],
        [tamper(proofs.proof, 63), proofs.signals],
        [proofs.proof.subarray(0, 255), proofs.signals],
        [new Uint8Array(256), proofs.signals],
        [proofs.proof, [tamper(root, 31), external]],
        [proofs.proof, [root, tamper(external, 31)]],
        [proofs.proof, [external, root]],
        [proofs.proof, [root]],
        [proofs.proof, [root, external, external]],
        [proofs.proof, []],
      ];
      for (const [n, [proof, signals]] of lies.entries()) {
        const worker = await bed.worker(`liar-${n}`, 1);
        const { lease } = await worker.assignment();
        await assert.rejects(worker.complete(lease, proof, signals), coded('proof_invalid'));
        await assert.rejects(worker.complete(lease, proofs.proof, proofs.signals), coded('stale_lease'));
        worker.vanish();
      }
      assert.ok(!row.history.includes('completed'));
      const honest = await bed.worker('honest', 1);
      const { lease } = await honest.assignment();
      await honest.complete(lease, proofs.proof, proofs.signals);
      await bed.until(() => row.status === 'completed');
      assert.ok(row.attempt > lies.length);
    },
    { maxAttempts: 20 },
  );

  withBed('the third one quarantines the worker, whatever it is called next time it registers', async (bed) => {
    const row = bed.submit();
    const worker = bed.guest('liar');
    await worker.join(1);
    for (let n = 0; n < 3; n += 1) {
      const { lease } = await worker.assignment(n);
      await assert.rejects(worker.complete(lease, new Uint8Array(256), proofs.signals), coded('proof_invalid'));
    }
    await worker.until(() => worker.streamEnd !== undefined);
    assert.equal((worker.streamEnd as RemoteError).code, 'worker_quarantined');
    await assert.rejects(worker.register(), coded('worker_quarantined'));
    await assert.rejects(worker.heartbeat(), coded('worker_quarantined'));
    worker.stopBeating();
    await bed.until(() => bed.coordinator.status().workers.total === 0);
    await assert.rejects(worker.register(), coded('worker_quarantined'));
    await bed.restart();
    const again = bed.guest('liar');
    await assert.rejects(again.register(), coded('worker_quarantined'));
    const honest = await bed.worker('honest');
    const { lease } = await honest.assignment();
    await honest.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
  });
});

describe('streams and sessions', () => {
  withBed('an assignment that nobody acknowledges is sent three times, then leased elsewhere', async (bed) => {
    const deaf = await bed.worker('deaf', 1);
    const row = bed.submit();
    const { lease } = await deaf.assignment();
    await deaf.until(() => deaf.assignments.length === 3);
    assert.equal(new Set(deaf.assignments.map((a) => a.lease?.epoch)).size, 1, 'the same lease each time');
    await deaf.until(() => deaf.cancellations.length === 1);
    assert.deepEqual(deaf.cancellations[0], lease);
    const other = await bed.worker('other', 1);
    deaf.vanish();
    const next = await other.assignment();
    assert.equal(next.lease.attempt >= 2, true);
    await other.complete(next.lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
  });

  withBed('an acknowledged lease that heartbeats name lives on; one they do not name is lost', async (bed) => {
    const worker = await bed.worker('w1', 2);
    bed.submit();
    bed.submit();
    const [one, two] = [await worker.assignment(0), await worker.assignment(1)];
    await worker.acknowledge(one.lease);
    await worker.acknowledge(two.lease);
    worker.held = [one.lease];
    await worker.until(() => worker.cancellations.length > 0);
    assert.deepEqual(worker.cancellations, [two.lease]);
    const { drop } = await worker.heartbeat([one.lease, two.lease]);
    assert.deepEqual(drop, [two.lease]);
    await worker.complete(one.lease, proofs.proof, proofs.signals);
  });

  withBed('a newer stream of a worker ends the older, whose end does not remove the newer', async (bed) => {
    const worker = await bed.worker('w1');
    const second = worker.secondStream();
    await worker.until(() => worker.streamEnd !== undefined);
    assert.equal(worker.streamEnd, 'end');
    await new Promise((resolve) => setTimeout(resolve, 50));
    bed.submit();
    await worker.until(() => second.messages.length > 0);
    assert.equal(second.messages[0]?.event?.$case, 'assignment');
    second.cancel();
  });

  withBed('a worker that registers again keeps the leases that it names, and its proofs count', async (bed) => {
    const worker = await bed.worker('w1', 2);
    const rows = [bed.submit(), bed.submit()];
    const [one, two] = [await worker.assignment(0), await worker.assignment(1)];
    const before = worker.sessionId;
    const { keep } = await worker.register({ heldLeases: [one.lease, { ...one.lease, epoch: 1n }] });
    assert.deepEqual(keep, [one.lease]);
    assert.ok(worker.sessionId > before);
    await worker.complete(one.lease, proofs.proof, proofs.signals);
    await assert.rejects(worker.complete(two.lease, proofs.proof, proofs.signals), coded('stale_lease'));
    worker.receive();
    const again = await worker.assignment(2);
    assert.equal(again.lease.attempt, 2);
    await worker.complete(again.lease, proofs.proof, proofs.signals);
    await bed.until(() => rows.every((row) => row.status === 'completed'));
  });

  withBed('calls of an old session are told to register again', async (bed) => {
    const worker = await bed.worker('w1');
    const old = worker.sessionId;
    await worker.register();
    worker.stopBeating();
    worker.sessionId = old;
    await assert.rejects(worker.heartbeat(), coded('unknown_worker'));
    worker.receive(old);
    await worker.until(() => worker.streamEnd !== undefined);
    assert.equal((worker.streamEnd as RemoteError).code, 'unknown_worker');
  });

  withBed('a dead worker is suspect, then removed, and its task goes to another', async (bed) => {
    const dying = await bed.worker('dying', 1);
    const row = bed.submit();
    const { lease } = await dying.assignment();
    await dying.acknowledge(lease);
    dying.vanish();
    await bed.until(() => bed.coordinator.status().workers.suspect === 1);
    await bed.until(() => bed.coordinator.status().workers.total === 0);
    const other = await bed.worker('other', 1);
    const next = await other.assignment();
    assert.equal(next.lease.attempt, 2);
    await other.complete(next.lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
  });

  withBed('a draining worker gets nothing new', async (bed) => {
    const worker = bed.guest('w1');
    await worker.register();
    worker.receive();
    await worker.heartbeat([], true);
    bed.submit();
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(worker.assignments.length, 0);
    await worker.heartbeat([], false);
    await worker.assignment();
  });

  withBed(
    'an attempt that takes too long is taken away',
    async (bed) => {
      const worker = await bed.worker('w1', 1);
      bed.submit();
      const { lease } = await worker.assignment();
      await worker.start(lease);
      worker.held = [lease];
      await worker.until(() => worker.cancellations.length === 1);
      const second = await worker.assignment(1);
      assert.equal(second.lease.attempt, 2);
    },
    { taskTimeoutMs: 300 },
  );
});
