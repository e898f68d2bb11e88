/**
 * 6. Timeouts too tight. What no timer keeps is refused with the setting and what it may be. What is legal but tight is
 * warned of, and costs elections, never correctness: no term has two leaders, nothing is lost or done twice, and with
 * sensible timeouts all is well again.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { zkraft } from '../support/cli.ts';
import { COORDINATORS } from './parts.ts';
import type { Scenario, Stage } from './stage.ts';

const TIGHT = { 'coordinator-raft-heartbeat-timeout': '50ms', 'coordinator-raft-election-timeout': '50ms' };
const TIGHT_MS = { smoke: 3_000, full: 60_000 };

async function run(stage: Stage): Promise<void> {
  await Promise.all(['heartbeat-timeout', 'election-timeout'].map((setting) => refused(stage, setting)));

  const load = stage.steadyLoad();
  const term = (await stage.health(await stage.leader()))?.raft.term ?? 0;
  await restartAll(stage, TIGHT);
  for (const name of COORDINATORS) {
    assert.match(
      stage.log(name),
      /heartbeat_timeout is 50ms: whoever is busy for so long is taken for gone.*250ms or more/,
    );
  }
  const endMs = performance.now() + stage.times(TIGHT_MS.smoke, TIGHT_MS.full);
  // Whoever has something else to do for a moment loses what it has.
  while (performance.now() < endMs) {
    const leader = (await stage.network.health()).findIndex((one) => one?.raft.is_leader === true);
    const struck = COORDINATORS[leader];
    if (struck !== undefined) {
      stage.network.part(struck).pause();
      await sleep(100 + stage.random.below(200));
      stage.network.part(struck).resume();
    }
    await sleep(200 + stage.random.below(400));
  }
  await restartAll(stage, {});
  await stage.well();
  const elections = ((await stage.health(await stage.leader()))?.raft.term ?? 0) - term;
  const { ids, ...summary } = await stage.endLoad(load);
  await stage.completed(ids);
  stage.say(`${elections} terms under tight timeouts; ${JSON.stringify(summary)}`);
  assert.ok(elections >= 3, `${elections} elections: too few to mean much`);
  assert.deepEqual(stage.termsLedTwice(), []);
}

async function refused(stage: Stage, setting: string): Promise<void> {
  const { code, stdout } = await zkraft(['coordinator', '--json', `--coordinator-raft-${setting}`, '10ms'], {
    DATABASE_URL: stage.network.connectionString,
  });
  assert.equal(code, 2, stdout);
  assert.match(stdout, /"config_invalid"/);
  const field = `coordinator.raft.${setting.replace('-', '_')}`;
  assert.match(stdout, new RegExp(`${field}: it is 10ms; give 50ms to 60s`));
}

async function restartAll(stage: Stage, flags: Readonly<Record<string, string>>): Promise<void> {
  const restarts = COORDINATORS.map(async (name) => {
    await stage.network.part(name).stop();
    stage.network.setUp(name, flags);
    await stage.network.part(name).start();
  });
  await Promise.all(restarts);
}

export const tightTimeouts: Scenario = { name: '6 timeouts too tight', run };
