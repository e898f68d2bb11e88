/**
 * Back-off: how long to wait before the next try. Pure; randomness comes in.
 *
 * The n-th wait lies between half and all of `min(capMs, initialMs * 2^n)`. The lower half is kept because a fleet that
 * lost its coordinator must not come back in one instant, nor may a lucky draw of zero make one worker hammer.
 * `reset` belongs after a success that lasted, not after a connection that was merely accepted: otherwise a peer that
 * accepts and hangs up is called in a hot loop.
 */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly capMs: number;
}

export interface Backoff {
  /** Waits handed out since the last reset. */
  readonly attempts: number;
  nextMs(): number;
  reset(): void;
}

/** `random` returns numbers in [0, 1), as Math.random does. */
export function createBackoff({ initialMs, capMs }: BackoffOptions, random: () => number): Backoff {
  let attempts = 0;
  return {
    get attempts() {
      return attempts;
    },
    nextMs() {
      // 2^53 ms is far beyond any cap; the exponent stops so that it never becomes Infinity.
      const fullMs = Math.min(capMs, initialMs * 2 ** Math.min(attempts, 40));
      attempts += 1;
      return fullMs / 2 + (fullMs / 2) * random();
    },
    reset() {
      attempts = 0;
    },
  };
}
