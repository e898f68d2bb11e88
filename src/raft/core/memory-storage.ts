/**
 * A durable log that forgets with the process: for tests, simulations and examples of what a storage must do.
 *
 * It keeps what it is given in the order in which it is given. `append` cuts a conflicting suffix, `applySnapshot`
 * forgets every entry, `compact` keeps the term of the last entry it drops.
 */
import {
  type ConfState,
  EMPTY_CONF_STATE,
  EMPTY_HARD_STATE,
  type Entry,
  type HardState,
  type LogIndex,
  type Snapshot,
  type Term,
} from '../types.ts';
import { prefixWithin } from './entry-size.ts';
import { invariant } from './errors.ts';
import type { StorageView } from './storage-view.ts';

const EMPTY_SNAPSHOT: Snapshot = {
  data: new Uint8Array(0),
  metadata: { index: 0, term: 0, confState: EMPTY_CONF_STATE },
};

export class MemoryStorage implements StorageView {
  #hardState: HardState = EMPTY_HARD_STATE;
  #snapshot: Snapshot = EMPTY_SNAPSHOT;
  /** Index and term of the entry before the first. */
  #before: { readonly index: LogIndex; readonly term: Term } = { index: 0, term: 0 };
  #entries: Entry[] = [];

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.metadata.confState };
  }

  entries(lo: LogIndex, hi: LogIndex, bytesMax: number): readonly Entry[] | undefined {
    if (lo <= this.#before.index) return undefined;
    invariant(hi <= this.lastIndex() + 1, () => `entries up to ${hi} asked of a log that ends at ${this.lastIndex()}`);
    return prefixWithin(this.#entries.slice(lo - this.firstIndex(), hi - this.firstIndex()), bytesMax);
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.#before.index) return this.#before.term;
    return this.#entries[index - this.firstIndex()]?.term;
  }

  firstIndex(): LogIndex {
    return this.#before.index + 1;
  }

  lastIndex(): LogIndex {
    return this.#before.index + this.#entries.length;
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** Replaces from the first given index on; what is compacted already is passed over. */
  append(entries: readonly Entry[]): void {
    const fresh = entries.filter((entry) => entry.index > this.#before.index);
    const [first] = fresh;
    if (first === undefined) return;
    const kept = first.index - this.firstIndex();
    invariant(
      kept <= this.#entries.length,
      () => `append at ${first.index} leaves a gap after entry ${this.lastIndex()}`,
    );
    this.#entries.length = kept;
    for (const entry of fresh) this.#entries.push(entry);
  }

  /** As received from a leader: the whole log goes. False, and nothing is done, for one that is not newer. */
  applySnapshot(snapshot: Snapshot): boolean {
    const { index, term } = snapshot.metadata;
    if (this.#snapshot.metadata.index !== 0 && this.#snapshot.metadata.index >= index) return false;
    this.#snapshot = snapshot;
    this.#before = { index, term };
    this.#entries = [];
    return true;
  }

  /** Of this node's own state machine, after applying `index`; entries stay until `compact`. */
  createSnapshot(index: LogIndex, confState: ConfState, data: Uint8Array): Snapshot {
    const term = this.term(index);
    invariant(term !== undefined, () => `snapshot at ${index}, outside of the log that ends at ${this.lastIndex()}`);
    invariant(index > this.#snapshot.metadata.index, () => `snapshot at ${index} is not newer than the last`);
    this.#snapshot = { data, metadata: { index, term, confState } };
    return this.#snapshot;
  }

  /** Drops all entries up to and with `index`. False, and nothing is done, if they are gone already. */
  compact(index: LogIndex): boolean {
    if (index <= this.#before.index) return false;
    const term = this.term(index);
    invariant(term !== undefined, () => `compaction at ${index} of a log that ends at ${this.lastIndex()}`);
    this.#entries = this.#entries.slice(index - this.#before.index);
    this.#before = { index, term };
    return true;
  }
}
