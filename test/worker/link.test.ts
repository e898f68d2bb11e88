/** Finding the leader and staying with it, against coordinators that are down, elsewhere, deposed or unkind. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import type { RegisterWorkerRequest } from '../../src/common/rpc/index.ts';
import type { Worker } from '../../src/worker/index.ts';
import { FakeCoordinator, notLeader } from '../support/fake-coordinator.ts';
import {
  assignmentFor,
  fakeCircuit,
  fakeProver,
  gate,
  type StartOverrides,
  startTestWorker,
} from '../support/worker-fixtures.ts';

const coordinators: FakeCoordinator[] = [];
const workers: Worker[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.abort()));
  for (const coordinator of coordinators.splice(0)) coordinator.stop();
});

async function coordinator(): Promise<FakeCoordinator> {
  const started = await FakeCoordinator.start();
  coordinators.push(started);
  return started;
}

async function worker(overrides: StartOverrides): Promise<Worker> {
  const started = await startTestWorker({ drainMs: 0, flushMs: 0, ...overrides });
  workers.push(started);
  return started;
}

const circuit = fakeCircuit();
const withCircuit = (served: FakeCoordinator): FakeCoordinator => {
  for (const [digest, blob] of circuit.blobs) served.blobs.set(digest, blob);
  return served;
};

describe('a worker finds the leader', () => {
  it('and registers with what it is, keeps a stream open and sends heartbeats', async () => {
    const leader = await coordinator();
    await worker({ coordinatorAddresses: [leader.address], concurrency: 3, hostName: 'host-a', workerToken: 'secret' });
    await leader.until(() => leader.heartbeats.length >= 3 && leader.streams === 1, 'it sent heartbeats');
    const [registration] = leader.of<RegisterWorkerRequest>('registerWorker');
    assert.equal(registration?.workerId, 'w1');
    assert.equal(registration?.slots, 3);
    assert.equal(registration?.host, 'host-a');
    assert.deepEqual(registration?.backends, [{ name: 'snarkjs', device: '' }]);
    assert.ok(leader.heartbeats.every(({ sessionId, draining }) => sessionId === 1n && !draining));
    assert.ok(leader.calls.every(({ metadata }) => metadata.get('authorization')[0] === 'Bearer secret'));
  });

  it('that a follower names, although it is not on its list', async () => {
    const follower = await coordinator();
    const leader = await coordinator();
    follower.refuse = () => notLeader(leader.address);
    const started = await worker({ coordinatorAddresses: [follower.address] });
    await leader.until(() => leader.heartbeats.length > 0, 'the leader had heartbeats');
    assert.equal(started.state().coordinator, leader.address);
    assert.equal(follower.of('registerWorker').length, 1);
  });

  it('among several of which the others are down or know no leader', async () => {
    const down = await coordinator();
    const lost = await coordinator();
    const leader = await coordinator();
    down.stop();
    lost.refuse = () => notLeader();
    await worker({ coordinatorAddresses: [down.address, lost.address, leader.address] });
    await leader.until(() => leader.streams === 1, 'the leader was found');
  });

  it('after a time in which there is none', async () => {
    const first = await coordinator();
    first.refuse = () => new ZkraftError('no_leader', 'election under way');
    await worker({ coordinatorAddresses: [first.address] });
    await first.until(() => first.of('registerWorker').length >= 4, 'it kept asking');
    first.refuse = () => undefined;
    await first.until(() => first.streams === 1, 'it was registered');
  });
});

describe('a worker stays with the cluster', () => {
  it('when its coordinator dies and comes back', async () => {
    const leader = await coordinator();
    await worker({ coordinatorAddresses: [leader.address] });
    await leader.until(() => leader.heartbeats.length > 0, 'it was registered');
    leader.stop();
    await new Promise((resolve) => setTimeout(resolve, 150));
    await leader.start();
    await leader.until(() => leader.of('registerWorker').length === 2 && leader.streams === 1, 'it came back');
  });

  it('and is back at once after an outage of seconds', async () => {
    const leader = await coordinator();
    await worker({ coordinatorAddresses: [leader.address] });
    await leader.until(() => leader.heartbeats.length > 0, 'it was registered');
    leader.stop();
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await leader.start();
    await leader.until(() => leader.of('registerWorker').length === 2, 'it came back', 700);
  });

  it('when the leader moves: the ended stream says where to', async () => {
    const old = await coordinator();
    const next = await coordinator();
    await worker({ coordinatorAddresses: [old.address] });
    await old.until(() => old.heartbeats.length > 0, 'it was registered');
    next.term = 2n;
    old.refuse = () => notLeader(next.address);
    old.endStreams(notLeader(next.address));
    await next.until(() => next.heartbeats.length > 0, 'it followed');
    assert.equal(old.of('registerWorker').length, 1);
  });

  it('when a deposed leader keeps the stream open but refuses the heartbeat', async () => {
    const old = await coordinator();
    const next = await coordinator();
    await worker({ coordinatorAddresses: [old.address] });
    await old.until(() => old.heartbeats.length > 0, 'it was registered');
    old.refuse = (name) => (name === 'sendHeartbeat' ? notLeader(next.address) : undefined);
    await next.until(() => next.heartbeats.length > 0, 'it followed');
  });

  it('when heartbeats are no longer answered at all', async () => {
    const paused = await coordinator();
    const other = await coordinator();
    await worker({ coordinatorAddresses: [paused.address, other.address] });
    await paused.until(() => paused.heartbeats.length > 0, 'it was registered');
    paused.refuse = () => 'hang';
    // Two heartbeats of 500 ms; to ask the silent one once more would take five seconds.
    await other.until(() => other.heartbeats.length > 0, 'it left the silent one', 3_500);
  });

  it('by registering anew when its session is not known, keeping what it holds', async () => {
    const leader = withCircuit(await coordinator());
    const prover = fakeProver();
    const { wait } = gate();
    prover.behave = (_statement, options) => wait(options);
    await worker({ coordinatorAddresses: [leader.address], prover });
    await leader.until(() => leader.streams === 1, 'it was registered');
    const assignment = assignmentFor('w1', circuit);
    leader.assign(assignment);
    await leader.until(() => leader.of('startTask').length === 1, 'it was proving');
    let refused = false;
    leader.refuse = (name) => {
      if (name !== 'sendHeartbeat' || refused) return undefined;
      refused = true;
      return new ZkraftError('unknown_worker', 'register');
    };
    await leader.until(() => leader.of('registerWorker').length === 2, 'it registered anew');
    const [, second] = leader.of<RegisterWorkerRequest>('registerWorker');
    assert.deepEqual(second?.heldLeases, [assignment.lease]);
    assert.deepEqual(
      second?.cachedCircuits.map(({ circuitId }) => circuitId),
      [circuit.circuitId],
    );
    await leader.until(() => leader.heartbeats.some(({ sessionId }) => sessionId === 2n), 'it used the new session');
    assert.equal(prover.active, 1);
  });

  it('without a hot loop when a coordinator accepts it and hangs up, again and again', async () => {
    const rude = await coordinator();
    const watch = setInterval(() => rude.endStreams(), 1);
    await worker({ coordinatorAddresses: [rude.address], backoff: { initialMs: 50, capMs: 200 } });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    clearInterval(watch);
    const times = rude.of('registerWorker').length;
    assert.ok(times >= 3 && times <= 16, `registered ${times} times in a second`);
  });

  it('and after garbage on the stream', async () => {
    const leader = await coordinator();
    await worker({ coordinatorAddresses: [leader.address] });
    await leader.until(() => leader.streams === 1, 'it was registered');
    leader.sendRaw(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x01]));
    await leader.until(() => leader.of('registerWorker').length === 2 && leader.streams === 1, 'it came back');
  });
});

describe('a worker heeds terms', () => {
  it('and ignores an assignment and a cancellation of an older one', async () => {
    const leader = withCircuit(await coordinator());
    leader.term = 5n;
    const prover = fakeProver();
    const { wait } = gate();
    prover.behave = (_statement, options) => wait(options);
    await worker({ coordinatorAddresses: [leader.address], prover });
    await leader.until(() => leader.streams === 1, 'it was registered');
    const live = assignmentFor('w1', circuit);
    leader.assign(live);
    await leader.until(() => prover.active === 1, 'it was proving');
    leader.assign(assignmentFor('w1', circuit), 4n);
    leader.send({ $case: 'cancellation', value: { lease: live.lease, reason: 'late' } }, 4n);
    const before = leader.heartbeats.length;
    await leader.until(() => leader.heartbeats.length >= before + 3, 'time passed');
    assert.deepEqual([leader.of('startTask').length, leader.of('acknowledgeTask').length], [1, 0]);
    assert.equal(prover.active, 1);
  });

  it('and drops nothing because a leader of an older term says so', async () => {
    const leader = withCircuit(await coordinator());
    leader.term = 5n;
    const prover = fakeProver();
    const { wait } = gate();
    prover.behave = (_statement, options) => wait(options);
    await worker({ coordinatorAddresses: [leader.address], prover });
    await leader.until(() => leader.streams === 1, 'it was registered');
    const live = assignmentFor('w1', circuit);
    leader.assign(live);
    await leader.until(() => prover.active === 1, 'it was proving');
    leader.term = 4n;
    leader.drop = [live.lease];
    const before = leader.heartbeats.length;
    await leader.until(() => leader.heartbeats.length >= before + 3, 'time passed');
    assert.equal(prover.active, 1);
  });

  it('and does not register with a leader of an older one, but does with another cluster', async () => {
    const leader = await coordinator();
    const stale = await coordinator();
    leader.term = 7n;
    stale.term = 3n;
    const started = await worker({ coordinatorAddresses: [leader.address, stale.address] });
    await leader.until(() => leader.heartbeats.length > 0, 'it was registered');
    leader.stop();
    await stale.until(() => stale.of('registerWorker').length >= 2, 'it asked the stale one');
    assert.equal(stale.streams, 0);
    assert.equal(started.state().connected, false);
    stale.clusterId = 'cluster-2';
    await stale.until(() => stale.streams === 1, 'it joined the other cluster');
  });
});

describe('a worker gives up', () => {
  it('after as many failed registrations in a row as it is told, and says which setting', async () => {
    const down = await coordinator();
    down.stop();
    const started = await worker({ coordinatorAddresses: [down.address], registerRetries: 3 });
    await assert.rejects(
      started.done,
      (error) =>
        error instanceof ZkraftError &&
        error.code === 'coordinator_unavailable' &&
        error.message.includes('worker.register_retries'),
    );
  });

  it('at once when its token is refused before it was ever registered', async () => {
    const leader = await coordinator();
    leader.refuse = () => new ZkraftError('unauthenticated', 'wrong token');
    const started = await worker({ coordinatorAddresses: [leader.address] });
    await assert.rejects(started.done, (error) => error instanceof ZkraftError && error.code === 'unauthenticated');
  });

  it('never, once it has been registered, even when its token is refused', async () => {
    const leader = await coordinator();
    await worker({ coordinatorAddresses: [leader.address] });
    await leader.until(() => leader.heartbeats.length > 0, 'it was registered');
    leader.refuse = () => new ZkraftError('unauthenticated', 'wrong token');
    leader.endStreams();
    const before = leader.of('registerWorker').length;
    await leader.until(() => leader.of('registerWorker').length >= before + 3, 'it kept asking');
    leader.refuse = () => undefined;
    await leader.until(() => leader.streams === 1, 'it came back');
  });

  it('before it starts, when its options are wrong', async () => {
    const wrong: readonly [Partial<StartOverrides>, string][] = [
      [{ id: 'a b' }, 'invalid_worker_id'],
      [{ coordinatorAddresses: [] }, 'config_invalid'],
      [{ coordinatorAddresses: ['localhost'] }, 'config_invalid'],
      [{ concurrency: 0 }, 'config_invalid'],
    ];
    for (const [overrides, code] of wrong) {
      await assert.rejects(
        startTestWorker({ coordinatorAddresses: ['127.0.0.1:1'], ...overrides }),
        (error) => error instanceof ZkraftError && error.code === code,
      );
    }
  });
});
