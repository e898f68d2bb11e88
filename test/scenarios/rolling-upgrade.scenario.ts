/**
 * 9. A rolling upgrade under load: the coordinators are replaced one by one by those of the next release, which has a
 * command that this one does not know (`next-release.mjs`). While the releases are mixed, all go on with what both know,
 * also under a leader of the next release, which refuses what is new; when the last one is replaced the new command is
 * used; and this release, started on a folder of the next, refuses it and harms nothing.
 */
import assert from 'node:assert/strict';
import type { ZkraftError } from '../../src/common/index.ts';
import { PEER_NAMES } from './network.ts';
import { COORDINATORS } from './parts.ts';
import type { CoordinatorName, Scenario, Stage } from './stage.ts';

const NEXT_RELEASE = new URL('./next-release.mjs', import.meta.url).href;
const NEXT = { NODE_OPTIONS: `--import ${PEER_NAMES} --import ${NEXT_RELEASE}` };
const AGAIN = { smoke: 1, full: 5 };
const NOBODY = 'never-registered-either';

async function run(stage: Stage): Promise<void> {
  const load = stage.steadyLoad(250);
  const leader = await stage.leader();
  const [first, second] = COORDINATORS.filter((name) => name !== leader) as [CoordinatorName, CoordinatorName];
  for (const name of [first, second, leader]) {
    await restart(stage, name, NEXT);
    await stage.well();
    if (name !== first) continue;
    await stage.transferLeadership(first);
    await stage.well();
    const { code, message } = await refusalOf(stage, first);
    assert.deepEqual([code, await versions(stage)], ['upgrade_pending', [1, 1, 1]]);
    assert.match(message, /worker_change needs version 2 .* it is at 1.*Upgrade the others/);
  }
  await stage.until('all are at version 2', async () => (await versions(stage)).every((version) => version === 2));
  const door = stage.admin(await stage.leader());
  await door.workers();
  assert.equal((await door.quarantine(NOBODY)).quarantined, true, 'what is new is used');
  await door.release(NOBODY);
  door.close();

  for (let time = 0; time < stage.times(AGAIN.smoke, AGAIN.full); time += 1) await goBack(stage);
  const { ids, ...summary } = await stage.endLoad(load);
  await stage.completed(ids);
  stage.say(`${ids.length} tasks meanwhile; ${JSON.stringify(summary)}`);
}

/** One is started with this release again. */
async function goBack(stage: Stage): Promise<void> {
  const [one] = await stage.followers();
  assert.ok(one);
  const refusal =
    /did not start: it ended with exit code 1; it said:.*"upgrade_needed".*version 2, and this program understands up to 1: run/s;
  await assert.rejects(restart(stage, one, {}), refusal);
  await stage.completed(await stage.submitMany(2));
  await restart(stage, one, NEXT);
  await stage.well();
}

async function restart(stage: Stage, name: CoordinatorName, env: NodeJS.ProcessEnv): Promise<void> {
  await stage.network.part(name).stop();
  stage.network.setUp(name, {}, env);
  await stage.network.part(name).start();
}

async function refusalOf(stage: Stage, name: CoordinatorName): Promise<ZkraftError> {
  const door = stage.admin(name);
  await door.workers();
  const refusal = await door.quarantine(NOBODY).then(
    () => assert.fail('the new command was taken'),
    (error: ZkraftError) => error,
  );
  door.close();
  return refusal;
}

const versions = async (stage: Stage): Promise<(number | undefined)[]> =>
  (await stage.network.health()).map((one) => one?.state_version);

export const rollingUpgrade: Scenario = { name: '9 rolling upgrade', run };
