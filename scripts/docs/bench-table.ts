import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchReport, type BenchResult, duration } from '../../bench/index.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const BEGIN = '<!-- figures: made from bench/results by npm run gen:docs -->';
const END = '<!-- /figures -->';

/** The README with the table that the files of bench/results come to; all else as it stands. */
export function readmePage(): string {
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`README.md has no ${BEGIN} ... ${END}`);
  return `${before}${BEGIN}\n${figures(keptReports()).join('\n')}\n${END}${after}`;
}

/** In the order of the files' names. A file holds what `zkraft bench --json` printed. */
export function keptReports(folder = join(ROOT, 'bench/results')): BenchReport[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as BenchReport | BenchReport[]);
}

export function figures(reports: readonly BenchReport[]): string[] {
  // Where the baseline stands in for ours, there is nothing to claim.
  const rows = reports.flatMap((report) =>
    report.results.filter((result) => !result.ours.stand_in).map((result) => row(report, result)),
  );
  if (rows.length === 0) {
    return ['No figures of this version are kept yet; `npm run bench -- prove` takes them on your machine.'];
  }
  return [
    '| bench | ours | baseline | ratio | by CPU time | measured on |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    'Medians of one operation; a ratio is the baseline over ours, measured in turn in the same run.',
  ];
}

function row({ machine, node, tier }: BenchReport, result: BenchResult): string {
  const { bench, params, ours, baseline, binary, ratio_wall, ratio_cpu } = result;
  const others = [{ ...baseline, ratio_wall, ratio_cpu }, ...(binary ? [binary] : [])];
  const what = [bench, ...Object.entries(params).map(([name, value]) => `${name} ${value}`)].join(', ');
  const where = `${machine.cpu}, ${machine.cores} cores, Node ${node}, ${tier}`;
  const lines = (of: (other: (typeof others)[number]) => string): string => others.map(of).join('<br>');
  return `| ${[
    what,
    duration(ours.wall_ms),
    lines((other) => `${duration(other.wall_ms)} (${other.name})`),
    lines((other) => `${other.ratio_wall.toFixed(2)}`),
    lines((other) => other.ratio_cpu?.toFixed(2) ?? 'unknown'),
    where,
  ].join(' | ')} |`;
}
