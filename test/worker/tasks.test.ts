/** What becomes of assignments: proved once, refused, taken back, timed out, given back. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { packElements, toBytesBE, ZkraftError } from '../../src/common/index.ts';
import { createLogger } from '../../src/common/logging/index.ts';
import type { Lease } from '../../src/common/rpc/index.ts';
import type { Worker } from '../../src/worker/index.ts';
import { FakeCoordinator } from '../support/fake-coordinator.ts';
import {
  assignmentFor,
  type FakeProver,
  fakeCircuit,
  fakeProver,
  gate,
  memoryArtifacts,
  type StartOverrides,
  startTestWorker,
} from '../support/worker-fixtures.ts';

const open: { coordinator: FakeCoordinator; worker: Worker }[] = [];
afterEach(async () => {
  for (const { coordinator, worker } of open.splice(0)) {
    await worker.abort();
    coordinator.stop();
  }
});

const circuit = fakeCircuit();

interface Bench {
  readonly leader: FakeCoordinator;
  readonly prover: FakeProver;
  readonly worker: Worker;
}

async function bench(overrides: Partial<StartOverrides> = {}, prover = fakeProver()): Promise<Bench> {
  const leader = await FakeCoordinator.start();
  for (const [digest, blob] of circuit.blobs) leader.blobs.set(digest, blob);
  const worker = await startTestWorker({ coordinatorAddresses: [leader.address], prover, ...overrides });
  open.push({ coordinator: leader, worker });
  await leader.until(() => leader.streams === 1, 'it was registered');
  return { leader, prover, worker };
}

/** A prover whose proofs wait until the gate opens. */
function gatedProver(): { prover: FakeProver; open: () => void } {
  const prover = fakeProver();
  const { open: openGate, wait } = gate();
  prover.behave = (_statement, options) => wait(options);
  return { prover, open: openGate };
}

