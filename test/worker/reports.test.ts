/** A finished proof is not lost: not over outages, leaders, refusals of the transport, restarts, or kill -9. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ZkraftError } from '../../src/common/index.ts';
import type { RegisterWorkerRequest } from '../../src/common/rpc/index.ts';
import type { Worker } from '../../src/worker/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeCoordinator, notLeader } from '../support/fake-coordinator.ts';
import {
  assignmentFor,
  fakeCircuit,
  fakeProver,
  gate,
  type StartOverrides,
  startTestWorker,
} from '../support/worker-fixtures.ts';

const circuit = fakeCircuit();
const workers: Worker[] = [];
const children: ChildProcess[] = [];
const dirs: string[] = [];
let leader: FakeCoordinator;
let dir = '';

beforeEach(async () => {
  leader = await coordinator();
  dir = await mkdtemp(join(tmpdir(), 'zkraft-worker-'));
  dirs.push(dir);
});
const coordinators: FakeCoordinator[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(workers.splice(0).map((worker) => worker.abort()));
  for (const each of coordinators.splice(0)) each.stop();
});
after(() => Promise.all(dirs.map((each) => rm(each, { recursive: true, force: true }))));

async function coordinator(): Promise<FakeCoordinator> {
  const started = await FakeCoordinator.start();
  for (const [digest, blob] of circuit.blobs) started.blobs.set(digest, blob);
  coordinators.push(started);
  return started;
}

async function worker(overrides: Partial<StartOverrides> = {}): Promise<Worker> {
  const started = await startTestWorker({ coordinatorAddresses: [leader.address], flushMs: 0, ...overrides });
  workers.push(started);
  await leader.until(() => leader.streams === 1, 'it was registered');
  return started;
}

/** A worker process named w9, with this test's coordinator and spool. */
function run(): ChildProcess {
  const script = fileURLToPath(new URL('../support/worker-child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, 'w9', leader.address, dir], { stdio: 'inherit' });
  children.push(child);
  return child;
}

const spooled = async (id = 'w1'): Promise<number> =>
  (await readdir(join(dir, `worker-${id}`))).filter((name) => name.endsWith('.proof.json')).length;

async function eventually(condition: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = Date.now() + 5_000;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('a finished proof', () => {
  it('is reported after an outage longer than any time-out, as long as it takes', async () => {
    const clock = new FakeClock();
    const prover = fakeProver();
    const { open, wait } = gate();
    prover.behave = (_statement, options) => wait(options);
    leader.heartbeatIntervalMs = 5_000;
    const started = await worker({ clock, prover, backoff: { initialMs: 100, capMs: 5_000 } });
    const assignment = { ...assignmentFor('w1', circuit), timeoutMs: 0n };
    leader.assign(assignment);
    await leader.until(() => prover.active === 1, 'it was proving');
    leader.stop();
    open();
    await leader.until(() => started.state().reportsPending === 1, 'the proof was there');
    // Ten minutes of it, with real time for real connections to be refused in.
    for (let s = 0; s < 600; s += 10) await clock.advance(10_000, 1);
    assert.equal(started.state().reportsPending, 1);
    await leader.start();
    for (let s = 0; s < 60 && leader.completions.length === 0; s += 1) await clock.advance(1_000, 5);
    assert.deepEqual(leader.completions[0]?.lease, assignment.lease);
    const [, again] = leader.of<RegisterWorkerRequest>('registerWorker');
    assert.deepEqual(again?.heldLeases, [assignment.lease]);
    await leader.until(() => started.state().reportsPending === 0, 'it was acknowledged');
  });

  it('goes to the next leader when the first dies before it has answered', async () => {
    const next = await coordinator();
    leader.refuse = (name) => (name === 'reportCompletion' ? 'hang' : undefined);
    const started = await worker({ coordinatorAddresses: [leader.address, next.address] });
    const assignment = assignmentFor('w1', circuit);
    leader.assign(assignment);
    await leader.until(() => leader.completions.length === 1, 'it was sent');
    leader.stop();
    await next.until(() => next.completions.length === 1, 'it was sent to the next one');
    assert.deepEqual(next.completions[0]?.lease, assignment.lease);
    assert.deepEqual(next.of<RegisterWorkerRequest>('registerWorker')[0]?.heldLeases, [assignment.lease]);
    await next.until(() => started.state().reportsPending === 0, 'it was acknowledged');
  });

  it('follows a leader that moved, in the session of the new one', async () => {
    const next = await coordinator();
    leader.refuse = (name) => (name === 'reportCompletion' ? notLeader(next.address) : undefined);
    await worker();
    leader.assign(assignmentFor('w1', circuit));
    await next.until(() => next.completions.length === 1, 'it was sent to the next one');
    assert.equal(next.completions[0]?.sessionId, 1n);
  });

  it('is sent again after each refusal that can pass: busy, no leader, database away, token, plain transport', async () => {
    const refusals = [
      new ZkraftError('overloaded', 'busy'),
      new ZkraftError('no_leader', 'election'),
      new ZkraftError('database_unavailable', 'away'),
      new ZkraftError('unauthenticated', 'token'),
      new ZkraftError('internal', 'fault'),
      Object.assign(new Error('proxy'), { code: 3, details: 'from a proxy' }),
      Object.assign(new Error('proxy'), { code: 12, details: 'no such method' }),
    ];
    leader.refuse = (name) => (name === 'reportCompletion' ? refusals.shift() : undefined);
    const started = await worker();
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 8, 'it was sent eight times');
    await leader.until(() => started.state().reportsPending === 0, 'it was acknowledged');
  });

  for (const code of ['stale_lease', 'proof_invalid', 'task_cancelled'] as const) {
    it(`is let go when the coordinator answers ${code}, and not sent again`, async () => {
      leader.refuse = (name) => (name === 'reportCompletion' ? new ZkraftError(code, 'no') : undefined);
      const started = await worker({ spoolDir: dir });
      leader.assign(assignmentFor('w1', circuit));
      await leader.until(() => leader.completions.length === 1, 'it was sent');
      await leader.until(() => started.state().reportsPending === 0, 'it was let go');
      const before = leader.heartbeats.length;
      await leader.until(() => leader.heartbeats.length > before + 2, 'time passed');
      assert.equal(leader.completions.length, 1);
      assert.equal(await spooled(), 0);
      assert.deepEqual(leader.heartbeats.at(-1)?.heldLeases, []);
    });
  }

  it('is not dropped by a heartbeat: the answer to its report decides', async () => {
    let refuse = true;
    leader.refuse = (name) =>
      name === 'reportCompletion' && refuse ? new ZkraftError('overloaded', 'busy') : undefined;
    await worker();
    const { lease, ...rest } = assignmentFor('w1', circuit);
    leader.assign({ lease, ...rest });
    await leader.until(() => leader.completions.length > 0, 'it was sent');
    leader.drop = [lease];
    const before = leader.heartbeats.length;
    await leader.until(() => leader.heartbeats.length > before + 2, 'time passed');
    refuse = false;
    const sent = leader.completions.length;
    await leader.until(() => leader.completions.length > sent, 'it was sent again');
  });

  it('keeps its lease alive: heartbeats name it until it is acknowledged', async () => {
    leader.refuse = (name) => (name === 'reportCompletion' ? new ZkraftError('overloaded', 'busy') : undefined);
    await worker();
    const assignment = assignmentFor('w1', circuit);
    leader.assign(assignment);
    await leader.until(() => leader.completions.length > 1, 'it was sent');
    const before = leader.heartbeats.length;
    await leader.until(() => leader.heartbeats.length > before + 1, 'a heartbeat came');
    assert.deepEqual(leader.heartbeats.at(-1)?.heldLeases, [assignment.lease]);
  });

  it('holds up no slot while it waits: the next tasks are proved meanwhile', async () => {
    leader.refuse = (name) => (name === 'reportCompletion' ? new ZkraftError('overloaded', 'busy') : undefined);
    const started = await worker({ concurrency: 1 });
    for (let i = 0; i < 5; i += 1) leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => started.state().reportsPending === 5, 'all five were proved');
    leader.refuse = () => undefined;
    await leader.until(() => started.state().reportsPending === 0, 'all were acknowledged');
  });
});

describe('a failure', () => {
  it('too is reported until it is acknowledged', async () => {
    const prover = fakeProver();
    prover.behave = async () => {
      throw new ZkraftError('wrong_path', 'another root');
    };
    const refusals = [new ZkraftError('overloaded', 'busy'), new ZkraftError('no_leader', 'election')];
    leader.refuse = (name) => (name === 'reportFailure' ? refusals.shift() : undefined);
    const started = await worker({ prover });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.failures.length === 3, 'it was sent three times');
    await leader.until(() => started.state().reportsPending === 0, 'it was acknowledged');
  });
});

