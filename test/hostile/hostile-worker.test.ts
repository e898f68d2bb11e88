import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Lease, RemoteError } from '../../src/common/rpc/index.ts';
import type { CoordinatorOptions } from '../../src/coordinator/index.ts';
import { Bed, makeProofs, type Proofs } from '../coordinator/bed.ts';
import type { FakeWorker } from '../coordinator/fake-worker.ts';
import { SeededRandom } from '../support/seeded-random.ts';

let proofs: Proofs;
before(async () => {
  proofs = await makeProofs();
});
after(() => proofs.close());

const coded = (code: string) => (error: unknown) => (error as RemoteError).code === code;
const MIB = 1024 * 1024;
/** An honest worker is served this quickly whatever others do; the machine may be a slow one. */
const SERVED_MS = 8_000;

function hostile(name: string, body: (bed: Bed) => Promise<void>, options: Partial<CoordinatorOptions> = {}): void {
  test(name, async () => {
    const bed = await Bed.start(proofs, { maxAttempts: 50, ...options });
    try {
      await body(bed);
    } finally {
      await bed.close();
    }
  });
}

/** Takes what it is given, and proves it. */
async function serveHonestly(bed: Bed, id = 'honest'): Promise<number> {
  const row = bed.submit({ priority: 9 });
  const begunAtMs = performance.now();
  const honest = await bed.worker(id, 256);
  for (let n = 0; row.status !== 'completed'; n++) {
    const { lease } = await honest.assignment(n);
    await honest.complete(lease, proofs.proof, proofs.signals).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (performance.now() - begunAtMs > SERVED_MS) break;
  }
  assert.equal(row.status, 'completed', 'the honest worker was served');
  honest.stopBeating();
  return performance.now() - begunAtMs;
}

const leaseOf = (bed: Bed, worker: FakeWorker): Promise<Lease> => {
  bed.submit();
  return worker.assignment(worker.assignments.length).then(({ lease }) => lease);
};

describe('a hostile worker that reports', () => {
  hostile('two hundred kinds of bytes as a proof completes nothing, and is quarantined', async (bed) => {
    const random = new SeededRandom(11);
    const rows = Array.from({ length: 3 }, () => bed.submit());
    const liar = await bed.worker('liar', 1);
    for (let n = 0; n < 3; n++) {
      const { lease } = await liar.assignment(n);
      await assert.rejects(liar.complete(lease, random.bytes(256), proofs.signals), coded('proof_invalid'));
    }
    // From here on it is not even listened to, however often it tries.
    for (let n = 0; n < 200; n++) {
      const lease = { taskId: rows[n % 3]?.id ?? '', workerId: 'liar', attempt: 1 + (n % 4), epoch: BigInt(n) };
      await assert.rejects(liar.complete(lease, random.bytes(n === 7 ? 255 : 256), proofs.signals));
    }
    assert.ok(rows.every((row) => !row.history.includes('completed')));
    await assert.rejects(bed.guest('liar').register(), coded('worker_quarantined'));
    await serveHonestly(bed);
  });

  hostile('a true proof of another task completes nothing', async (bed) => {
    const other = bed.submit({ externalHash: Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 9 : 0)) });
    const thief = await bed.worker('thief', 1);
    const { lease } = await thief.assignment();
    const bound = [proofs.signals[0] as Uint8Array, other.externalHash];
    await assert.rejects(thief.complete(lease, proofs.proof, proofs.signals), coded('proof_invalid'));
    const again = await thief.assignment(1);
    await assert.rejects(thief.complete(again.lease, proofs.proof, bound), coded('proof_invalid'));
    assert.ok(!other.history.includes('completed'));
  });

  hostile('the same completion a hundred times counts once', async (bed) => {
    const row = bed.submit();
    const worker = await bed.worker('parrot', 1);
    const { lease } = await worker.assignment();
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, () => worker.complete(lease, proofs.proof, proofs.signals)),
    );
    assert.ok(answers.some(({ status }) => status === 'fulfilled'));
    await bed.until(() => row.status === 'completed');
    assert.equal(row.history.filter((status) => status === 'completed').length, 1);
    assert.equal(bed.store.story.filter(({ kind, taskId }) => kind === 'completed' && taskId === row.id).length, 1);
  });

  hostile('under leases that were never its own changes nothing', async (bed) => {
    const victim = await bed.worker('victim', 1);
    const lease = await leaseOf(bed, victim);
    const thief = await bed.worker('thief', 1);
    const forged = [
      { ...lease, workerId: 'thief' },
      { ...lease, epoch: lease.epoch + 1n },
      { ...lease, epoch: lease.epoch - 1n },
      { ...lease, attempt: lease.attempt + 1 },
      { ...lease, taskId: '00000000-0000-4000-8000-000000000000' },
    ];
    for (const one of forged) {
      await assert.rejects(thief.complete(one, proofs.proof, proofs.signals), coded('stale_lease'));
      await assert.rejects(thief.fail(one, 'prover_crashed'), coded('stale_lease'));
      await assert.rejects(thief.start(one), coded('stale_lease'));
    }
    await victim.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => bed.store.rows.get(lease.taskId)?.status === 'completed');
    await assert.rejects(thief.fail(lease, 'prover_crashed'), coded('stale_lease'));
    assert.equal(bed.store.rows.get(lease.taskId)?.status, 'completed');
  });

  hostile('that everything is impossible ends tasks as failed, but brings no false proof, and is seen', async (bed) => {
    const row = bed.submit();
    const saboteur = await bed.worker('saboteur', 1);
    const { lease } = await saboteur.assignment();
    await saboteur.fail(lease, 'made_up_code\u0000', 'x'.repeat(10_000));
    await bed.until(() => row.history.length > 1 || bed.store.story.length > 1);
    const told = bed.store.story.find(({ workerId, kind }) => workerId === 'saboteur' && kind !== 'assigned');
    assert.ok(told, 'the story names the worker');
    assert.ok((told.message ?? '').length <= 600 && !/\p{Cc}/u.test(told.message ?? ''));
    await serveHonestly(bed);
  });
});

