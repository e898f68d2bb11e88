/** Many seeds, in several processes; what they found, together. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Coverage } from './coverage.ts';
import type { ProfileName } from './profile.ts';
import type { SimulationResult } from './run.ts';

export interface SearchOptions {
  readonly seeds: readonly number[];
  readonly ticks: number;
  readonly profile: ProfileName;
  readonly processes: number;
  /** Stop at the first violation. */
  readonly isFirstEnough?: boolean;
  /** Of which source: a copy with a mistake in it, say. */
  readonly workerPath?: string;
  readonly done?: (result: SimulationResult, count: number) => void;
}

export interface SearchResult {
  readonly seeds: number;
  readonly events: number;
  readonly faults: number;
  readonly operations: number;
  readonly coverage: Coverage;
  readonly violations: readonly SimulationResult[];
  readonly traceHashes: ReadonlyMap<number, string>;
}

const WORKER = fileURLToPath(new URL('./seed-process.ts', import.meta.url));
/** A seed takes seconds; one that takes this long goes round in circles. */
const SEED_LIMIT_MS = 180_000;

export async function search(options: SearchOptions): Promise<SearchResult> {
  const coverage = new Coverage();
  const violations: SimulationResult[] = [];
  const traceHashes = new Map<number, string>();
  const sums = { events: 0, faults: 0, operations: 0 };
  const waiting = [...options.seeds];
  const take = (): number | undefined =>
    options.isFirstEnough === true && violations.length > 0 ? undefined : waiting.shift();
  const add = (result: SimulationResult): void => {
    coverage.merge(result.coverage);
    traceHashes.set(result.seed, result.traceHash);
    sums.events += result.events;
    sums.faults += result.faults;
    sums.operations += result.operations;
    if (result.violation !== undefined) violations.push(result);
    options.done?.(result, traceHashes.size);
  };
  const lanes = Array.from({ length: Math.min(options.processes, waiting.length) }, () => lane(options, take, add));
  await Promise.all(lanes);
  return { seeds: traceHashes.size, ...sums, coverage, violations, traceHashes };
}

/** One process after the other, each for as many seeds as it lives. */
async function lane(
  { ticks, profile, workerPath = WORKER }: SearchOptions,
  take: () => number | undefined,
  add: (result: SimulationResult) => void,
): Promise<void> {
  let child: ChildProcess | undefined;
  try {
    for (let seed = take(); seed !== undefined; seed = take()) {
      child ??= fork(workerPath, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      const result = await ask(child, { seed, ticks, profile });
      if (result === undefined) {
        child.kill('SIGKILL');
        child = undefined;
      }
      add(result ?? lost(seed, ticks));
    }
  } finally {
    child?.kill();
  }
}

/** `undefined` when the process died of it, or did not come to an end. */
function ask(child: ChildProcess, request: object): Promise<SimulationResult | undefined> {
  return new Promise((resolve) => {
    const settle = (result: SimulationResult | undefined): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      resolve(result);
    };
    const timer = setTimeout(settle, SEED_LIMIT_MS, undefined);
    child.once('message', (result) => settle(result as SimulationResult));
    child.once('exit', () => settle(undefined));
    child.once('error', () => settle(undefined));
    child.send(request);
  });
}

const lost = (seed: number, ticks: number): SimulationResult => ({
  seed,
  ticks,
  traceHash: '',
  events: 0,
  faults: 0,
  operations: 0,
  coverage: new Coverage().toJSON(),
  violation: { invariant: 'no-fault', message: `the simulation died, or came to no end in ${SEED_LIMIT_MS / 1_000} s` },
  lines: [],
});
