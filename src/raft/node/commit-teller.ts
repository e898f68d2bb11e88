/**
 * When a leader tells a commit index that no entries carry.
 *
 * Under load the next entries carry it, and a message of its own would be one more for each commit. So the core holds it
 * back (`holdCommits`), and here it goes out once it may wait no longer.
 */
import type { RawNode } from '../core/index.ts';
import type { Runtime } from './ports.ts';

export interface CommitTellerOptions {
  readonly runtime: Pick<Runtime, 'after'>;
  /** 0: nothing is held back. */
  readonly commitTimeoutMs: number;
  /** Runs `work` in a turn of the driver. */
  readonly inTurn: (work: (core: Pick<RawNode, 'tellCommit'>) => void) => void;
}

export class CommitTeller {
  readonly #options: CommitTellerOptions;
  #callOff: (() => void) | undefined;

  constructor(options: CommitTellerOptions) {
    this.#options = options;
  }

  /** After each turn. From the first index that is held back on, it takes `commitTimeoutMs` at most. */
  consider(core: Pick<RawNode, 'holdsCommit'>): void {
    const { runtime, commitTimeoutMs, inTurn } = this.#options;
    if (commitTimeoutMs === 0 || this.#callOff !== undefined || !core.holdsCommit) return;
    this.#callOff = runtime.after(commitTimeoutMs, () => {
      this.#callOff = undefined;
      inTurn((inner) => inner.tellCommit());
    });
  }

  stop(): void {
    this.#callOff?.();
  }
}
