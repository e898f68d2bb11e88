/**
 * What a bench says, and the one shape in which it is printed, kept and read again.
 *
 * `ratio_wall` and `ratio_cpu` are the baseline's median over ours: 2 means that ours takes half as long. They are the
 * claim; times drift with the machine. Times are milliseconds of one operation (a proof, a sum, a product).
 */
import type { CaseParams, Sample } from './contender.ts';
import type { SideSamples } from './launch.ts';
import type { Machine } from './machine.ts';
import { significant, spreadOf } from './statistics.ts';

export interface SpreadFigures {
  readonly min: number;
  readonly q1: number;
  readonly q3: number;
  readonly max: number;
}

export interface Figures {
  readonly name: string;
  readonly wall_ms: number;
  /** All threads together; null where the system does not tell, which happens for foreign binaries alone. */
  readonly cpu_ms: number | null;
  readonly spread: { readonly wall_ms: SpreadFigures; readonly cpu_ms: SpreadFigures | null };
  readonly peak_rss_mb: number | null;
  /** Operations in one sample; the times above are of one. */
  readonly operations: number;
  /** True while the baseline's own code stands where ours is to be. */
  readonly stand_in?: true;
  /** Operations a second, where that is the question. */
  readonly per_s?: number;
}

export interface BenchResult {
  readonly bench: string;
  readonly params: CaseParams;
  readonly ours: Figures;
  readonly baseline: Figures;
  readonly ratio_wall: number;
  readonly ratio_cpu: number | null;
  /** The prover of --vs-binary, with its own time over ours. */
  readonly binary?: Figures & { readonly ratio_wall: number; readonly ratio_cpu: number | null };
  readonly launches: number;
  readonly runs: number;
}

export interface BenchReport {
  readonly machine: Machine;
  /** Of the processes that were measured. */
  readonly node: string;
  /** Of ours: the kernels that were chosen. */
  readonly tier: string;
  readonly results: readonly BenchResult[];
}

export interface CaseLabel {
  readonly bench: string;
  readonly params: CaseParams;
  readonly launches: number;
  readonly runs: number;
  readonly perSecond: boolean;
}

export function resultOf(label: CaseLabel, sides: readonly SideSamples[]): BenchResult {
  const { bench, params, launches, runs, perSecond } = label;
  const figures = (side: SideSamples['side']): Figures | undefined => {
    const found = sides.find((s) => s.side === side);
    return found && figuresOf(found, perSecond);
  };
  const ours = figures('ours');
  const baseline = figures('baseline');
  if (!ours || !baseline) throw new RangeError('a result has two sides');
  const binary = figures('binary');
  return {
    bench,
    params,
    ours,
    baseline,
    ...ratios(ours, baseline),
    ...(binary === undefined ? {} : { binary: { ...binary, ...ratios(ours, binary) } }),
    launches,
    runs,
  };
}

const ratios = (ours: Figures, other: Figures): { ratio_wall: number; ratio_cpu: number | null } => ({
  ratio_wall: significant(other.wall_ms / ours.wall_ms, 4),
  ratio_cpu: other.cpu_ms && ours.cpu_ms ? significant(other.cpu_ms / ours.cpu_ms, 4) : null,
});

function figuresOf({ ready, samples }: SideSamples, perSecond: boolean): Figures {
  const wall = spreadOf(samples.map((s) => s.wallMs));
  const cpuSamples = known(samples, (s) => s.cpuMs);
  const cpu = cpuSamples && spreadOf(cpuSamples);
  const peaks = known(samples, (s) => s.peakRssMb);
  const rounded = ({ min, q1, q3, max }: SpreadFigures): SpreadFigures => ({
    min: significant(min),
    q1: significant(q1),
    q3: significant(q3),
    max: significant(max),
  });
  return {
    name: ready.name,
    wall_ms: significant(wall.median),
    cpu_ms: cpu ? significant(cpu.median) : null,
    spread: { wall_ms: rounded(wall), cpu_ms: cpu ? rounded(cpu) : null },
    peak_rss_mb: peaks ? Math.round(Math.max(...peaks)) : null,
    operations: ready.operations,
    ...(ready.standIn ? { stand_in: true } : {}),
    ...(perSecond ? { per_s: significant(1000 / wall.median) } : {}),
  };
}

/** All of them or none: a median over those that happen to be known would be another figure. */
function known(samples: readonly Sample[], of: (sample: Sample) => number | undefined): number[] | undefined {
  const values = samples.map(of).filter((value) => value !== undefined);
  return values.length === samples.length ? values : undefined;
}
