/** How a worker stops, and what it shows of itself over HTTP. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ZkraftError } from '../../src/common/index.ts';
import type { Lease } from '../../src/common/rpc/index.ts';
import { WORKER_METRICS, type Worker } from '../../src/worker/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeCoordinator } from '../support/fake-coordinator.ts';
import {
  assignmentFor,
  fakeCircuit,
  fakeProver,
  gate,
  type StartOverrides,
  startTestWorker,
} from '../support/worker-fixtures.ts';

const circuit = fakeCircuit();
let leader: FakeCoordinator;
const workers: Worker[] = [];

beforeEach(async () => {
  leader = await FakeCoordinator.start();
  for (const [digest, blob] of circuit.blobs) leader.blobs.set(digest, blob);
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.abort()));
  leader.stop();
});

async function worker(overrides: Partial<StartOverrides> = {}): Promise<Worker> {
  const started = await startTestWorker({ coordinatorAddresses: [leader.address], ...overrides });
  workers.push(started);
  await leader.until(() => leader.streams === 1, 'it was registered');
  return started;
}

function gatedProver() {
  const prover = fakeProver();
  const { open, wait } = gate();
  prover.behave = (_statement, options) => wait(options);
  return { prover, open };
}

describe('a worker that closes', () => {
  it('finishes what runs, gives back what has not begun, takes nothing new, and says that it drains', async () => {
    const { prover, open } = gatedProver();
    const started = await worker({ prover, concurrency: 1, drainMs: 10_000, flushMs: 5_000 });
    const [running, queued, late] = [0, 1, 2].map(() => assignmentFor('w1', circuit));
    assert.ok(running && queued && late);
    leader.assign(running);
    leader.assign(queued);
    await leader.until(() => prover.active === 1 && started.state().queued === 1, 'one ran, one waited');
    const closed = started.close();
    await leader.until(() => leader.heartbeats.at(-1)?.draining === true, 'a heartbeat said so');
    leader.assign(late);
    await leader.until(() => leader.failures.length === 1, 'the queued one was given back');
    assert.deepEqual([leader.failures[0]?.code, leader.failures[0]?.lease], ['shutting_down', queued.lease]);
    open();
    await closed;
    assert.deepEqual(
      leader.completions.map(({ lease }) => lease),
      [running.lease],
    );
    const acknowledged = leader.of<{ lease: Lease }>('acknowledgeTask').map(({ lease }) => lease.taskId);
    assert.ok(!acknowledged.includes(late.lease?.taskId ?? ''), 'the late one was not taken');
    assert.equal(leader.of('startTask').length, 1);
    await started.done;
    await leader.until(() => leader.streams === 0, 'the stream ended');
  });

  it('gives back what does not finish within the limit', async () => {
    const { prover } = gatedProver();
    const started = await worker({ prover, drainMs: 50, flushMs: 5_000 });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => prover.active === 1, 'it was proving');
    await started.close();
    assert.equal(prover.active, 0);
    assert.equal(leader.failures[0]?.code, 'shutting_down');
  });

  it('is cut short by abort', async () => {
    const { prover } = gatedProver();
    const started = await worker({ prover, drainMs: 60_000, flushMs: 60_000 });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => prover.active === 1, 'it was proving');
    const closed = started.close();
    await leader.until(() => leader.heartbeats.at(-1)?.draining === true, 'it was draining');
    const beganMs = Date.now();
    await started.abort();
    await closed;
    assert.ok(Date.now() - beganMs < 2_000);
    assert.equal(prover.active, 0);
  });

  it('does not wait for ever for a coordinator that is away', async () => {
    leader.refuse = (name) => (name === 'reportCompletion' ? new ZkraftError('overloaded', 'busy') : undefined);
    const started = await worker({ flushMs: 100 });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => started.state().reportsPending === 1, 'a report was pending');
    leader.stop();
    const beganMs = Date.now();
    await started.close();
    assert.ok(Date.now() - beganMs < 2_000);
  });

  it('does not wait for ever for a prover that ignores its signal', async () => {
    const clock = new FakeClock();
    const prover = fakeProver();
    prover.behave = () => new Promise(() => undefined);
    const started = await worker({ prover, clock, drainMs: 1_000, flushMs: 30_000 });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => prover.active === 1, 'it was proving');
    let over = false;
    const closed = started.close().then(() => {
      over = true;
    });
    for (let s = 0; s < 60 && !over; s += 1) await clock.advance(1_000, 5);
    await closed;
    assert.equal(leader.failures[0]?.code, 'shutting_down');
  });

  it('may be closed twice', async () => {
    const started = await worker();
    await Promise.all([started.close(), started.close()]);
    await started[Symbol.asyncDispose]();
  });
});

describe('over HTTP', () => {
  const get = async (started: Worker, path: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${started.httpUrl}${path}`);
    return { status: response.status, text: await response.text() };
  };
  const statuses = async (started: Worker): Promise<number[]> =>
    Promise.all(['/livez', '/health', '/ready'].map(async (path) => (await get(started, path)).status));

  it('/livez is about the process, /health goes bad and good again with the coordinator', async () => {
    const started = await worker({ httpPort: 0 });
    await leader.until(() => started.state().connected, 'it was connected');
    assert.deepEqual(await statuses(started), [200, 200, 200]);
    const health = JSON.parse((await get(started, '/health')).text) as Record<string, unknown>;
    assert.deepEqual(
      [health.status, health.worker_id, health.coordinator, health.slots],
      ['ok', 'w1', leader.address, 2],
    );
    leader.stop();
    await leader.until(() => !started.state().connected, 'it noticed');
    assert.deepEqual(await statuses(started), [200, 503, 503]);
    await leader.start();
    await leader.until(() => started.state().connected, 'it came back');
    assert.deepEqual(await statuses(started), [200, 200, 200]);
  });

  it('/ready goes bad at once when a drain begins, while /health stays good', async () => {
    const { prover, open } = gatedProver();
    const started = await worker({ prover, httpPort: 0, drainMs: 10_000 });
    leader.assign(assignmentFor('w1', circuit));
    await leader.until(() => prover.active === 1, 'it was proving');
    const closed = started.close();
    assert.deepEqual(await statuses(started), [200, 200, 503]);
    open();
    await closed;
  });

  it('/metrics shows every metric of the table, counts by circuit and outcome, and no more', async () => {
    const prover = fakeProver();
    const started = await worker({ prover, httpPort: 0 });
    leader.assign(assignmentFor('w1', circuit));
    leader.assign(assignmentFor('w1', circuit, [0n]));
    await leader.until(() => leader.completions.length === 1 && leader.failures.length === 1, 'both were answered');
    await leader.until(() => started.state().reportsPending === 0, 'both were acknowledged');
    const { text } = await get(started, '/metrics');
    const declared = new Set(Object.values(WORKER_METRICS).map(({ name }) => name as string));
    const shown = new Set([...text.matchAll(/^# TYPE (worker_\w+) /gm)].map(([, name]) => name as string));
    assert.deepEqual([...shown].sort(), [...declared].sort());
    for (const line of [
      'worker_tasks_total{circuit="merkle-4",backend="snarkjs",outcome="completed"} 1',
      'worker_tasks_total{circuit="merkle-4",backend="snarkjs",outcome="failed"} 1',
      'worker_connected 1',
      'worker_slots 2',
      'worker_reports_pending 0',
    ]) {
      assert.ok(text.includes(line), line);
    }
    assert.match(text, /worker_stage_duration_seconds_count\{stage="prove"\} 1/);
    assert.match(text, /nodejs_eventloop_lag_seconds/);
  });
});
