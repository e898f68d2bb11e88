/**
 * How late the event loop of this thread is, and how late that of a thread of the same process that does nothing: what
 * the machine's other programs do to both is in the second, what this thread's own work does only in the first.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';

/** What is measured is the time from one sample to the next: what is above the resolution is delay. */
const RESOLUTION_MS = 10;

export interface Lateness {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoopDelay {
  readonly own: Lateness;
  /** Of the thread that does nothing. */
  readonly idle: Lateness;
  readonly samples: number;
}

/** Measures from now on until what it resolves to is called. */
export async function measureLoopDelay(): Promise<() => Promise<LoopDelay>> {
  const idle = new Worker(IDLE, { eval: true, workerData: RESOLUTION_MS, execArgv: [] });
  await new Promise((resolve) => idle.once('message', resolve));
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return async () => {
    delay.disable();
    const answer = new Promise<Lateness>((resolve) => idle.once('message', resolve));
    idle.postMessage('end');
    const lateMs = (interval: number): number => Math.max(0, interval / 1e6 - RESOLUTION_MS);
    const own = {
      p50Ms: lateMs(delay.percentile(50)),
      p99Ms: lateMs(delay.percentile(99)),
      maxMs: lateMs(delay.max),
    };
    return { own, idle: await answer, samples: delay.count };
  };
}

const IDLE = `
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { parentPort, workerData } = require('node:worker_threads');
const delay = monitorEventLoopDelay({ resolution: workerData });
delay.enable();
parentPort.postMessage('measuring');
parentPort.once('message', () => {
  delay.disable();
  const lateMs = (interval) => Math.max(0, interval / 1e6 - workerData);
  const [p50Ms, p99Ms] = [50, 99].map((share) => lateMs(delay.percentile(share)));
  parentPort.postMessage({ p50Ms, p99Ms, maxMs: lateMs(delay.max) });
  parentPort.close();
});
`;

export const latenessText = ({ p50Ms, p99Ms, maxMs }: Lateness): string =>
  `p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)}, max ${maxMs.toFixed(1)} ms`;
