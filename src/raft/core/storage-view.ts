/**
 * What the core reads of the durable log. It never writes: what is to be written comes out with each `Ready`.
 *
 * All of it is synchronous, so the host keeps the uncompacted tail (or at least its terms, and what peers still want of
 * it) in memory. The view must show what was handed over as written in order: with storage writes in step, all that
 * earlier `Ready`s asked for; with asynchronous writes, all that was acknowledged to the core.
 */
import type { ConfState, Entry, HardState, LogIndex, Snapshot, Term } from '../types.ts';

export interface StorageView {
  /** Read once, when the core starts. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /**
   * Entries `lo` to `hi - 1`: the first always, further ones as long as all together are at most `bytesMax`
   * (`entryBytes`). `undefined` if `lo` is compacted. `hi` is at most `lastIndex() + 1`.
   */
  entries(lo: LogIndex, hi: LogIndex, bytesMax: number): readonly Entry[] | undefined;
  /**
   * Whether `entries` from `lo` on can be had without waiting for the disk. Asked before entries are read for a member;
   * while it says no, that member is sent none, and `RawNode.reportAtHand` makes the core ask again. Left out: always.
   */
  isAtHand?(lo: LogIndex): boolean;
  /**
   * The term of an entry between `firstIndex() - 1` and `lastIndex()`; `undefined` outside. The one before the first is
   * known even though its entry is not: it is the last that was compacted.
   */
  term(index: LogIndex): Term | undefined;
  /** The first entry that `entries` can give; `lastIndex() + 1` if there is none. */
  firstIndex(): LogIndex;
  /** The last entry; if there is none, the index of the snapshot before them, or 0. */
  lastIndex(): LogIndex;
  /** The newest snapshot, or `undefined` while it cannot be had; the core then asks again later. */
  snapshot(): Snapshot | undefined;
}
