/**
 * `npm run chaos -- --minutes M --seed N`: the chaos scenario for so long, with its counts printed, and a line that has all
 * of it at the end. `--faults F --tasks T` in place of the minutes: until so many faults were struck.
 *
 * Exits 1 when anything is wrong, and says where logs and data are kept. With the same seed the same things are done to
 * the same tasks; without one, a seed is chosen and printed.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';
import { runChaos } from './chaos.ts';
import { reportLines, summaryLine, withProofsInFlight } from './chaos-report.ts';

const SEED_BELOW = 1_000_000_000;
const FAULTS_A_MINUTE_MAX = 30;
const FAULTS_A_MINUTE_MIN = 3;
/** The most that are let in, with one a second besides. */
const TASKS_A_FAULT = 5;
const START_AND_END_MS = 10 * 60_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    tasks: { type: 'string' },
    faults: { type: 'string' },
    seed: { type: 'string', default: process.env.ZKRAFT_CHAOS_SEED ?? String(randomInt(SEED_BELOW)) },
    keep: { type: 'boolean', default: false },
  },
});

function whole(name: 'tasks' | 'faults' | 'seed' | 'minutes', least: number, most: number): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  process.stderr.write(`--${name} is ${values[name]}; it is a whole number from ${least} to ${most}.\n`);
  process.exit(2);
}

/** npm and the terminal may each pass on one Ctrl-C: only a later one is a second. */
const SAME_SIGNAL_MS = 1_000;
const interrupt = new AbortController();
let interruptedMs = 0;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interrupt.signal.aborted && performance.now() - interruptedMs > SAME_SIGNAL_MS) process.exit(130);
    if (interrupt.signal.aborted) return;
    interruptedMs = performance.now();
    interrupt.abort(new Error('interrupted'));
  });
}

const begunMs = performance.now();
const say = (line: string): void => {
  const seconds = ((performance.now() - begunMs) / 1_000).toFixed(1).padStart(7);
  process.stdout.write(`${seconds} s  ${line}\n`);
};
const [minutes, seed] = [whole('minutes', 1, 600), whole('seed', 0, SEED_BELOW)];
const isByFaults = values.faults !== undefined;
const faults = isByFaults ? whole('faults', 1, 10_000) : minutes * FAULTS_A_MINUTE_MAX;
const tasks = values.tasks === undefined ? faults * TASKS_A_FAULT : whole('tasks', 1, 100_000);
say(isByFaults ? `${faults} faults, ${tasks} tasks, seed ${seed}` : `${minutes} minutes, seed ${seed}`);
try {
  const length = isByFaults ? {} : { forMs: minutes * 60_000 };
  const limitMs = (isByFaults ? faults / FAULTS_A_MINUTE_MIN : minutes) * 60_000 + START_AND_END_MS;
  const { signal } = interrupt;
  const result = await runChaos({ tasks, faults, ...length, seed, say, limitMs, keep: values.keep, signal });
  process.stdout.write(`\n${reportLines(result).join('\n')}\n`);
  const inFlight = withProofsInFlight(result.strikes);
  const enough = inFlight * 3 >= result.strikes.length * 2;
  if (!enough)
    process.stdout.write(
      `only ${inFlight} of ${result.strikes.length} faults met proofs in flight: too few to mean much\n`,
    );
  process.stdout.write(`${summaryLine(result)}\n`);
  process.exitCode = result.accounts.wrong.length + result.faultsLogged.length === 0 && enough ? 0 : 1;
} catch (error) {
  process.stderr.write(`${interrupt.signal.aborted ? 'Interrupted.' : (error as Error).stack}\n`);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
} finally {
  await closeSnarkjs();
}
