/** The flags of `zkraft bench`, checked: every refusal names its flag and what would be right. */
import { availableParallelism } from 'node:os';
import { ZkraftError } from '../src/common/index.ts';
import { parseCommandTemplate } from './prover/prove/command-template.ts';
import { BENCHES, type BenchName } from './registry.ts';

/** As they were typed. */
export interface BenchFlags {
  readonly depth?: string | undefined;
  readonly threads?: string | undefined;
  readonly runs?: string | undefined;
  readonly launches?: string | undefined;
  readonly node?: string | undefined;
  readonly 'vs-binary'?: string | undefined;
}

export interface BenchOptions {
  /** In the order of the registry. */
  readonly names: readonly BenchName[];
  readonly depth: number;
  readonly threads: number;
  /** Undefined: each bench's own. */
  readonly runs: number | undefined;
  readonly launches: number;
  /** Paths of Node binaries; one report each. */
  readonly nodes: readonly string[];
  /** Words of the foreign prover's command line, placeholders and all. */
  readonly vsBinary: readonly string[] | undefined;
}

/** The depth that the figures of proving Merkle membership are usually given for. */
const DEPTH = 20;
const DEPTH_MAX = 32;
/** As the prover's. */
const THREADS_MAX = 64;
/** Three, since one launch can be unlucky in where its code comes to lie. */
const LAUNCHES = 3;
const COUNT_MAX = 1_000;

/** Throws `usage` or `invalid_depth`. */
export function parseBenchOptions(name: string, flags: BenchFlags): BenchOptions {
  const names = namesOf(name);
  const vsBinary = flags['vs-binary'] === undefined ? undefined : parseCommandTemplate(flags['vs-binary']);
  if (vsBinary && !names.some((n) => BENCHES[n].takesBinary)) {
    throw new ZkraftError('usage', `--vs-binary stands beside bench prove, not ${name}`, { field: 'vs-binary' });
  }
  return {
    names,
    depth: whole('depth', flags.depth, DEPTH_MAX, 'invalid_depth') ?? DEPTH,
    threads: whole('threads', flags.threads, THREADS_MAX) ?? Math.min(THREADS_MAX, availableParallelism()),
    runs: whole('runs', flags.runs, COUNT_MAX),
    launches: whole('launches', flags.launches, COUNT_MAX) ?? LAUNCHES,
    nodes: nodesOf(flags.node),
    vsBinary,
  };
}

function namesOf(name: string): readonly BenchName[] {
  const all = Object.keys(BENCHES) as BenchName[];
  if (name === 'all') return all;
  const found = all.find((known) => known === name);
  if (found) return [found];
  throw new ZkraftError('usage', `there is no bench ${name}; there are ${all.join(', ')}, and all`, { field: 'name' });
}

function nodesOf(text: string | undefined): readonly string[] {
  if (text === undefined) return [process.execPath];
  const paths = text.split(',').map((path) => path.trim());
  if (paths.every((path) => path !== '')) return paths;
  throw new ZkraftError('usage', '--node is a path of a Node binary, or several with commas between', {
    field: 'node',
  });
}

function whole(
  flag: string,
  text: string | undefined,
  max: number,
  code: 'usage' | 'invalid_depth' = 'usage',
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new ZkraftError(code, `--${flag} ${text} is not a whole number from 1 to ${max}`, { field: flag });
}
