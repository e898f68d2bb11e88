/**
 * How many requests may wait for a task at once: in all, and for one client, so that one cannot take all places.
 */
import { ZkraftError } from '../common/index.ts';

export interface LongPollLimits {
  readonly max: number;
  readonly perClientMax: number;
}

export class LongPolls {
  readonly #limits: LongPollLimits;
  readonly #byClient = new Map<string, number>();
  #open = 0;

  constructor(limits: LongPollLimits) {
    this.#limits = limits;
  }

  get open(): number {
    return this.#open;
  }

  /** Takes a place; the answer gives it back, once. Throws `rate_limited` or `overloaded` when there is none. */
  enter(client: string): () => void {
    const own = this.#byClient.get(client) ?? 0;
    if (own >= this.#limits.perClientMax) {
      throw new ZkraftError(
        'rate_limited',
        `${own} of your requests are waiting, the most that may; ask without wait, or later`,
        { field: 'wait' },
      );
    }
    if (this.#open >= this.#limits.max) {
      throw new ZkraftError('overloaded', 'too many requests are waiting; ask without wait, or later', {
        field: 'wait',
      });
    }
    this.#open += 1;
    this.#byClient.set(client, own + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#open -= 1;
      const remaining = (this.#byClient.get(client) ?? 1) - 1;
      if (remaining === 0) this.#byClient.delete(client);
      else this.#byClient.set(client, remaining);
    };
  }
}
