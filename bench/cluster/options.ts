/** The flags of `zkraft bench cluster`, checked: every refusal names its flag and what would be right. */
import { ZkraftError } from '../../src/common/index.ts';

/** As they were typed. */
export interface ClusterBenchFlags {
  readonly seconds?: string | undefined;
  readonly workers?: string | undefined;
  readonly history?: string | undefined;
  readonly tasks?: string | undefined;
}

export interface ClusterBenchOptions {
  /** Measured time of each step. */
  readonly seconds: number;
  /** How many workers there are, one step after the other; ascending. */
  readonly workers: readonly number[];
  /** Rows of tasks that ended long ago, one step after the other; ascending. Empty: none are made. */
  readonly history: readonly number[];
  /** Tasks of the long run; 0: none. */
  readonly tasks: number;
}

const SECONDS = 15;
const SECONDS_MAX = 600;
const WORKERS: readonly number[] = [1, 8, 64];
const WORKERS_MAX = 64;
const ROWS_MAX = 10_000_000;
const STEPS_MAX = 8;

/** Throws `usage`. */
export function parseClusterBenchOptions(flags: ClusterBenchFlags): ClusterBenchOptions {
  return {
    seconds: flags.seconds === undefined ? SECONDS : whole('seconds', flags.seconds, SECONDS_MAX),
    workers: flags.workers === undefined ? WORKERS : list('workers', flags.workers, WORKERS_MAX),
    history: flags.history === undefined ? [] : list('history', flags.history, ROWS_MAX),
    tasks: flags.tasks === undefined ? 0 : whole('tasks', flags.tasks, ROWS_MAX),
  };
}

function list(flag: string, text: string, max: number): number[] {
  const values = text.split(',').map((part) => whole(flag, part.trim(), max));
  const isAscending = values.every((value, i) => i === 0 || value > (values[i - 1] ?? 0));
  if (isAscending && values.length <= STEPS_MAX) return values;
  throw new ZkraftError('usage', `--${flag} ${text} is not up to ${STEPS_MAX} ascending numbers with commas between`, {
    field: flag,
  });
}

function whole(flag: string, text: string, max: number): number {
  const value = /^[1-9]\d{0,7}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new ZkraftError('usage', `--${flag} ${text} is not a whole number from 1 to ${max}`, { field: flag });
}
