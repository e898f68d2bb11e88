/**
 * The core's clock: a tick is a tenth of the time that is waited for now, and comes with how late it was.
 *
 * A late tick is one tick: after a pause of the process, what arrived meanwhile is handled before anything times out.
 */
import type { Runtime } from './ports.ts';

export interface TickerOptions {
  readonly runtime: Runtime;
  readonly tickMs: () => number;
  readonly tick: () => void;
  /** How late the event loop was. */
  readonly lag: (lagMs: number) => void;
}

export class Ticker {
  readonly #options: TickerOptions;
  #cancel: () => void = () => {};

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  start(): void {
    const { runtime, tickMs, tick, lag } = this.#options;
    const waitMs = tickMs();
    const dueMs = runtime.now() + waitMs;
    this.#cancel = runtime.after(waitMs, () => {
      lag(Math.max(0, runtime.now() - dueMs));
      this.start();
      tick();
    });
  }

  stop(): void {
    this.#cancel();
  }
}