describe('an assignment', () => {
  it('is started, proved and reported, with its lease and request id throughout', async () => {
    const { leader, prover } = await bench();
    const assignment = assignmentFor('w1', circuit);
    leader.assign(assignment);
    await leader.until(() => leader.completions.length === 1, 'the proof was reported');
    const [completion] = leader.completions;
    assert.deepEqual(completion?.lease, assignment.lease);
    assert.equal(completion?.proof.length, 256);
    assert.deepEqual(
      completion?.publicSignals.map((signal) => Uint8Array.from(signal)),
      [toBytesBE(1234n), toBytesBE(0n)],
    );
    assert.deepEqual(completion?.timings, { queueMs: 0n, witnessMs: 1n, proveMs: 2n, verifyMs: 3n });
    assert.deepEqual(prover.statements, [
      { leaves: [5n, 6n, 7n], leafIndex: 1, depth: 4, root: 1234n, externalHash: 0n },
    ]);
    assert.deepEqual(
      leader.of<{ lease: Lease }>('startTask').map(({ lease }) => lease),
      [assignment.lease],
    );
    assert.equal(leader.of('acknowledgeTask').length, 0, 'the start says that it arrived');
    for (const { name, metadata } of leader.calls) {
      if (/Task$|^report/.test(name)) assert.equal(metadata.get('x-request-id')[0], 'req-1', name);
    }
  });

  it('that comes twice, while running and again after the end, is acknowledged and proved once', async () => {
    const { prover, open: openGate } = gatedProver();
    const { leader } = await bench({}, prover);
    const assignment = assignmentFor('w1', circuit);
    leader.assign(assignment);
    await leader.until(() => prover.active === 1, 'it was proving');
    leader.assign(assignment);
    await leader.until(() => leader.of('acknowledgeTask').length === 1, 'the copy was acknowledged');
    openGate();
    await leader.until(() => leader.completions.length === 1, 'it was reported');
    await new Promise((resolve) => setTimeout(resolve, 50));
    leader.assign(assignment);
    await leader.until(() => leader.of('acknowledgeTask').length === 2, 'the late copy was acknowledged');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(prover.statements.length, 1);
    assert.equal(leader.completions.length, 1);
  });

  it('runs although its acknowledgement and its start notice are lost', async () => {
    const { leader } = await bench();
    leader.refuse = (name) =>
      name === 'startTask' ? 'hang' : name === 'acknowledgeTask' ? new Error('lost') : undefined;
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'it was reported');
  });

  it('waits for a free slot: never more run than the worker said', async () => {
    const { prover, open: openGate } = gatedProver();
    const { leader, worker } = await bench({ concurrency: 2 }, prover);
    for (let i = 0; i < 7; i += 1) leader.assign(assignmentFor('w1', circuit));
    await leader.until(
      () => leader.of('acknowledgeTask').length === 5 && prover.active === 2,
      'those that wait were acknowledged',
    );
    assert.deepEqual([worker.state().running, worker.state().queued], [2, 5]);
    const before = leader.heartbeats.length;
    await leader.until(() => leader.heartbeats.length > before + 1, 'a heartbeat came');
    assert.equal(leader.heartbeats.at(-1)?.heldLeases.length, 7);
    openGate();
    await leader.until(() => leader.completions.length === 7, 'all were reported');
    assert.equal(prover.activeMax, 2);
  });

  it('beyond the queue is left unacknowledged, to be leased elsewhere', async () => {
    const { prover } = gatedProver();
    const { leader } = await bench({ concurrency: 1, queueMax: 2 }, prover);
    for (let i = 0; i < 6; i += 1) leader.assign(assignmentFor('w1', circuit));
    const before = leader.heartbeats.length;
    await leader.until(() => leader.heartbeats.length > before + 2, 'time passed');
    await leader.until(() => leader.of('acknowledgeTask').length === 2, 'those that wait were acknowledged');
    assert.equal(leader.of('startTask').length, 1);
  });

  it('that is poison is reported under its code, harms nothing, and the next one is proved', async () => {
    const { leader, prover } = await bench();
    const poison = assignmentFor('w1', circuit, [1n, 0n]);
    leader.assign(poison);
    await leader.until(() => leader.failures.length === 1, 'the failure was reported');
    assert.equal(leader.failures[0]?.code, 'invalid_leaf');
    assert.deepEqual(leader.failures[0]?.lease, poison.lease);
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'the next one was proved');
    assert.equal(prover.statements.length, 1);
  });

  it('without a lease, with the lease of another worker, or of no known kind, is ignored', async () => {
    const { leader } = await bench();
    leader.assign({ ...assignmentFor('w1', circuit), lease: undefined });
    leader.assign(assignmentFor('w2', circuit));
    leader.send(undefined);
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'the sound one was proved');
    assert.deepEqual([leader.of('startTask').length, leader.of('acknowledgeTask').length], [1, 0]);
    assert.equal(leader.failures.length, 0);
  });
});

describe('a proof that fails', () => {
  const cases: readonly [string, unknown, string][] = [
    ['for a wrong path', new ZkraftError('wrong_path', 'another root'), 'wrong_path'],
    ['because its thread died', new ZkraftError('prover_crashed', 'died'), 'prover_crashed'],
    ['because nobody wanted it, though somebody did', new ZkraftError('prover_aborted', 'gone'), 'prover_crashed'],
    ['in a way that nobody foresaw', new TypeError('leaf 777 is odd'), 'internal'],
  ];
  for (const [why, thrown, code] of cases) {
    it(`${why} is reported as ${code}`, async () => {
      const prover = fakeProver();
      prover.behave = async () => {
        throw thrown;
      };
      const { leader, worker } = await bench({}, prover);
      leader.assign(assignmentFor('w1', circuit));
      await leader.until(() => leader.failures.length === 1, 'the failure was reported');
      assert.equal(leader.failures[0]?.code, code);
      assert.doesNotMatch(leader.failures[0]?.message ?? '', /777/);
      assert.equal(worker.state().running, 0);
    });
  }

  it('by taking too long is aborted and reported as prover_timeout, and its slot is free again', async () => {
    const { prover } = gatedProver();
    const { leader, worker } = await bench({ concurrency: 1 }, prover);
    leader.assign({ ...assignmentFor('w1', circuit), timeoutMs: 60n });
    await leader.until(() => leader.failures.length === 1, 'the failure was reported');
    assert.equal(leader.failures[0]?.code, 'prover_timeout');
    assert.deepEqual([worker.state().running, prover.active], [0, 0]);
  });

  it("by the worker's own limit, when that is the shorter one", async () => {
    const { prover } = gatedProver();
    const { leader } = await bench({ taskTimeoutMs: 60 }, prover);
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.failures.length === 1, 'the failure was reported');
    assert.equal(leader.failures[0]?.code, 'prover_timeout');
  });
});

