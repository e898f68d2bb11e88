/** A sample as a line of the table. */
import { median, megabytes, type Sample } from './verdict.ts';

const COLUMNS: readonly (readonly [head: string, of: (sample: Sample) => string])[] = [
  ['tasks', ({ tasks }) => String(tasks)],
  ['s', ({ elapsedMs }) => (elapsedMs / 1_000).toFixed(0)],
  ['snapshot', ({ snapshotBytes }) => megabytes(snapshotBytes)],
  ['largest', ({ snapshotBytesMax }) => megabytes(snapshotBytesMax)],
  ['log folder', ({ logBytes }) => megabytes(logBytes)],
  ['RSS', ({ rssBytes }) => megabytes(rssBytes)],
  ['RSS before gc', ({ rssRawBytes }) => megabytes(rssRawBytes)],
  ['heap', ({ heapBytes }) => megabytes(heapBytes)],
  ['outbox', ({ outbox }) => String(outbox)],
  ['CPU/task ms', ({ cpuMs }) => median(cpuMs).toFixed(2)],
  ['latency ms', ({ latenciesMs }) => median(latenciesMs).toFixed(1)],
  ['ready ms', ({ readyMs }) => readyMs.toFixed(2)],
  ['pages', ({ readyPages }) => readyPages.toFixed(0)],
  ['project ms', ({ projectMs }) => projectMs.toFixed(2)],
  ['pages', ({ projectPages }) => projectPages.toFixed(0)],
];

const WIDTHS = COLUMNS.map(([head]) => Math.max(9, head.length));
const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell, i) => cell.padStart(WIDTHS[i] ?? 0)).join(' | ')} |`;

export const TABLE_HEAD = `${line(COLUMNS.map(([head]) => head))}\n|${WIDTHS.map((width) => `${'-'.repeat(width + 1)}:`).join('|')}|`;

export const tableRow = (sample: Sample): string => line(COLUMNS.map(([, of]) => of(sample)));