describe('the spool of a worker', () => {
  it('holds a proof while it is not acknowledged, and no longer', async () => {
    leader.refuse = (name) => (name === 'reportCompletion' ? new ZkraftError('overloaded', 'busy') : undefined);
    const started = await worker({ spoolDir: dir });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length > 0, 'it was sent');
    assert.equal(await spooled(), 1);
    leader.refuse = () => undefined;
    await leader.until(() => started.state().reportsPending === 0, 'it was acknowledged');
    assert.equal(await spooled(), 0);
  });

  it('is replayed after kill -9, under the same lease, before anything new', async () => {
    leader.refuse = (name) => (name === 'reportCompletion' ? new ZkraftError('overloaded', 'busy') : undefined);
    const child = run();
    await leader.until(() => leader.streams === 1, 'the child was registered', 20_000);
    const assignments = [assignmentFor('w9', circuit), assignmentFor('w9', circuit), assignmentFor('w9', circuit)];
    for (const assignment of assignments) leader.assign(assignment);
    await eventually(async () => (await spooled('w9')) === 3, 'three proofs were on disk');
    const died = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await died;
    // Another one, since what the dead worker had sent may still be on its way to this one.
    leader = await coordinator();
    run();
    await leader.until(() => leader.completions.length === 3, 'all three were reported', 20_000);
    const ids = (leases: readonly ({ taskId: string } | undefined)[]): unknown[] =>
      leases.map((lease) => lease?.taskId).sort();
    const expected = ids(assignments.map(({ lease }) => lease));
    assert.deepEqual(ids(leader.completions.map(({ lease }) => lease)), expected);
    assert.deepEqual(ids(leader.of<RegisterWorkerRequest>('registerWorker')[0]?.heldLeases ?? []), expected);
    await eventually(async () => (await spooled('w9')) === 0, 'the spool was empty');
  });

  it('is replayed by a worker of another id, which does not claim the lease as its own', async () => {
    leader.refuse = (name) => (name === 'reportCompletion' ? new ZkraftError('overloaded', 'busy') : undefined);
    const first = await worker({ id: 'old', spoolDir: dir });
    const assignment = assignmentFor('old', circuit);
    leader.assign(assignment);
    await leader.until(() => first.state().reportsPending === 1, 'a report was pending');
    await eventually(async () => (await spooled('old')) === 1, 'the proof was on disk');
    await first.abort();
    // Another one, since what the dead worker had sent may still be on its way to this one.
    leader = await coordinator();
    const second = await startTestWorker({ id: 'new', coordinatorAddresses: [leader.address], spoolDir: dir });
    workers.push(second);
    await leader.until(() => leader.completions.length === 1, 'it was reported');
    assert.deepEqual(leader.completions[0]?.lease, assignment.lease);
    assert.deepEqual(leader.of<RegisterWorkerRequest>('registerWorker')[0]?.heldLeases, []);
    await eventually(async () => (await spooled('old')) === 0, 'the spool was empty');
  });

  it('and the worker itself leave nothing behind that keeps a process alive', async () => {
    const child = run();
    await leader.until(() => leader.streams === 1, 'the child was registered', 20_000);
    leader.assign(assignmentFor('w9', circuit));
    await leader.until(() => leader.completions.length === 1, 'it proved');
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    child.kill('SIGTERM');
    const late = new Promise((resolve) => setTimeout(resolve, 5_000, 'still there').unref());
    assert.deepEqual(await Promise.race([ended, late]), { code: 0, signal: null });
  });

  it('that cannot be written to costs no proof', async () => {
    const started = await worker({ spoolDir: dir });
    await rm(join(dir, 'worker-w1'), { recursive: true });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => leader.completions.length === 1, 'it was reported');
    await leader.until(() => started.state().reportsPending === 0, 'it was acknowledged');
  });
});