describe('a task that the coordinator takes back', () => {
  for (const how of ['cancelled', 'dropped', 'not kept'] as const) {
    it(`(${how}) is aborted, running or queued, and never reported`, async () => {
      const { prover } = gatedProver();
      const { leader, worker } = await bench({ concurrency: 1 }, prover);
      const assignments = [assignmentFor('w1', circuit), assignmentFor('w1', circuit)];
      for (const assignment of assignments) leader.assign(assignment);
      await leader.until(() => prover.active === 1 && worker.state().queued === 1, 'one was running, one queued');
      if (how === 'dropped') leader.drop = assignments.map(({ lease }) => lease);
      else if (how === 'cancelled') {
        for (const { lease } of assignments) leader.send({ $case: 'cancellation', value: { lease, reason: 'user' } });
      } else {
        leader.keep = () => [];
        leader.endStreams();
      }
      await leader.until(() => prover.active === 0 && worker.state().queued === 0, 'both were given up');
      await leader.until(() => leader.heartbeats.at(-1)?.heldLeases.length === 0, 'heartbeats no longer name them');
      assert.deepEqual([leader.completions.length, leader.failures.length], [0, 0]);
    });
  }

  it('is only that one: another attempt at the same task goes on', async () => {
    const { prover } = gatedProver();
    const { leader } = await bench({ concurrency: 2 }, prover);
    const first = assignmentFor('w1', circuit);
    const second = { ...first, lease: { ...first.lease, attempt: 2, epoch: first.lease.epoch + 50n } };
    leader.assign(first);
    leader.assign(second);
    await leader.until(() => prover.active === 2, 'both were running');
    leader.send({ $case: 'cancellation', value: { lease: first.lease, reason: 'expired' } });
    await leader.until(() => prover.active === 1, 'one was given up');
    const before = leader.heartbeats.length;
    await leader.until(() => leader.heartbeats.length > before + 1, 'a heartbeat came');
    assert.deepEqual(leader.heartbeats.at(-1)?.heldLeases, [second.lease]);
  });
});

