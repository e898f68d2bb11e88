/**
 * Time as an argument: everything here that waits does so through a `Clock`, so that a test can let an hour pass.
 *
 * Only deadlines of gRPC calls are outside of it; those go by the machine's clock.
 */
import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Milliseconds of a clock that never runs backwards. */
  nowMs(): number;
  /** Calls `wake` once, after `ms`; returns the way to call it off. */
  after(ms: number, wake: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (ms, wake) => {
    const timer = setTimeout(wake, ms);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or at once when `signal` fires; look at the signal to know which. Never rejects. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(ms, finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}

/** Waits for `work`, but no longer than until `signal` fires: then rejects with the signal's reason. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) {
      work.catch(() => undefined);
      return stop();
    }
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