describe('a hostile worker that hogs', () => {
  hostile('leases and never proves them loses them, and others get them', async (bed) => {
    const rows = Array.from({ length: 6 }, () => bed.submit());
    const hog = await bed.worker('hog', 256);
    await hog.until(() => hog.assignments.length >= 6);
    // It stays alive, and names nothing that it holds.
    const honest = await bed.worker('honest', 6);
    const served = setInterval(() => {
      for (const { lease } of honest.assignments) {
        if (lease) void honest.complete(lease, proofs.proof, proofs.signals).catch(() => {});
      }
    }, 50);
    try {
      await bed.until(() => rows.some((row) => row.status === 'completed' && row.workerId === 'honest'), 20_000);
    } finally {
      clearInterval(served);
    }
  });

  hostile('by claiming more slots or circuits than there can be is refused', async (bed) => {
    const guest = bed.guest('giant');
    await assert.rejects(guest.register({ slots: 2 ** 31 }), coded('invalid_request'));
    const circuit = { circuitId: 'merkle-3', manifestDigest: new Uint8Array(32) };
    await assert.rejects(
      guest.register({ cachedCircuits: Array.from({ length: 257 }, () => circuit) }),
      coded('invalid_request'),
    );
    for (const workerId of ['__proto__', 'constructor', 'a/b', 'a b', 'ä', 'x'.repeat(129), '\u202e']) {
      const outcome = await guest.register({ workerId }).catch((error: RemoteError) => error.code);
      if (typeof outcome === 'string') assert.equal(outcome, 'invalid_worker_id', workerId);
    }
    await serveHonestly(bed);
  });

  hostile('two hundred streams of one worker leaves one', async (bed) => {
    const worker = await bed.worker('octopus', 1);
    const streams = Array.from({ length: 200 }, () => worker.secondStream());
    await Promise.all(streams.slice(0, -1).map(({ ended }) => ended));
    const health = await bed.http('/health');
    assert.equal(health.status, 200);
    for (const stream of streams) stream.cancel();
    await serveHonestly(bed);
  });
});

describe('a hostile worker that floods', () => {
  hostile('ten thousand heartbeats, starts and failures of nothing grow no state', async (bed) => {
    const worker = await bed.worker('flood', 1);
    const before = process.memoryUsage().rss;
    const lease = { taskId: '00000000-0000-4000-8000-000000000000', workerId: 'flood', attempt: 1, epoch: 1n };
    let refused = 0;
    for (let wave = 0; wave < 50; wave++) {
      const calls = Array.from({ length: 200 }, (_, i) => {
        if (i % 3 === 0) return worker.heartbeat();
        return i % 3 === 1 ? worker.start(lease) : worker.fail(lease, 'prover_crashed');
      });
      for (const { status } of await Promise.allSettled(calls)) if (status === 'rejected') refused += 1;
    }
    assert.ok(refused >= 6_000, `${refused} were refused`);
    assert.equal(bed.coordinator.status().workers.total, 1);
    assert.ok(process.memoryUsage().rss - before < 600 * MIB, `${(process.memoryUsage().rss - before) / MIB} MiB more`);
    await serveHonestly(bed);
  });

  hostile(
    'messages larger than any proof, and bytes that are no HTTP/2, are refused, and others are served',
    async (bed) => {
      const worker = await bed.worker('whale', 1);
      const lease = await leaseOf(bed, worker);
      for (const bytes of [2 * MIB, 8 * MIB]) {
        await assert.rejects(worker.complete(lease, new Uint8Array(bytes), proofs.signals), coded('body_too_large'));
      }
      const many = Array.from({ length: 100_000 }, () => new Uint8Array(32));
      await assert.rejects(worker.complete(lease, proofs.proof, many));
      const sockets = Array.from({ length: 50 }, (_, i) => {
        const socket = connect(bed.coordinator.grpcPort, '127.0.0.1');
        socket.on('error', () => {});
        socket.write(i % 2 === 0 ? Buffer.alloc(70_000, i) : 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00');
        return socket;
      });
      await serveHonestly(bed);
      for (const socket of sockets) socket.destroy();
    },
  );

  hostile('two thousand worker names are held to what a coordinator keeps, and leave it', async (bed) => {
    const guest = bed.guest('swarm');
    for (let wave = 0; wave < 20; wave++) {
      await Promise.all(Array.from({ length: 100 }, (_, i) => guest.register({ workerId: `swarm-${wave}-${i}` })));
    }
    assert.ok(bed.coordinator.status().workers.total <= 10_000);
    await serveHonestly(bed);
    // None of them ever beats: they are gone again.
    await bed.until(() => bed.coordinator.status().workers.total <= 1, 30_000);
  });
});
