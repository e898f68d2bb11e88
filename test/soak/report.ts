/** A sample as a line of the table. */
import { median, medianOf, megabytes, type Sample } from './verdict.ts';

const COLUMNS: readonly (readonly [head: string, of: (sample: Sample) => string])[] = [
  ['tasks', ({ tasks }) => String(tasks)],
  ['s', ({ elapsedMs }) => (elapsedMs / 1_000).toFixed(0)],
  ['snapshot', ({ snapshotBytes }) => megabytes(snapshotBytes)],
  ['largest', ({ snapshotBytesMax }) => megabytes(snapshotBytesMax)],
  ['log folder', ({ logBytes }) => megabytes(logBytes)],
  ['RSS', ({ rssBytes }) => megabytes(rssBytes)],
  ['after gc', ({ rssCollectedBytes }) => megabytes(rssCollectedBytes)],
  ['heap', ({ heapBytes }) => megabytes(heapBytes)],
  ['outbox', ({ outbox }) => String(outbox)],
  ['CPU ms', (sample) => medianOf('cpuMs', sample).toFixed(2)],
  ['latency ms', ({ latenciesMs }) => median(latenciesMs).toFixed(1)],
  ['next ms', (sample) => medianOf('readyMs', sample).toFixed(2)],
  ['pages', (sample) => medianOf('readyPages', sample).toFixed(1)],
  ['write ms', (sample) => medianOf('projectMs', sample).toFixed(3)],
  ['pages', (sample) => medianOf('projectPages', sample).toFixed(1)],
];

const WIDTHS = COLUMNS.map(([head]) => Math.max(9, head.length));
const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell, i) => cell.padStart(WIDTHS[i] ?? 0)).join(' | ')} |`;

export const TABLE_HEAD = `${line(COLUMNS.map(([head]) => head))}\n|${WIDTHS.map((width) => `${'-'.repeat(width + 1)}:`).join('|')}|`;

export const tableRow = (sample: Sample): string => line(COLUMNS.map(([, of]) => of(sample)));
