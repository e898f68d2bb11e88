/**
 * How late the event loop of the main thread is, and how late it is by its own doing: without the time for which the
 * thread could have run and waited for a processor, which other programs had (Linux counts it; elsewhere it is 0).
 */
import { readFileSync } from 'node:fs';

const SAMPLE_MS = 10;

export interface Lateness {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoopDelay {
  readonly all: Lateness;
  /** Without waiting for a processor. */
  readonly own: Lateness;
  readonly samples: number;
}

/** Measures from now on until what it returns is called. */
export function measureLoopDelay(): () => LoopDelay {
  const all: number[] = [];
  const own: number[] = [];
  let [dueAtMs, waitedMs] = [performance.now() + SAMPLE_MS, processorWaitMs()];
  const sample = (): void => {
    const [nowMs, nowWaitedMs] = [performance.now(), processorWaitMs()];
    const lateMs = Math.max(0, nowMs - dueAtMs);
    all.push(lateMs);
    own.push(Math.max(0, lateMs - (nowWaitedMs - waitedMs)));
    [dueAtMs, waitedMs] = [performance.now() + SAMPLE_MS, nowWaitedMs];
    timer = setTimeout(sample, SAMPLE_MS);
  };
  let timer = setTimeout(sample, SAMPLE_MS);
  return () => {
    clearTimeout(timer);
    return { all: latenessOf(all), own: latenessOf(own), samples: all.length };
  };
}

/** Of the main thread since it began. */
function processorWaitMs(): number {
  try {
    const [, waitedNs] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
    return Number(waitedNs) / 1e6;
  } catch {
    return 0;
  }
}

function latenessOf(samplesMs: readonly number[]): Lateness {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

export const latenessText = ({ p50Ms, p99Ms, maxMs }: Lateness): string =>
  `p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)}, max ${maxMs.toFixed(1)} ms`;
