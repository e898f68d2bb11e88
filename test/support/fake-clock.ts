/** A clock that only moves when told to. Timers fire in order of their time, within `advance`. */
import type { Clock } from '../../src/worker/index.ts';

export class FakeClock implements Clock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly wake: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, wake: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, wake };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets `ms` pass; after each timer and at the end, real I/O gets `breathMs` of real time. */
  async advance(ms: number, breathMs = 0): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#timers = this.#timers.filter((other) => other !== next);
      next.wake();
      await new Promise((resolve) => setTimeout(resolve, breathMs));
    }
    this.#nowMs = endMs;
    await new Promise((resolve) => setTimeout(resolve, breathMs));
  }
}
