/**
 * 4. The leader is cut off from the other two: {1} | {2,3}. Only the majority commits; what the one alone was asked
 * meanwhile is never answered with yes, and is undone when the cut is mended; workers and gateway, who reach all three,
 * go on with the majority. And one that is cut off while it follows comes back without an election.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ZkraftError } from '../../src/common/index.ts';
import type { Scenario, Stage } from './stage.ts';

const ROUNDS = { smoke: 1, full: 6 };
const TASKS = 6;
const LATE_WRITES = 4;
const CUT_MS = 3_000;

async function run(stage: Stage): Promise<void> {
  for (let round = 0; round < stage.times(ROUNDS.smoke, ROUNDS.full); round += 1) {
    await leaderCutOff(stage, round);
    await stage.well();
    await followerCutOff(stage);
    await stage.well();
  }
}

async function leaderCutOff(stage: Stage, round: number): Promise<void> {
  const { network } = stage;
  const minority = await stage.leader();
  const load = stage.steadyLoad();
  const door = stage.admin(minority);
  await door.workers();
  network.cutOff(minority);
  // In its log, but in no other: it leads until it misses the others for an election timeout.
  const late = Array.from({ length: LATE_WRITES }, (_, i) => door.quarantine(`late-${round}-${i}`));
  const refusals = await Promise.all(late.map((write) => write.then(String, ({ code }: ZkraftError) => code)));
  assert.deepEqual(refusals, Array(LATE_WRITES).fill('outcome_unknown'), 'written, and never said to be decided');
  const alone = (await stage.health(minority))?.raft;

  const next = await stage.leader([minority]);
  await stage.completed(await stage.submitMany(TASKS));
  const cut = await stage.health(minority);
  assert.equal(cut?.raft.is_leader, false, 'it led for no longer than it could know');
  assert.equal(cut?.raft.commit_index, alone?.commit_index, 'the minority commits nothing');
  assert.equal(cut?.problems?.[0]?.code, 'no_leader');
  assert.equal((await fetch(`${network.coordinatorUrl(minority)}/ready`)).status, 503);
  const committed = (await stage.health(next))?.raft.commit_index ?? 0;
  assert.ok(committed > (alone?.commit_index ?? 0) + 2 * TASKS, 'the majority goes on');

  network.mendLinks();
  await stage.well();
  await stage.endLoad(load);
  door.close();
  // The one that wrote them leads again, with what the majority decided.
  await stage.transferLeadership(minority);
  const again = stage.admin(minority);
  const known = (await again.workers()).map(({ workerId }) => workerId);
  again.close();
  assert.deepEqual(known, ['worker-1', 'worker-2'], 'the late writes changed nothing');
}

async function followerCutOff(stage: Stage): Promise<void> {
  const leader = await stage.leader();
  const [away] = await stage.followers();
  assert.ok(away);
  const term = (await stage.health(leader))?.raft.term;
  stage.network.cutOff(away);
  const ids = await stage.submitMany(TASKS);
  await sleep(CUT_MS);
  await stage.completed(ids);
  assert.equal((await stage.health(away))?.raft.term, term, 'alone it asks before it counts a term up');
  stage.network.mendLinks();
  await stage.well();
  assert.deepEqual(
    [await stage.leader(), (await stage.health(leader))?.raft.term],
    [leader, term],
    'nobody is disturbed',
  );
}

export const partition: Scenario = { name: '4 partition: one against two', run };
