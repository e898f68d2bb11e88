/** The network as its users run it: a proof is cancelled in the middle, its story is read, workers are sent away. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/index.ts';
import { type DevProcess, ROOT, startDev, zkraft } from '../support/cli.ts';

const DEPTH = 16;
const leaves = JSON.parse(readFileSync(join(ROOT, 'examples/leaves.json'), 'utf8')) as string[];

interface StoryEvent {
  readonly kind: string;
  readonly attempt: number;
  readonly worker_id: string | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly request_id: string;
}

describe('an operator and an owner of tasks', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'zkraft-control-'));
  const log = join(dataDir, 'dev.log');
  let network: DevProcess;
  let client: ReturnType<typeof createClient>;

  before(async () => {
    const logging = ['--logging-level', 'info', '--logging-format', 'json', '--logging-output', log];
    // Proofs must take long enough to be met in the middle.
    const slow = ['--zkp-backend', 'snarkjs'];
    const more = [...slow, '--worker-concurrency', '1', '--worker-id', 'worker-1', ...logging];
    network = await startDev(dataDir, more, String(DEPTH));
    client = createClient({ url: network.gatewayUrl });
  });
  after(async () => {
    await network?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const workerHealth = async () =>
    (await (await fetch(`${network.ready.worker_url}/health`)).json()) as { running: number; connected: boolean };
  const until = async (condition: () => Promise<boolean>, timeoutMs = 60_000): Promise<number> => {
    const begun = performance.now();
    while (!(await condition())) {
      if (performance.now() - begun > timeoutMs) throw new Error(`never so: ${condition}`);
      await sleep(30);
    }
    return performance.now() - begun;
  };
  const submit = async (leafIndex: number): Promise<string> =>
    (await client.submitMerkleTask({ leaves, leafIndex, depth: DEPTH })).taskId;
  const tasks = async (...args: string[]) =>
    zkraft(['tasks', ...args, '--json'], { DATABASE_URL: network.ready.database_url });
  const workers = async (...args: string[]) =>
    zkraft(['workers', ...args, '--coordinator', network.ready.coordinator_grpc as string, '--json']);
  const logged = (): Record<string, unknown>[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('a proof is cancelled in the middle: its thread is free within 2 s, and the task ends as cancelled', async () => {
    const { taskId, requestId } = await client.submitMerkleTask({ leaves, leafIndex: 1, depth: DEPTH });
    await until(async () => (await workerHealth()).running === 1);
    // Past the download of the key: the worker says so when the prover begins.
    await until(async () => logged().some((line) => line.msg === 'proving' && line.request_id === requestId));
    await client.cancelTask(taskId);
    const freeMs = await until(async () => (await workerHealth()).running === 0);
    assert.ok(freeMs < 2_000, `the thread was free after ${Math.round(freeMs)} ms`);
    const task = await client.waitForTask(taskId);
    assert.deepEqual([task.status, task.code, task.proof], ['cancelled', 'task_cancelled', undefined]);
    await assert.rejects(client.cancelTask(taskId), { code: 'task_ended' });

    const shown = await tasks('show', taskId);
    assert.equal(shown.code, 0, shown.stdout + shown.stderr);
    const { events, task: row } = shown.json() as { events: StoryEvent[]; task: Record<string, unknown> };
    assert.deepEqual(
      events.map(({ kind, attempt, worker_id }) => [kind, attempt, worker_id]),
      [
        ['assigned', 1, 'worker-1'],
        ['started', 1, 'worker-1'],
        ['cancelled', 1, 'worker-1'],
      ],
    );
    for (const event of events) assert.equal(event.request_id, requestId);
    assert.match(events.at(-1)?.message ?? '', /at the request of anonymous/);
    assert.equal(row.cancel_requested_by, 'anonymous');
    const said = logged().filter((line) => line.request_id === requestId || line.task_id === taskId);
    for (const msg of ['task submitted', 'task leased', 'proving', 'cancellation requested', 'task cancelled']) {
      assert.ok(
        said.some((line) => line.msg === msg),
        `the log has no "${msg}" for request ${requestId}`,
      );
    }
  });

  it('a cancelled task is requeued by an operator, and proved', async () => {
    const listed = await tasks('ls', '--status', 'cancelled');
    const [cancelled] = (listed.json() as { tasks: { task_id: string; owner: string }[] }).tasks;
    assert.ok(cancelled);
    assert.equal(cancelled.owner, 'anonymous');
    const again = await tasks('requeue', cancelled.task_id);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    const { task } = again.json() as { task: { task_id: string } };
    assert.notEqual(task.task_id, cancelled.task_id);
    const done = await client.waitForTask(task.task_id);
    assert.deepEqual([done.status, done.resubmittedFrom], ['completed', cancelled.task_id]);
    const twice = await tasks('requeue', task.task_id);
    assert.equal(twice.code, 2);
    assert.match(twice.stdout, /task_not_failed/);
    const late = await tasks('cancel', task.task_id);
    assert.equal(late.code, 1);
    assert.match(late.stdout, /task_ended/);
    const people = await zkraft(['tasks', 'show', task.task_id], { DATABASE_URL: network.ready.database_url });
    assert.match(people.stdout, /submitted .*by anonymous, request cli-/);
    assert.match(people.stdout, /completed +1 +worker-1/);
  });

  it('a drained worker gets nothing until it is released', async () => {
    const drained = await workers('drain', 'worker-1');
    assert.equal(drained.code, 0, drained.stdout + drained.stderr);
    const id = await submit(2);
    // Longer than several heartbeats would need to undo it, if they could.
    await sleep(6_000);
    assert.equal((await client.getTask(id)).status, 'pending');
    const listed = (await workers('ls')).json() as { workers: { worker_id: string; refused_because: string }[] };
    assert.deepEqual(
      listed.workers.map((worker) => [worker.worker_id, worker.refused_because]),
      [['worker-1', 'drained']],
    );
    assert.equal((await workers('release', 'worker-1')).code, 0);
    assert.equal((await client.waitForTask(id)).status, 'completed');
  });

  it('a quarantined worker loses what it holds and is refused; released it comes back and proves', async () => {
    // So many that it is met with one in hand, however long the command takes to start.
    const ids = await Promise.all([3, 4, 5, 6, 7].map(submit));
    await until(async () => (await workerHealth()).running === 1);
    assert.equal((await workers('quarantine', 'worker-1')).code, 0);
    await until(async () => !(await workerHealth()).connected);
    const shown = await workers('show', 'worker-1');
    assert.match(shown.stdout, /"quarantined": true/);
    const statuses = async () => (await Promise.all(ids.map((id) => client.getTask(id)))).map(({ status }) => status);
    const before = await statuses();
    assert.ok(before.includes('pending') && !before.includes('in_progress'), `${before}`);
    await sleep(2_000);
    assert.deepEqual(await statuses(), before, 'it proves nothing that counts');
    assert.equal((await workers('release', 'worker-1')).code, 0);
    await until(async () => (await workerHealth()).connected);
    for (const id of ids) assert.equal((await client.waitForTask(id)).status, 'completed');
    assert.equal((await workers('show', 'nobody')).code, 2);
  });
});
