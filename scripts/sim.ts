/**
 * `npm run sim`: the replicated log in a simulated world.
 *
 *   npm run sim -- --seed 7 [--ticks 10000] [--trace 200]   one run, and the last lines of what happened
 *   npm run sim -- --seeds 1..1000 --ticks 10000            a search; exits 1 if anything is violated
 *   npm run sim -- --mutant NAME --seeds 1..50              the same on a copy with a known mistake in it
 *
 * A seed that fails is added to test/raft/sim/failing-seeds.json, which the tests replay.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { COVERED, PROFILES, type ProfileName, type SearchResult, search, simulate } from '../src/raft/sim/index.ts';
import { withMutant } from './scratch-tree.mjs';

const LIST = fileURLToPath(new URL('../test/raft/sim/failing-seeds.json', import.meta.url));
const SHOWN_EVERY = 25;

const options = await yargs(hideBin(process.argv))
  .scriptName('npm run sim --')
  .option('seed', { type: 'number', describe: 'Replay this one' })
  .option('seeds', { type: 'string', describe: 'Search these: A..B', default: '1..100' })
  .option('ticks', { type: 'number', describe: 'Tenths of an election timeout', default: 10_000 })
  .option('profile', { choices: Object.keys(PROFILES) as ProfileName[], default: 'swarm' as ProfileName })
  .option('mutant', { type: 'string', describe: 'A known mistake, of test/raft/mutants' })
  .option('processes', { type: 'number', describe: 'That search at once', default: availableParallelism() })
  .option('trace', { type: 'number', describe: 'With --seed: lines to show', default: 0 })
  .check(({ ticks, seed, processes }) => {
    if (!(Number.isSafeInteger(ticks) && ticks > 0)) throw new Error('--ticks: give a whole number over 0');
    if (seed !== undefined && !Number.isSafeInteger(seed)) throw new Error('--seed: give a whole number');
    if (!(Number.isSafeInteger(processes) && processes > 0)) throw new Error('--processes: give a whole number over 0');
    return true;
  })
  .strict()
  .parseAsync();

const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (options.mutant !== undefined) {
  const name = options.mutant;
  const found = await withMutant(name, (root: string) =>
    find(seedsOf(options.seeds), { workerPath: `${root}/src/raft/sim/seed-process.ts`, isFirstEnough: true }),
  );
  summarize(found);
  const [first] = found.violations;
  say(
    first === undefined ? `mutant ${name} was not caught` : `mutant ${name}: caught by ${first.violation?.invariant}`,
  );
  process.exit(first === undefined ? 0 : 1);
}

if (options.seed === undefined) {
  const found = await find(seedsOf(options.seeds), {});
  remember(found);
  summarize(found);
  process.exit(found.violations.length > 0 ? 1 : 0);
}

const { seed, ticks, profile } = options;
const result = await simulate({ seed, ticks, profile, keepLines: options.trace });
for (const line of result.lines) say(line);
say(JSON.stringify(result.coverage));
say(
  `seed ${seed}: ${ticks} ticks, ${result.events} events, ${result.faults} faults, ${result.operations} operations, trace ${result.traceHash}`,
);
if (result.violation !== undefined) say(`VIOLATED ${result.violation.invariant}: ${result.violation.message}`);
process.exit(result.violation === undefined ? 0 : 1);

function seedsOf(range: string): number[] {
  const [, low, high] = /^(\d+)\.\.(\d+)$/.exec(range) ?? [];
  const from = Number(low);
  const count = Number(high) - from + 1;
  if (!(count > 0 && count <= 1_000_000)) {
    process.stderr.write(`--seeds is ${range}; give a range such as 1..100\n`);
    process.exit(2);
  }
  return Array.from({ length: count }, (_, i) => from + i);
}

function find(seeds: readonly number[], more: { workerPath?: string; isFirstEnough?: boolean }): Promise<SearchResult> {
  const { ticks, profile, processes } = options;
  return search({
    seeds,
    ticks,
    profile,
    processes,
    ...more,
    done: ({ seed, violation }, count) => {
      if (violation !== undefined) say(`seed ${seed}: VIOLATED ${violation.invariant}: ${violation.message}`);
      if (count % SHOWN_EVERY === 0) process.stderr.write(`${count} of ${seeds.length} seeds\n`);
    },
  });
}

function summarize({ seeds, faults, coverage, violations, operations }: SearchResult): void {
  for (const what of COVERED) say(`${what.padEnd(20)} ${String(coverage.count(what)).padStart(10)}`);
  const missing = coverage.missing();
  if (missing.length > 0) say(`never: ${missing.join(', ')}`);
  say(
    `${seeds} seeds x ${options.ticks} ticks: ${faults} faults, ${coverage.count('commits')} commits, ` +
      `${operations} operations, ${violations.length} violations`,
  );
}

function remember({ violations }: SearchResult): void {
  if (violations.length === 0) return;
  const { ticks, profile } = options;
  const known = JSON.parse(readFileSync(LIST, 'utf8')) as { seeds: { seed: number; ticks: number; profile: string }[] };
  const isKnown = (seed: number): boolean =>
    known.seeds.some((one) => one.seed === seed && one.ticks === ticks && one.profile === profile);
  for (const { seed, violation } of violations) {
    if (isKnown(seed)) continue;
    known.seeds.push({ seed, ticks, profile, ...{ violated: violation?.invariant } });
  }
  writeFileSync(LIST, `${JSON.stringify(known, null, 2)}\n`);
}
