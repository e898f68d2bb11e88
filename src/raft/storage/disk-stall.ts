/**
 * A stalled disk must cost leadership (rule 3): a leader that cannot write still sends heartbeats, and nothing commits.
 *
 * Pure policy over an injected clock: the node asks `verdict` at each tick. One call is one wait for the disk; the
 * oldest unfinished one counts, whether it is being synced or queued behind others.
 */
export type StallVerdict =
  /** All is well. */
  | 'well'
  /** Step down if leading, and do not campaign. */
  | 'step-down'
  /** Exit: an operator, or a supervisor, must see it. */
  | 'exit';

export interface DiskStallOptions {
  readonly electionTimeoutMs: number;
  readonly exitAfterMs?: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

const ELECTION_TIMEOUTS = 2;
const EXIT_AFTER_MS = 10_000;

export class DiskStallWatch {
  readonly #stepDownAfterMs: number;
  readonly #exitAfterMs: number;
  readonly #now: () => number;
  /** Of the unfinished ones, in order of their beginning. */
  readonly #begunMs = new Map<number, number>();
  #next = 0;

  constructor(options: DiskStallOptions) {
    this.#stepDownAfterMs = options.electionTimeoutMs * ELECTION_TIMEOUTS;
    this.#exitAfterMs = options.exitAfterMs ?? EXIT_AFTER_MS;
    this.#now = options.now;
  }

  /** A call waits for the disk from now on; what is returned says that it has its answer. */
  begin(): () => void {
    const id = this.#next;
    this.#next += 1;
    this.#begunMs.set(id, this.#now());
    return () => {
      this.#begunMs.delete(id);
    };
  }

  /** 0 when nothing waits. */
  get oldestWaitMs(): number {
    // A Map gives its keys in the order in which they came: the first is the oldest.
    for (const begunMs of this.#begunMs.values()) return this.#now() - begunMs;
    return 0;
  }

  verdict(): StallVerdict {
    const waitMs = this.oldestWaitMs;
    if (waitMs > this.#exitAfterMs) return 'exit';
    return waitMs > this.#stepDownAfterMs ? 'step-down' : 'well';
  }
}
