/**
 * Entries for a peer that is far behind, brought into memory before the core reads them.
 *
 * Beyond its cap in memory the log would read the disk on the thread that also answers heartbeats. So the core asks
 * first whether the entries are at hand (`StorageView.isAtHand`); if they are not, it sends that peer none, and here a
 * window of them is read off the thread. Then the core is told, and goes on. The log keeps one window: who has waited
 * longest is served first, and whoever else wants some after it.
 */
import type { LogStorage } from '../storage/index.ts';
import type { LogIndex } from '../types.ts';

export interface ReadAheadOptions {
  readonly log: Pick<LogStorage, 'firstIndex' | 'lastIndex' | 'residentTo' | 'load'>;
  /** Runs `tell` in a turn of the driver, with what lets the core ask again. */
  readonly inTurn: (tell: (askAgain: () => void) => void) => void;
  readonly failed: (error: unknown) => void;
}

export class ReadAhead {
  readonly #options: ReadAheadOptions;
  /** Where peers want to go on. Who came first comes first. */
  #wanted: LogIndex[] = [];
  #isLoading = false;

  constructor(options: ReadAheadOptions) {
    this.#options = options;
  }

  /** Called within the core. What is not at hand is fetched, sooner or later. */
  isAtHand(from: LogIndex): boolean {
    const { log } = this.#options;
    // What is compacted is not waited for: a snapshot takes its place.
    if (from < log.firstIndex() || log.residentTo(from) > from) return true;
    if (!this.#wanted.includes(from)) this.#wanted.push(from);
    this.#loadNext();
    return false;
  }

  #loadNext(): void {
    if (this.#isLoading) return;
    const from = this.#wanted.shift();
    if (from === undefined) return;
    const { log, inTurn, failed } = this.#options;
    this.#isLoading = true;
    log.load(from, log.lastIndex() + 1).then(() => inTurn((askAgain) => this.#loaded(askAgain)), failed);
  }

  /** The core takes what it can from the window before the next one is loaded in its place. */
  #loaded(askAgain: () => void): void {
    const waited = this.#wanted;
    this.#wanted = [];
    askAgain();
    const asked = new Set(this.#wanted);
    // Whoever does not ask any more has got it by another way, or must be heard of first.
    const still = waited.filter((from) => asked.delete(from));
    this.#wanted = [...still, ...asked];
    this.#isLoading = false;
    this.#loadNext();
  }
}
