/**
 * Committed entries on their way into the state, a slice at a time, so that applying many does not hold up the event
 * loop: heartbeats go out between slices.
 *
 * A snapshot from the leader stands in the same queue: entries that were committed before it go first.
 */
import type { StorageApply, StorageApplyResponse } from '../core/index.ts';
import type { Entry } from '../types.ts';

interface EntriesWork {
  readonly kind: 'entries';
  readonly entries: readonly Entry[];
  readonly responses: readonly StorageApplyResponse[];
  next: number;
}

interface RestoreWork {
  readonly kind: 'restore';
  readonly restore: () => void;
}

export interface SliceLimits {
  readonly entriesMax: number;
  readonly durationMsMax: number;
}

export const SLICE_LIMITS: SliceLimits = { entriesMax: 2_048, durationMsMax: 5 };
/** Looking at the clock costs more than applying most entries. */
const ENTRIES_PER_LOOK = 16;

export class ApplyQueue {
  readonly #now: () => number;
  readonly #limits: SliceLimits;
  readonly #works: (EntriesWork | RestoreWork)[] = [];

  constructor(now: () => number, limits: SliceLimits = SLICE_LIMITS) {
    this.#now = now;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#works.length === 0;
  }

  push({ entries, responses }: Pick<StorageApply, 'entries' | 'responses'>): void {
    this.#works.push({ kind: 'entries', entries, responses, next: 0 });
  }

  pushRestore(restore: () => void): void {
    this.#works.push({ kind: 'restore', restore });
  }

  /** Applies one slice; `finished` is given the responses of each work that is done. Returns the number of entries. */
  run(apply: (entry: Entry) => void, finished: (response: StorageApplyResponse) => void): number {
    const begunMs = this.#now();
    let count = 0;
    const isOver = (): boolean =>
      count >= this.#limits.entriesMax ||
      (count % ENTRIES_PER_LOOK === 0 && count > 0 && this.#now() - begunMs >= this.#limits.durationMsMax);
    for (let work = this.#works[0]; work !== undefined; work = this.#works[0]) {
      if (work.kind === 'restore') {
        work.restore();
      } else {
        for (; work.next < work.entries.length; work.next += 1) {
          if (isOver()) return count;
          apply(work.entries[work.next] as Entry);
          count += 1;
        }
        for (const response of work.responses) finished(response);
      }
      this.#works.shift();
    }
    return count;
  }
}
