/**
 * 8. Workers find the new leader by themselves, also one that was told of a single coordinator which never leads: no
 * worker is restarted, what they were proving goes on under the same lease, and what they finished meanwhile counts.
 */
import assert from 'node:assert/strict';
import type { Scenario, Stage } from './stage.ts';

const ROUNDS = { smoke: 2, full: 10 };
const WORKERS = ['worker-1', 'worker-2'] as const;

async function run(stage: Stage): Promise<void> {
  const { network } = stage;
  const [told] = await stage.followers();
  assert.ok(told);
  await network.part('worker-2').stop();
  network.setUp('worker-2', { 'worker-coordinator-address': network.grpcAddress(told) });
  await network.part('worker-2').start();
  await stage.well();
  const pids = WORKERS.map((name) => network.command(name).pid);

  for (let round = 0; round < stage.times(ROUNDS.smoke, ROUNDS.full); round += 1) {
    const leader = await stage.leader();
    const ids = await stage.submitMany(12);
    await stage.until('both prove', async () => ((await stage.health(leader))?.capacity.used ?? 0) >= 2);
    // By turns: a leader that dies without a word, and one that hands over. The one that worker-2 was told of stays.
    const dies = round % 2 === 0 && leader !== told;
    if (dies) await network.part(leader).kill();
    else await stage.transferLeadership((await stage.followers()).find((name) => name !== told) ?? told);
    const next = await stage.leader([leader]);
    await stage.until('both have found it', async () => {
      const found = await Promise.all(WORKERS.map((name) => coordinatorOf(stage, name)));
      return found.every((address) => address === network.grpcAddress(next));
    });
    const tasks = await stage.completed(ids);
    const again = tasks.filter(({ attempt }) => attempt !== 1);
    assert.deepEqual(again, [], 'the same attempt, under whoever leads');
    if (dies) await network.part(leader).start();
    await stage.well();
  }
  assert.deepEqual(
    WORKERS.map((name) => network.command(name).pid),
    pids,
    'no worker was restarted',
  );
  await network.part('worker-2').stop();
  network.setUp('worker-2', {});
  await network.part('worker-2').start();
}

/** Where a worker says that its coordinator is. */
async function coordinatorOf(stage: Stage, name: (typeof WORKERS)[number]): Promise<string | undefined> {
  const { http } = stage.network.command(name).ready as { http: string };
  const { coordinator } = (await (await fetch(`${http}/health`)).json()) as { coordinator?: string };
  return coordinator;
}

export const workersFindLeader: Scenario = { name: '8 workers find the new leader by themselves', run };
