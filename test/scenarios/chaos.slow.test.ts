/** The chaos scenario, shortened: every kind of fault on every part once, under load. `npm run chaos` is the long one. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';
import { type ChaosResult, runChaos } from './chaos.ts';
import { reportLines, withProofsInFlight } from './chaos-report.ts';
import { FAULTS_IN_TURN } from './fault-plan.ts';

const SEED = Number(process.env.ZKRAFT_CHAOS_SEED ?? 20);
const FAULTS = FAULTS_IN_TURN;
const TASKS = 3 * FAULTS;
const LIMIT_MS = 8 * 60_000;
const WITHOUT_PROC = existsSync('/proc/self/stat') ? false : 'needs /proc to find the processes of PostgreSQL';

describe('a network whose parts are killed, paused and restarted', { skip: WITHOUT_PROC }, () => {
  after(() => closeSnarkjs());

  it('ends every task that it accepted, none twice, none lost, with proofs that verify', async (t) => {
    const interrupt = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort(new Error(name)));
    const say = (line: string): void => t.diagnostic(line);
    const size = { seed: SEED, tasks: TASKS, faults: FAULTS };
    const result: ChaosResult = await runChaos({ ...size, say, limitMs: LIMIT_MS, signal: interrupt.signal });
    for (const line of reportLines(result)) t.diagnostic(line);
    assert.deepEqual(result.accounts.wrong, []);
    assert.deepEqual(result.faultsLogged, []);
    assert.equal(result.accounts.completed, TASKS);
    assert.equal(result.accounts.verified, TASKS);
    assert.equal(result.strikes.length, FAULTS);
    assert.ok(result.statesCompared > 0, 'no state was compared');
    assert.ok(withProofsInFlight(result.strikes) * 3 >= FAULTS * 2, 'too few faults met proofs in flight');
  });
});
