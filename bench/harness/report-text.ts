/** A report for people: one block a result, times in the unit that fits, the spread beside the median. */
import type { BenchReport, BenchResult, Figures } from './report.ts';

export function reportLines(report: BenchReport): string[] {
  const { machine, node, tier, results } = report;
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${node}, kernels: ${tier}`,
    ...results.flatMap((result) => ['', ...resultLines(result)]),
  ];
}

function resultLines(result: BenchResult): string[] {
  const { bench, params, ours, baseline, binary, launches, runs } = result;
  const said = Object.entries(params).map(([name, value]) => `${name} ${value}`);
  return [
    `${[bench, ...said].join(', ')}  (medians of ${launches} x ${runs} samples)`,
    sideLine('ours', ours),
    sideLine('baseline', baseline),
    ...(binary ? [sideLine('binary', binary)] : []),
    ...(ours.stand_in
      ? ['  no ratio: the baseline itself stands where ours is to be']
      : [ratioLine(baseline.name, result), ...(binary ? [ratioLine(binary.name, binary)] : [])]),
  ];
}

function ratioLine(name: string, { ratio_wall, ratio_cpu }: Pick<BenchResult, 'ratio_wall' | 'ratio_cpu'>): string {
  const cpu = ratio_cpu === null ? '' : `, ${ratio_cpu.toFixed(2)} times the CPU time`;
  return `  ${name} takes ${ratio_wall.toFixed(2)} times as long as ours${cpu}`;
}

function sideLine(side: string, figures: Figures): string {
  const { name, wall_ms, cpu_ms, spread, peak_rss_mb, per_s } = figures;
  return [
    `  ${side.padEnd(9)}`,
    `${duration(wall_ms)} [${duration(spread.wall_ms.min)} - ${duration(spread.wall_ms.max)}]`,
    cpu_ms === null ? 'CPU unknown' : `CPU ${duration(cpu_ms)}`,
    ...(peak_rss_mb === null ? [] : [`${peak_rss_mb} MB`]),
    ...(per_s === undefined ? [] : [`${per_s} a second`]),
    `(${name})`,
  ].join('  ');
}

/** Three significant digits with the unit that fits, from nanoseconds up. */
export function duration(ms: number): string {
  const units = [
    [1000, 's'],
    [1, 'ms'],
    [1e-3, 'us'],
    [1e-6, 'ns'],
  ] as const;
  const [size, unit] = units.find(([least]) => ms >= least) ?? [1e-6, 'ns'];
  return `${Number((ms / size).toPrecision(3))} ${unit}`;
}
