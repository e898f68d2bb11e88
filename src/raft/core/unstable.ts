/**
 * The tail of the log that is not known to be durable: entries from `offset` on, and a snapshot that came before them.
 *
 * Each goes two steps: handed over to storage (so that the next `Ready` does not hand it over again), then stable (and
 * forgotten here). With asynchronous writes a whole queue can be between the two, and by the time a write is
 * acknowledged its entries may have been replaced by those of another leader, or even by others and then by equal
 * indexes again. Hence an acknowledgement names the term of its last entry, and counts only if that is still what
 * stands there; the core drops acknowledgements of an earlier term of its own.
 */
import type { Entry, LogIndex, Snapshot, Term } from '../types.ts';
import { invariant } from './errors.ts';
import type { EntryId } from './message.ts';

export class UnstableTail {
  #offset: LogIndex;
  #entries: Entry[] = [];
  #snapshot: Snapshot | undefined;
  /** The first index that was not handed over. */
  #pending: LogIndex;
  #snapshotHandedOver = false;

  constructor(offset: LogIndex) {
    this.#offset = offset;
    this.#pending = offset;
  }

  /** Everything before this index is durable, or in `snapshot`. */
  get offset(): LogIndex {
    return this.#offset;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Of the entries, else of the snapshot; `undefined` when there are neither. */
  get lastIndex(): LogIndex | undefined {
    return this.isEmpty ? this.#snapshot?.metadata.index : this.#end - 1;
  }

  get #end(): LogIndex {
    return this.#offset + this.#entries.length;
  }

  term(index: LogIndex): Term | undefined {
    if (this.#snapshot?.metadata.index === index) return this.#snapshot.metadata.term;
    return this.#entries[index - this.#offset]?.term;
  }

  slice(lo: LogIndex, hi: LogIndex): readonly Entry[] {
    invariant(
      this.#offset <= lo && lo <= hi && hi <= this.#end,
      () => `no entries [${lo}, ${hi}) in the unstable tail`,
    );
    return this.#entries.slice(lo - this.#offset, hi - this.#offset);
  }

  get hasPendingEntries(): boolean {
    return this.#pending < this.#end;
  }

  pendingEntries(): readonly Entry[] {
    return this.slice(this.#pending, this.#end);
  }

  pendingSnapshot(): Snapshot | undefined {
    return this.#snapshotHandedOver ? undefined : this.#snapshot;
  }

  handOver(): void {
    this.#pending = this.#end;
    this.#snapshotHandedOver = this.#snapshot !== undefined;
  }

  /** Storage has written up to this entry. False if that says nothing about what stands here now. */
  stableTo(id: EntryId): boolean {
    if (id.index < this.#offset || this.#entries[id.index - this.#offset]?.term !== id.term) return false;
    this.#entries = this.#entries.slice(id.index + 1 - this.#offset);
    this.#offset = id.index + 1;
    this.#pending = Math.max(this.#pending, this.#offset);
    return true;
  }

  snapshotStableTo(index: LogIndex): void {
    if (this.#snapshot?.metadata.index !== index) return;
    this.#snapshot = undefined;
    this.#snapshotHandedOver = false;
  }

  /** The whole log is now this snapshot. */
  restore(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#snapshotHandedOver = false;
    this.#entries = [];
    this.#offset = snapshot.metadata.index + 1;
    this.#pending = this.#offset;
  }

  /** Puts entries at their index, and forgets what stood there and after. What was handed over of that goes again. */
  replaceFrom(entries: readonly Entry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    invariant(first.index <= this.#end, () => `entry ${first.index} leaves a gap after ${this.#end - 1}`);
    if (first.index === this.#end) {
      // Appending in place: whoever got a slice has a copy.
      for (const entry of entries) this.#entries.push(entry);
      return;
    }
    this.#entries = [...this.#entries.slice(0, Math.max(first.index - this.#offset, 0)), ...entries];
    this.#offset = Math.min(this.#offset, first.index);
    this.#pending = Math.min(this.#pending, first.index);
  }
}