describe('circuits', () => {
  it('are fetched once for tasks that come together, verified, cached, and not fetched again', async () => {
    const artifacts = memoryArtifacts();
    const { leader } = await bench({ artifacts }, fakeProver());
    for (let i = 0; i < 4; i += 1) leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 4, 'all were proved');
    assert.equal(leader.of('fetchArtifact').length, 4, 'manifest, vkey, wasm and zkey once each; no r1cs');
    assert.deepEqual(artifacts.stored.get(circuit.zkeyDigest), circuit.blobs.get(circuit.zkeyDigest));
  });

  it('already in the cache are told of at registration and not fetched', async () => {
    const artifacts = memoryArtifacts();
    for (const [digest, blob] of circuit.blobs) artifacts.stored.set(digest, blob);
    artifacts.pinned.set(circuit.circuitId, circuit.digest);
    const { leader } = await bench({ artifacts });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'it was proved');
    assert.equal(leader.of('fetchArtifact').length, 0);
  });

  it('are resumed where a download broke, and a corrupt chunk is found out', async () => {
    const { leader } = await bench();
    leader.chunkBytes = 32 * 1024;
    let cuts = 0;
    let corrupted = 0;
    leader.onChunk = (chunk, offset, digest) => {
      if (digest !== circuit.zkeyDigest) return chunk;
      if (offset === 64 * 1024 && cuts++ === 0) return 'cut';
      if (offset === 96 * 1024 && corrupted++ === 0) return chunk.map((byte, i) => (i === 7 ? byte ^ 4 : byte));
      return chunk;
    };
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'it was proved');
    const offsets = leader
      .of<{ digest: Uint8Array; offset: bigint }>('fetchArtifact')
      .filter(({ digest }) => Buffer.from(digest).toString('hex') === circuit.zkeyDigest)
      .map(({ offset }) => Number(offset));
    assert.deepEqual(offsets, [0, 64 * 1024, 0]);
  });

  it('that no coordinator has fail the task under that code, not the worker', async () => {
    const { leader } = await bench();
    leader.assign(assignmentFor('w1', fakeCircuit(9)));
    await leader.until(() => leader.failures.length === 1, 'the failure was reported');
    assert.equal(leader.failures[0]?.code, 'artifact_not_found');
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'the next one was proved');
  });

  it('whose manifest is of another circuit are not used', async () => {
    const { leader } = await bench();
    leader.assign(assignmentFor('w1', { ...circuit, circuitId: 'merkle-20', depth: 20 }));
    await leader.until(() => leader.failures.length === 1, 'the failure was reported');
    assert.equal(leader.failures[0]?.code, 'invalid_input');
  });

  it('that are damaged in the cache are fetched afresh', async () => {
    const artifacts = memoryArtifacts();
    for (const [digest, blob] of circuit.blobs) artifacts.stored.set(digest, blob);
    artifacts.stored.set(circuit.zkeyDigest, new Uint8Array(10));
    const { leader } = await bench({ artifacts });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'it was proved');
    assert.equal(leader.of('fetchArtifact').length, 1);
    assert.deepEqual(artifacts.stored.get(circuit.zkeyDigest), circuit.blobs.get(circuit.zkeyDigest));
  });

  it('go on being fetched when the task that asked is cancelled, and the next task has them', async () => {
    const { leader, worker } = await bench();
    let stalled = false;
    leader.refuse = (name) => {
      if (name === 'fetchArtifact') stalled = true;
      return undefined;
    };
    leader.onChunk = () => 'cut';
    const assignment = assignmentFor('w1', circuit);
    leader.assign(assignment);
    await leader.until(() => stalled, 'the download began');
    leader.send({ $case: 'cancellation', value: { lease: assignment.lease, reason: 'user' } });
    await leader.until(() => worker.state().running === 0, 'the task was given up');
    leader.onChunk = (chunk) => chunk;
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'the next one was proved');
  });
});

describe('the log', () => {
  it('holds request id and lease, and neither leaves nor the token', async () => {
    const { mkdtemp, readFile, rm } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const dir = await mkdtemp(join(tmpdir(), 'zkraft-log-'));
    const file = join(dir, 'worker.log');
    const secret = 918273645546372819n;
    const logger = createLogger({ level: 'trace', format: 'json', output: file });
    const { leader, worker } = await bench({ logger, workerToken: 'hush-hush-token' });
    const sound = assignmentFor('w1', circuit, [5n, secret]);
    leader.assign(sound);
    const poison = assignmentFor('w1', circuit);
    if (poison.task?.$case === 'merkle') poison.task.value.leaves = packElements([secret, 0n]);
    leader.assign(poison);
    await leader.until(() => leader.completions.length === 1 && leader.failures.length === 1, 'both were answered');
    await worker.close();
    const text = await readFile(file, 'utf8');
    await rm(dir, { recursive: true });
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const about = lines.filter(({ lease }) => String(lease).startsWith(sound.lease.taskId));
    assert.ok(about.length >= 4, 'accepted, proving, proved, acknowledged');
    assert.ok(about.every(({ request_id }) => request_id === 'req-1'));
    for (const hidden of [String(secret), secret.toString(16), 'hush-hush-token']) assert.ok(!text.includes(hidden));
  });
});
