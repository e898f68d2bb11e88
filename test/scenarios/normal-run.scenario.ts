/**
 * 1. Nothing fails: all three say that they are well, tasks are proved by both workers at the first attempt, a request
 * sent twice is one task, every coordinator comes to the same state, and nobody stands for election.
 */
import assert from 'node:assert/strict';
import { COORDINATORS } from './parts.ts';
import type { Scenario, Stage } from './stage.ts';

const TASKS = { smoke: 12, full: 400 };

async function run(stage: Stage): Promise<void> {
  for (const name of COORDINATORS) {
    const ready = await fetch(`${stage.network.coordinatorUrl(name)}/ready`);
    assert.deepEqual([ready.status, await ready.json()], [200, { ready: true }], name);
  }
  const before = await stage.leader();
  const term = (await stage.health(before))?.raft.term;

  const begunMs = performance.now();
  const ids = await stage.submitMany(stage.times(TASKS.smoke, TASKS.full));
  const request = stage.request();
  const id = await stage.submit(stage.client(), request);
  assert.equal((await stage.client().submitMerkleTask(request)).taskId, id, 'the same request is the same task');
  const tasks = await stage.completed([...ids, id]);
  const tookMs = performance.now() - begunMs;
  assert.deepEqual(
    tasks.filter(({ attempt }) => attempt !== 1),
    [],
    'each at the first attempt',
  );
  const workers = await stage.network.query<{ worker_id: string }>('SELECT DISTINCT worker_id FROM tasks');
  assert.deepEqual(workers.map(({ worker_id: worker }) => worker).sort(), ['worker-1', 'worker-2']);

  await stage.well();
  const all = await stage.network.health();
  assert.deepEqual(
    all.map((one) => one?.raft.term),
    [term, term, term],
    'nobody stood for election',
  );
  assert.equal(await stage.leader(), before);
  assert.equal(new Set(all.map((one) => one?.raft.leader_address)).size, 1, 'all name the same leader');
  stage.say(`${tasks.length} tasks in ${Math.round(tookMs)} ms`);
}

export const normalRun: Scenario = { name: '1 normal run', run };
