/**
 * 3. A leader that was killed comes back: it follows, catches up with all that was decided while it was away, and, made
 * leader again, leads with it: it knows the workers and leases to them.
 */
import assert from 'node:assert/strict';
import type { Scenario, Stage } from './stage.ts';

const ROUNDS = { smoke: 1, full: 8 };
const TASKS = 8;

async function run(stage: Stage): Promise<void> {
  for (let round = 0; round < stage.times(ROUNDS.smoke, ROUNDS.full); round += 1) {
    const old = await stage.leader();
    const before = (await stage.health(old))?.raft;
    await stage.network.part(old).kill();
    const ids = await stage.submitMany(TASKS);
    await stage.completed(ids);
    const next = await stage.leader([old]);
    const decided = (await stage.health(next))?.raft.applied_index ?? 0;
    assert.ok(decided >= (before?.applied_index ?? 0) + 2 * TASKS, 'much was decided while it was away');

    await stage.network.part(old).start();
    await stage.well();
    const back = (await stage.health(old))?.raft;
    assert.equal(back?.state, 'Follower', 'it does not come back as leader');
    assert.ok((back?.term ?? 0) > (before?.term ?? 0));
    assert.ok(
      (back?.applied_index ?? 0) >= decided,
      `it applied up to ${back?.applied_index}, and ${decided} was decided`,
    );

    await stage.transferLeadership(old);
    await stage.well();
    const more = await stage.completed(await stage.submitMany(4));
    assert.ok(more.every(({ attempt }) => attempt === 1));
  }
}

export const oldLeaderReturns: Scenario = { name: '3 the old leader returns and catches up', run };
