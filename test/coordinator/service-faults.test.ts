/** Restarts, a database that goes away or is another's, a log that fails; and the faces: HTTP, token, downloads. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import { sha256Hex, type ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import type { RemoteError } from '../../src/common/rpc/index.ts';
import { COORDINATOR_METRICS, startCoordinator } from '../../src/coordinator/index.ts';
import type { Prover } from '../../src/prover/index.ts';
import { RAFT_METRICS, type ReplicatedLog } from '../../src/raft/index.ts';
import { folderLog } from '../support/alone-log.ts';
import { Bed, digestBytes, makeProofs, type Proofs } from './bed.ts';

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
const coded = (code: string) => (error: unknown) => (error as ZkraftError).code === code;

describe('restarts', () => {
  withBed('results that were not written before a restart are written after it', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    bed.store.away = true;
    await worker.complete(lease, proofs.proof, proofs.signals);
    const startedMs = Date.now();
    await bed.coordinator.close();
    assert.ok(Date.now() - startedMs < 5_000);
    assert.notEqual(row.status, 'completed');
    await bed.startCoordinator();
    assert.equal(bed.coordinator.status().outbox, 1);
    bed.store.away = false;
    await bed.until(() => row.status === 'completed');
    await bed.until(() => bed.coordinator.status().outbox === 0);
    assert.deepEqual(Buffer.from(row.proof ?? []), Buffer.from(proofs.proof));
  });

  withBed(
    'a proof begun under one coordinator is accepted by the next, and undelivered ones are sent again',
    async (bed) => {
      const worker = await bed.worker('w1', 2);
      const rows = [bed.submit(), bed.submit()];
      const [one, two] = [await worker.assignment(0), await worker.assignment(1)];
      await worker.acknowledge(one.lease);
      worker.stopBeating();
      await bed.restart();
      const back = bed.guest('w1');
      await back.register({ heldLeases: [one.lease] });
      await back.complete(one.lease, proofs.proof, proofs.signals);
      await assert.rejects(back.complete(two.lease, proofs.proof, proofs.signals), coded('stale_lease'));
      back.receive();
      const again = await back.assignment();
      assert.deepEqual([again.lease.taskId, again.lease.attempt], [two.lease.taskId, 2]);
      await back.complete(again.lease, proofs.proof, proofs.signals);
      await bed.until(() => rows.every((row) => row.status === 'completed'));
    },
  );

  withBed('a worker that noticed nothing of the restart is sent what it never acknowledged', async (bed) => {
    const worker = await bed.worker('w1', 1);
    const row = bed.submit();
    const { lease } = await worker.assignment();
    worker.stopBeating();
    await bed.restart();
    const back = bed.guest('w1');
    back.sessionId = worker.sessionId;
    back.receive();
    const again = await back.assignment();
    assert.deepEqual(again.lease, lease);
    await back.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
  });

  withBed('a coordinator that did not run for a while holds its own silence against no worker', async (bed) => {
    const worker = await bed.worker('w1', 1);
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.acknowledge(lease);
    worker.held = [lease];
    // Longer than a heartbeat timeout, and as a paused process sees it: no timer, no I/O.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
    assert.equal(row.attempt, 1);
    assert.equal(bed.coordinator.status().workers.total, 1);
  });

  withBed('closing ends the streams with shutting_down, and refuses what comes after', async (bed) => {
    const worker = await bed.worker('w1');
    bed.submit();
    await worker.assignment();
    const startedMs = Date.now();
    await bed.coordinator.close();
    assert.ok(Date.now() - startedMs < 5_000);
    await worker.until(() => worker.streamEnd !== undefined);
    assert.equal((worker.streamEnd as RemoteError).code, 'shutting_down');
    await bed.coordinator.close();
  });
});

describe('the database', () => {
  withBed('goes away and returns: nothing is lost, health says so meanwhile', async (bed) => {
    const worker = await bed.worker('w1', 4);
    const rows = [bed.submit(), bed.submit()];
    const [one, two] = [await worker.assignment(0), await worker.assignment(1)];
    await worker.acknowledge(one.lease);
    await worker.acknowledge(two.lease);
    worker.held = [one.lease, two.lease];
    bed.store.away = true;
    await worker.complete(one.lease, proofs.proof, proofs.signals);
    await new Promise((resolve) => setTimeout(resolve, 600));
    const health = await bed.http('/health');
    assert.equal(health.status, 503);
    assert.match(health.text, /database_unavailable/);
    assert.equal((await bed.http('/ready')).status, 503);
    assert.equal((await bed.http('/livez')).status, 200);
    bed.store.away = false;
    await worker.complete(two.lease, proofs.proof, proofs.signals);
    await bed.until(() => rows.every((row) => row.status === 'completed'));
    await bed.until(() => bed.coordinator.status().outbox === 0);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal((await bed.http('/health')).status, 200);
  });

  withBed('away at the start: the coordinator starts, serves, and begins to lease when it is there', async (bed) => {
    await bed.coordinator.close();
    bed.store.away = true;
    await bed.startCoordinator();
    const worker = await bed.worker('w1');
    bed.submit();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(worker.assignments.length, 0);
    bed.store.away = false;
    await worker.assignment();
  });

  withBed('the answer to a projection is lost: it is found by the cursor, and written once', async (bed) => {
    const worker = await bed.worker('w1');
    bed.store.loseAnswer = true;
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
    assert.equal(row.history.filter((status) => status === 'completed').length, 1);
    await bed.until(() => bed.coordinator.status().outbox === 0);
  });

  withBed(
    'an outbox that is full stops new leases, not results',
    async (bed) => {
      const worker = await bed.worker('w1', 4);
      const first = bed.submit();
      const { lease } = await worker.assignment();
      bed.store.readOnly = true;
      await worker.complete(lease, proofs.proof, proofs.signals);
      assert.equal(bed.coordinator.status().outbox, 1);
      bed.submit();
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(worker.assignments.length, 1);
      bed.store.readOnly = false;
      await bed.until(() => first.status === 'completed');
      await worker.assignment(1);
    },
    { outboxMax: 1 },
  );

  withBed(
    'that did not take a write is claimed again before the next one: whoever locked it leads no more',
    async (bed) => {
      const worker = await bed.worker('w1', 2);
      const row = bed.submit();
      const { lease } = await worker.assignment();
      await bed.until(() => row.status === 'assigned');
      const claims = bed.store.claims;
      bed.store.readOnly = true;
      await worker.complete(lease, proofs.proof, proofs.signals);
      await bed.until(() => bed.store.claims >= claims + 2);
      bed.store.readOnly = false;
      await bed.until(() => row.status === 'completed');
    },
    { cleanupIntervalMs: 60_000 },
  );

  withBed('restored from a backup: what is held is written again, leases of nobody are ended', async (bed) => {
    const worker = await bed.worker('w1', 3);
    const [held, lost] = [bed.submit(), bed.submit()];
    const one = await worker.assignment(0);
    await worker.assignment(1);
    const kept = one.lease.taskId === held.id ? held : lost;
    worker.held = [one.lease];
    await worker.acknowledge(one.lease);
    await bed.until(() => bed.coordinator.status().outbox === 0);
    await bed.coordinator.close();
    assert.ok(bed.store.cluster !== undefined);
    // As of before the leases; and a third row under a lease that this log never granted.
    bed.store.cluster = { ...bed.store.cluster, cursor: 1 };
    Object.assign(kept, { status: 'pending', fenceIndex: 0, leaseEpoch: null, workerId: null, attempt: 0 });
    const orphan = bed.submit({ status: 'in_progress', leaseEpoch: 3, workerId: 'w0', attempt: 2 });
    await bed.startCoordinator();
    await bed.until(() => kept.status === 'assigned');
    assert.equal(kept.leaseEpoch, Number(one.lease.epoch));
    await bed.until(() => orphan.history.includes('pending'));
    assert.equal(orphan.attempt, 2);
    const back = await bed.worker('w2', 3);
    await back.until(() => back.assignments.some((a) => a.lease?.taskId === orphan.id && a.lease.attempt === 3));
  });

  test('of another cluster is refused at the start, with the way out, and nothing is written', async () => {
    const bed = new Bed(proofs, {});
    bed.store.cluster = { clusterId: 'somebody-else', epoch: 1, cursor: 5 };
    await assert.rejects(bed.startCoordinator(), coded('foreign_cluster'));
    assert.deepEqual(bed.store.cluster, { clusterId: 'somebody-else', epoch: 1, cursor: 5 });
    bed.store.cluster = undefined;
    await bed.startCoordinator();
    await bed.close();
  });

  test('that has seen more than the log holds means an older copy of the log: refused', async () => {
    const bed = await Bed.start(proofs);
    await bed.coordinator.close();
    assert.ok(bed.store.cluster !== undefined);
    bed.store.cluster = { ...bed.store.cluster, cursor: 9_999 };
    await assert.rejects(bed.startCoordinator(), (error: unknown) => {
      assert.ok(coded('log_corrupt')(error));
      assert.match((error as Error).message, /older copy.*same backup/s);
      return true;
    });
  });
});

describe('the log', () => {
  test('fails: the node leads no more, says so, and its owner is told', async () => {
    const fatal: ZkraftError[] = [];
    const bed = await Bed.start(proofs, { onFatal: (error) => fatal.push(error) });
    const worker = await bed.worker('w1');
    bed.log.place.disk.failNext(new Error('EIO'));
    await assert.rejects(worker.register(), coded('outcome_unknown'));
    await bed.until(() => fatal.length === 1);
    await assert.rejects(worker.heartbeat(), coded('not_leader'));
    const health = await bed.http('/health');
    assert.equal(health.status, 503);
    assert.match(health.text, /no_leader/);
    assert.deepEqual((health.body.raft as Record<string, unknown>).state, 'Shutdown');
    await bed.close();
  });

  test('on disk: results survive the coordinator, and a second one on the folder is refused', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'zkraft-coordinator-'));
    const bed = new Bed(proofs, {});
    bed.store.trees.set('ab'.repeat(32), proofs.leaves);
    const options = {
      id: 'c1',
      store: bed.store,
      artifacts: proofs.artifacts,
      verifier: proofs.verifier,
      grpcHost: '127.0.0.1',
      grpcPort: 0,
      httpHost: '127.0.0.1',
      httpPort: 0,
      logger: silentLogger,
      openLog: folderLog(dir),
    };
    const first = await startCoordinator(options);
    await assert.rejects(startCoordinator(options), coded('already_running'));
    await assert.rejects(startCoordinator({ ...options, grpcPort: first.grpcPort }), coded('port_in_use'));
    await assert.rejects(startCoordinator({ ...options, httpPort: first.httpPort }), coded('port_in_use'));
    assert.equal(first.status().raft.leaderAddress, `127.0.0.1:${first.grpcPort}`);
    const { term } = first.status().raft;
    await first.close();
    const second = await startCoordinator({ ...options, openLog: folderLog(dir, { bootstrap: false }) });
    assert.ok(second.status().raft.term > term);
    await second.close();
    await rm(dir, { recursive: true, force: true });
  });

  test('of a node that does not lead: workers are told not_leader, probes no_leader', async () => {
    const follower: ReplicatedLog<never> = {
      start: async () => {},
      propose: () => Promise.reject(new Error('never')),
      readIndex: () => Promise.reject(new Error('never')),
      status: () => ({
        state: 'Follower',
        nodeId: 'n1',
        clusterId: 'c',
        succeeds: [],
        leaderId: 'n2',
        leaderAddress: '10.0.0.2:9090',
        term: 3,
        commitIndex: 9,
        appliedIndex: 9,
        snapshotIndex: 0,
        peers: 3,
      }),
      onStateChange: () => () => {},
      handOver: async () => {},
      close: async () => {},
    };
    const bed = new Bed(proofs, {});
    await bed.startCoordinator({ openLog: async () => follower });
    await assert.rejects(bed.guest('w1').register(), (error: unknown) => {
      assert.ok(coded('not_leader')(error));
      const { leaderId, leaderGrpcAddress } = error as RemoteError;
      assert.deepEqual([leaderId, leaderGrpcAddress], ['n2', '10.0.0.2:9090']);
      return true;
    });
    const health = await bed.http('/health');
    assert.equal(health.status, 200);
    assert.deepEqual((health.body.raft as Record<string, unknown>).leader_address, '10.0.0.2:9090');
    await bed.close();
  });
});

describe('HTTP', () => {
  withBed('/health, /ready, / and /livez say what the guide promises', async (bed) => {
    await bed.worker('w1', 3);
    const { status, body } = await bed.http('/health');
    assert.equal(status, 200);
    assert.equal(body.status, 'healthy');
    assert.equal(body.coordinator_id, 'c1');
    const raft = body.raft as Record<string, unknown>;
    assert.deepEqual(
      [raft.state, raft.is_leader, raft.node_id, raft.leader_address],
      ['Leader', true, 'n1', '127.0.0.1:1'],
    );
    assert.ok(Number(raft.commit_index) >= 2 && raft.applied_index === raft.commit_index && Number(raft.term) >= 1);
    assert.deepEqual(body.workers, { total: 1, active: 1, suspect: 0, dead: 0 });
    assert.deepEqual(body.capacity, { total: 3, used: 0, available: 3 });
    assert.deepEqual(Object.keys(body.scheduler as object), ['tasks_assigned', 'assignments_failed', 'poll_cycles']);
    assert.equal((await bed.http('/ready')).status, 200);
    assert.equal((await bed.http('/livez')).status, 200);
    assert.equal((await bed.http('/')).body.service, 'coordinator');
    assert.equal((await bed.http('/nowhere')).status, 404);
  });

  withBed('/metrics has every metric of the table, and no other of ours', async (bed) => {
    const worker = await bed.worker('w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.complete(lease, proofs.proof, proofs.signals);
    await bed.until(() => row.status === 'completed');
    const { text } = await bed.http('/metrics');
    const typed = [...text.matchAll(/^# TYPE ((?:raft|coordinator)_\S+) (\S+)$/gm)].map((m) => [m[1], m[2]]);
    assert.deepEqual(
      typed.sort(),
      Object.entries({ ...RAFT_METRICS, ...COORDINATOR_METRICS })
        .map(([name, { type }]) => [name, type])
        .sort(),
    );
    assert.match(text, /^raft_state 2$/m);
    assert.match(text, /^raft_leader 1$/m);
    assert.match(text, /^coordinator_workers_active 1$/m);
    assert.match(text, /^coordinator_capacity_total 2$/m);
    assert.match(text, /^coordinator_proofs_total\{circuit="merkle-3",backend="snarkjs"\} 1$/m);
    assert.match(text, /^coordinator_tasks_total\{outcome="completed"\} 1$/m);
    assert.match(text, /^coordinator_verify_seconds_count 1$/m);
  });

  test('say how many proofs wait to be verified', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const verifyBatch = async () => {
      await released;
      return [];
    };
    const bed = await Bed.start(proofs, { verifier: { threads: 1, verifyBatch } as unknown as Prover });
    const rows = [bed.submit(), bed.submit()];
    const reports: Promise<unknown>[] = [];
    for (const id of ['w1', 'w2']) {
      const worker = await bed.worker(id, 1);
      const { lease } = await worker.assignment();
      reports.push(worker.complete(lease, proofs.proof, proofs.signals));
    }
    const waiting = async () => /^coordinator_verify_waiting (\d+)$/m.exec((await bed.http('/metrics')).text)?.[1];
    while ((await waiting()) !== '1') await sleep(10);
    release();
    await Promise.all(reports);
    await bed.until(() => rows.every(({ status }) => status === 'completed'));
    assert.equal(await waiting(), '0');
    await bed.close();
  });
});

describe('access', () => {
  const TOKEN = 'correct horse battery'.replaceAll(' ', '-');

  withBed(
    'with a token set, no call passes without it',
    async (bed) => {
      for (const token of [undefined, 'wrong', `${TOKEN}x`, TOKEN.slice(1)]) {
        const guest = bed.guest('w1', token);
        await assert.rejects(guest.register(), coded('unauthenticated'));
        await assert.rejects(guest.heartbeat(), coded('unauthenticated'));
        await assert.rejects(guest.fetch(new Uint8Array(32)), coded('unauthenticated'));
        guest.receive();
        await guest.until(() => guest.streamEnd !== undefined);
        assert.equal((guest.streamEnd as RemoteError).code, 'unauthenticated');
      }
      await bed.guest('w1', TOKEN).register();
    },
    { workerToken: TOKEN },
  );

  test('a token that could be guessed is refused', async () => {
    const bed = new Bed(proofs, { workerToken: 'short' });
    await assert.rejects(bed.startCoordinator(), coded('config_invalid'));
  });

  withBed('what is malformed is refused with a code that names the field', async (bed) => {
    const guest = bed.guest('w1');
    const field =
      (name: string, code = 'invalid_request') =>
      (error: unknown) => {
        assert.deepEqual([(error as RemoteError).code, (error as RemoteError).field], [code, name]);
        return true;
      };
    await assert.rejects(guest.register({ workerId: 'no spaces' }), field('worker_id', 'invalid_worker_id'));
    await assert.rejects(guest.register({ workerId: '' }), field('worker_id', 'invalid_worker_id'));
    await assert.rejects(guest.register({ slots: 0 }), field('slots'));
    await assert.rejects(guest.register({ slots: 100_000 }), field('slots'));
    await assert.rejects(guest.register({ backends: [] }), field('backends'));
    await assert.rejects(guest.register({ softwareVersion: '' }), field('software_version'));
    await assert.rejects(guest.register({ host: 'h'.repeat(200) }), field('host'));
    const short = { circuitId: 'c', manifestDigest: new Uint8Array(31) };
    await assert.rejects(guest.register({ cachedCircuits: [short] }), field('cached_circuits[0].manifest_digest'));
    const lease = { taskId: 'x', workerId: 'w1', attempt: 1, epoch: 1n };
    await assert.rejects(guest.acknowledge(lease), field('lease.task_id'));
    const task = { ...lease, taskId: '00000000-0000-4000-8000-000000000000' };
    await assert.rejects(guest.acknowledge({ ...task, epoch: 2n ** 63n }), field('lease.epoch'));
    await guest.register();
    await assert.rejects(guest.heartbeat([{ ...task, workerId: 'w2' }]), field('held_leases[0].worker_id'));
    await assert.rejects(guest.heartbeat(Array.from({ length: 1_025 }, () => task)), field('held_leases'));
    await assert.rejects(guest.complete(task, new Uint8Array(2 ** 21), []), coded('body_too_large'));
    assert.equal((await bed.http('/health')).status, 200);
  });

  withBed('garbage on the port harms nobody', async (bed) => {
    const socket = connect(bed.coordinator.grpcPort, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(Buffer.alloc(65_536, 7));
    await bed.guest('w1').register();
    socket.destroy();
  });
});

describe('downloads', () => {
  withBed('files of a pinned circuit come whole, in bounded chunks, and from any offset', async (bed) => {
    const worker = bed.guest('w1');
    const pinned = await proofs.artifacts.circuits.find('merkle-3');
    assert.ok(pinned !== undefined);
    const { zkey } = pinned.manifest.files;
    await assert.rejects(worker.fetch(digestBytes(zkey.digest)), coded('unknown_worker'));
    await worker.register();
    const whole = await worker.fetch(digestBytes(zkey.digest));
    assert.equal(sha256Hex(whole.bytes), zkey.digest);
    assert.equal(whole.total, BigInt(zkey.bytes));
    assert.ok(whole.largest <= 256 * 1024);
    const rest = await worker.fetch(digestBytes(zkey.digest), 1_000n);
    assert.deepEqual(rest.bytes, whole.bytes.subarray(1_000));
    const none = await worker.fetch(digestBytes(zkey.digest), BigInt(zkey.bytes));
    assert.deepEqual([none.bytes.length, none.total], [0, BigInt(zkey.bytes)]);
    assert.equal(sha256Hex((await worker.fetch(digestBytes(pinned.digest))).bytes), pinned.digest);
  });

  withBed('what is no file of a pinned circuit is not served, though it is stored', async (bed) => {
    const worker = bed.guest('w1');
    await worker.register();
    const secret = await proofs.artifacts.blobs.put(new TextEncoder().encode('leaves of somebody'));
    await assert.rejects(worker.fetch(digestBytes(secret)), coded('artifact_not_found'));
    await assert.rejects(worker.fetch(new Uint8Array(5)), coded('invalid_request'));
    const pinned = await proofs.artifacts.circuits.find('merkle-3');
    await assert.rejects(worker.fetch(digestBytes(pinned?.digest ?? ''), 10_000_000n), coded('invalid_request'));
  });
});

withBed(
  'the gRPC health service and reflection answer',
  async (bed) => {
    const client = new Client(`127.0.0.1:${bed.coordinator.grpcPort}`, ChannelCredentials.createInsecure());
    const ask = (path: string) =>
      new Promise<Buffer>((resolve, reject) => {
        const identity = (bytes: Buffer): Buffer => bytes;
        client.makeUnaryRequest(path, identity, identity, Buffer.alloc(0), (error, value) =>
          error === null ? resolve(value ?? Buffer.alloc(0)) : reject(error),
        );
      });
    assert.deepEqual([...(await ask('/grpc.health.v1.Health/Check'))], [8, 1], 'SERVING');
    const stream = client.makeBidiStreamRequest(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    // list_services = 7
    stream.write(Buffer.from([0x3a, 0x01, 0x2a]));
    const answer = await new Promise<Buffer>((resolve, reject) => stream.once('data', resolve).once('error', reject));
    stream.cancel();
    client.close();
    assert.match(answer.toString('latin1'), /zkraft\.v1\.CoordinatorService/);
  },
  { reflection: true },
);
