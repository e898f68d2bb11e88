/** The scenarios, one after the other, on one network of processes. See README.md. */
import { after, before, describe, it } from 'node:test';
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';
import { leaderDies } from './leader-dies.scenario.ts';
import { logCompacted } from './log-compacted.scenario.ts';
import { noBootstrap } from './no-bootstrap.scenario.ts';
import { normalRun } from './normal-run.scenario.ts';
import { oldLeaderReturns } from './old-leader-returns.scenario.ts';
import { partition } from './partition.scenario.ts';
import { rollingRestart } from './rolling-restart.scenario.ts';
import { rollingUpgrade } from './rolling-upgrade.scenario.ts';
import { Stage } from './stage.ts';
import { tightTimeouts } from './tight-timeouts.scenario.ts';
import { workersFindLeader } from './workers-find-leader.scenario.ts';

const SCENARIOS = [
  normalRun,
  leaderDies,
  oldLeaderReturns,
  partition,
  noBootstrap,
  tightTimeouts,
  logCompacted,
  workersFindLeader,
  rollingRestart,
  // From here on the coordinators are of the next release.
  rollingUpgrade,
];

const {
  ZKRAFT_SCENARIOS: tier = 'smoke',
  ZKRAFT_SCENARIOS_SEED: seed = '1',
  ZKRAFT_SCENARIOS_ONLY: only = '',
} = process.env;
const words = only.split(' ').filter((word) => word !== '');
const chosen = SCENARIOS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
if (chosen.length === 0) throw new Error(`no scenario is called ${words.join(', ')}`);
const LIMIT_MS = 20 * 60_000;

describe(`scenarios, ${tier} tier, seed ${seed}`, () => {
  let stage: Stage | undefined;
  let isWell = true;
  let say: (line: string) => void = () => {};

  before(async () => {
    stage = await Stage.open({ isFull: tier === 'full', seed: Number(seed) }, (line) => say(line));
  });
  after(async () => {
    await stage?.close(!isWell);
    await closeSnarkjs();
  });

  for (const { name, run } of chosen) {
    it(name, { timeout: LIMIT_MS }, async (t) => {
      if (stage === undefined) throw new Error('the network did not start');
      say = (line) => t.diagnostic(line);
      const begunMs = performance.now();
      try {
        await stage.well();
        await run(stage);
        await stage.settle();
      } catch (error) {
        isWell = false;
        throw stage.abort.signal.aborted ? stage.abort.signal.reason : error;
      }
      say(`${((performance.now() - begunMs) / 1_000).toFixed(1)} s`);
    });
  }

  it('and nothing is wrong at the end: all stop cleanly, states are the same, no term had two leaders', async (t) => {
    say = (line) => t.diagnostic(line);
    const ending = stage;
    stage = undefined;
    await ending?.close(!isWell);
  });
});
