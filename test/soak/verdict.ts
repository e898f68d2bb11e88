/**
 * From the samples of a soak to PASS or FAIL. Pure.
 *
 * What is noisy is compared by medians over windows, at the start (after the warm-up) and at the end. Only growth is a
 * fault: a machine that got quieter, or code that got warmer, is none.
 */
export interface Sample {
  /** Completed when it was taken. */
  readonly tasks: number;
  readonly elapsedMs: number;
  readonly snapshotBytes: number;
  readonly snapshotBytesMax: number;
  /** As it was, garbage and all: steady, for V8 keeps what it once took. */
  readonly rssBytes: number;
  /** After a collection, at which V8 gives back some of it, or nothing, as it likes. */
  readonly rssCollectedBytes: number;
  /** After a collection: what is in use. */
  readonly heapBytes: number;
  readonly outbox: number;
  readonly logBytes: number;
  /** From insert to assignment, of the urgent tasks since the sample before. */
  readonly latenciesMs: readonly number[];
  /** Of each window since the sample before. */
  readonly windows: readonly Window[];
}

/** What a task cost within some hundreds of them. */
export interface Window {
  /** Of the coordinator's process, all its threads, for one task. */
  readonly cpuMs: number;
  /** In PostgreSQL: time and pages of one question which tasks are next. */
  readonly readyMs: number;
  readonly readyPages: number;
  /** In PostgreSQL: time and pages of writing down all that was decided about one task. */
  readonly projectMs: number;
  readonly projectPages: number;
}

export interface Thresholds {
  readonly snapshotBytesMax: number;
  /** Of the log's folder: two snapshots, the entries behind them, and what LevelDB has not merged yet. */
  readonly logBytesMax: number;
  /** Growth from 20 % of the run to any later sample, as a factor. */
  readonly memoryGrowthMax: number;
  /** Growth from the first sample to the last, as a factor. */
  readonly costGrowthMax: number;
}

/** What is promised. */
export const PROMISED: Thresholds = {
  snapshotBytesMax: 1_000_000,
  logBytesMax: 64_000_000,
  memoryGrowthMax: 1.1,
  costGrowthMax: 1.2,
};

export interface Finding {
  readonly what: string;
  readonly pass: boolean;
  readonly text: string;
}

export function judge(samples: readonly Sample[], thresholds: Thresholds): Finding[] {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined || samples.length < 2) {
    throw new Error(`a verdict needs two samples at least; there are ${samples.length}`);
  }
  const settled = samples.filter(({ tasks }) => tasks >= last.tasks * 0.2);
  const memory = (what: string, read: (sample: Sample) => number): Finding => {
    const before = read(settled[0] ?? last);
    const largest = Math.max(...settled.map(read));
    const growth = growthOf(before, largest);
    const most = thresholds.memoryGrowthMax;
    const text = `${megabytes(before)} at 20 %, then ${megabytes(largest)} at most, ${percent(growth)}; at most ${percent(most)}`;
    return { what, pass: growth <= most, text };
  };
  const grown = (what: string, before: number, after: number, unit: string): Finding => {
    const growth = growthOf(before, after);
    const most = thresholds.costGrowthMax;
    const text = `${before.toFixed(2)} -> ${after.toFixed(2)} ${unit}, ${percent(growth)}; at most ${percent(most)}`;
    return { what, pass: growth <= most, text };
  };
  const atMost = (what: string, value: number, most: number): Finding => ({
    what,
    pass: value <= most,
    text: `${megabytes(value)}; at most ${megabytes(most)}`,
  });
  return [
    atMost('state snapshot', Math.max(...samples.map((s) => s.snapshotBytesMax)), thresholds.snapshotBytesMax),
    atMost('log folder', Math.max(...samples.map((s) => s.logBytes)), thresholds.logBytesMax),
    memory('RSS', (sample) => sample.rssBytes),
    memory('heap in use', (sample) => sample.heapBytes),
    grown('CPU for a task', medianOf('cpuMs', first), medianOf('cpuMs', last), 'ms'),
    grown('latency', lowerQuartile(first.latenciesMs), lowerQuartile(last.latenciesMs), 'ms'),
    grown('asking what is next', medianOf('readyMs', first), medianOf('readyMs', last), 'ms'),
    grown('asking what is next', medianOf('readyPages', first), medianOf('readyPages', last), 'pages'),
    grown('writing it down', medianOf('projectMs', first), medianOf('projectMs', last), 'ms'),
    grown('writing it down', medianOf('projectPages', first), medianOf('projectPages', last), 'pages'),
  ];
}

/** The median over the sample's windows. */
export const medianOf = (what: keyof Window, sample: Sample): number =>
  median(sample.windows.map((window) => window[what]));

/** Of an even count, the lower of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/**
 * What else the machine does makes waits longer and never shorter, so it moves the middle more than the quick ones; what
 * grew with the tasks is in each of them. NaN of none.
 */
export function lowerQuartile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 4)] ?? Number.NaN;
}

/** A measurement that is missing is a fault, not a pass. */
const growthOf = (before: number, after: number): number =>
  before > 0 && Number.isFinite(after) ? after / before : Number.POSITIVE_INFINITY;

export const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(2)} MB`;

const percent = (factor: number): string => `${factor >= 1 ? '+' : ''}${((factor - 1) * 100).toFixed(0)} %`;
