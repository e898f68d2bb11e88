/**
 * The log as the protocol sees it: the durable part, and behind it the tail that is not durable yet.
 *
 * Always `applied <= applying <= committed <= lastIndex`. Committed entries are handed to the state machine in pages of
 * at most `bytesMax`, and with asynchronous application no further page goes out while that much is being applied.
 *
 * One surprise: with asynchronous writes an entry is handed out for application only once it is durable here, even
 * though a quorum has it; a node that applied what its own disk does not hold could restart behind its own state.
 */
import type { Entry, LogIndex, Snapshot, Term } from '../types.ts';
import { prefixWithin, sumOfEntryBytes } from './entry-size.ts';
import { invariant } from './errors.ts';
import type { CoreLogger } from './logger.ts';
import type { AppendMessage, EntryId } from './message.ts';
import type { StorageView } from './storage-view.ts';
import { UnstableTail } from './unstable.ts';

export class RaftLog {
  readonly #storage: StorageView;
  readonly #unstable: UnstableTail;
  readonly #logger: CoreLogger;
  /** Of committed entries in the hands of the state machine. */
  readonly #applyingBytesMax: number;
  #applyingBytes = 0;
  /** The state machine has its fill, or got only a part of what there was: the rest waits for an acknowledgement. */
  #applyingPaused = false;
  #committed: LogIndex;
  #applying: LogIndex;
  #applied: LogIndex;

  constructor(storage: StorageView, applyingBytesMax: number, logger: CoreLogger) {
    const before = storage.firstIndex() - 1;
    this.#storage = storage;
    this.#unstable = new UnstableTail(storage.lastIndex() + 1);
    this.#logger = logger;
    this.#applyingBytesMax = applyingBytesMax;
    this.#committed = before;
    this.#applying = before;
    this.#applied = before;
  }

  get committed(): LogIndex {
    return this.#committed;
  }

  get applied(): LogIndex {
    return this.#applied;
  }

  get applyingBytesMax(): number {
    return this.#applyingBytesMax;
  }

  get unstable(): UnstableTail {
    return this.#unstable;
  }

  firstIndex(): LogIndex {
    const snapshot = this.#unstable.snapshot;
    return snapshot === undefined ? this.#storage.firstIndex() : snapshot.metadata.index + 1;
  }

  lastIndex(): LogIndex {
    return this.#unstable.lastIndex ?? this.#storage.lastIndex();
  }

  /** `undefined` before the log (compacted) and behind it. */
  term(index: LogIndex): Term | undefined {
    if (index > this.lastIndex() || index + 1 < this.firstIndex()) return undefined;
    return this.#unstable.term(index) ?? this.#storage.term(index);
  }

  last(): EntryId {
    const index = this.lastIndex();
    const term = this.term(index);
    invariant(term !== undefined, () => `storage does not know the term of its last entry, ${index}`);
    return { term, index };
  }

  matches(id: EntryId): boolean {
    return this.term(id.index) === id.term;
  }

  /** Paper, 5.4.1: a candidate with this last entry misses nothing that is here. */
  isUpToDate(candidate: EntryId): boolean {
    const last = this.last();
    return candidate.term === last.term ? candidate.index >= last.index : candidate.term > last.term;
  }

  /** Entries from `lo` on, at least one if there is any; `undefined` if `lo` is compacted. */
  entriesFrom(lo: LogIndex, bytesMax: number, countMax: number): readonly Entry[] | undefined {
    const end = Math.min(this.lastIndex() + 1, lo + countMax);
    return lo > this.lastIndex() ? [] : this.slice(lo, end, bytesMax);
  }

  /** Whether reading from `lo` on waits for nothing. */
  isAtHand(lo: LogIndex): boolean {
    return lo >= this.#unstable.offset || this.#storage.isAtHand?.(lo) !== false;
  }

  /** Entries `lo` to `hi - 1` as far as `bytesMax` goes; `undefined` if `lo` is compacted. */
  slice(lo: LogIndex, hi: LogIndex, bytesMax: number): readonly Entry[] | undefined {
    invariant(lo <= hi && hi <= this.lastIndex() + 1, () => `no entries [${lo}, ${hi}) up to ${this.lastIndex()}`);
    if (lo < this.firstIndex()) return undefined;
    if (lo === hi) return [];
    const { offset } = this.#unstable;
    if (lo >= offset) return prefixWithin(this.#unstable.slice(lo, hi), bytesMax);

    const durableEnd = Math.min(hi, offset);
    const durable = this.#storage.entries(lo, durableEnd, bytesMax);
    if (durable === undefined) return undefined;
    invariant(durable.length > 0, () => `storage gives no entry at ${lo}, though it has some up to ${durableEnd - 1}`);
    const bytes = sumOfEntryBytes(durable);
    if (hi <= offset || durable.length < durableEnd - lo || bytes >= bytesMax) return durable;
    const tail = prefixWithin(this.#unstable.slice(offset, hi), bytesMax - bytes);
    // The first of a page may be too large for it, the first of a continuation may not.
    return tail.length === 1 && bytes + sumOfEntryBytes(tail) > bytesMax ? durable : [...durable, ...tail];
  }

  /** A new leader's and a client's entries, at the end of the log. */
  append(entries: readonly Entry[]): void {
    const [first] = entries;
    invariant(
      first === undefined || first.index > this.#committed,
      () => `entry ${first?.index} would replace one of ${this.#committed} committed`,
    );
    this.#unstable.replaceFrom(entries);
  }

  /**
   * Paper, Figure 2, AppendEntries 2 to 5. The last entry that is now the same as the leader's, or `undefined` if
   * `previous` is not here. What is here already is left alone, so that a message that comes late cuts nothing off; and
   * nothing counts as committed that this message does not vouch for.
   */
  tryAppend({ previous, entries, commit }: AppendMessage): LogIndex | undefined {
    if (!this.matches(previous)) return undefined;
    const conflict = entries.findIndex((entry) => !this.matches(entry));
    if (conflict >= 0) this.append(entries.slice(conflict));
    const last = previous.index + entries.length;
    this.commitTo(Math.min(commit, last));
    return last;
  }

  /**
   * The last entry at `index` or before whose term is not over `term`: nothing between could match a log whose terms
   * end with `term` there. Term 0 where this log does not reach back.
   */
  lastNotOver(index: LogIndex, term: Term): EntryId {
    for (let at = index; at > 0; at--) {
      const own = this.term(at);
      if (own === undefined) return { term: 0, index: at };
      if (own <= term) return { term: own, index: at };
    }
    return { term: 0, index: 0 };
  }

  commitTo(index: LogIndex): void {
    if (index <= this.#committed) return;
    invariant(
      index <= this.lastIndex(),
      () =>
        `entry ${index} is committed but the log ends at ${this.lastIndex()}: entries that were acknowledged are lost`,
    );
    this.#committed = index;
  }

  /** Paper, 5.4.2: by counting, a leader commits only entries of its own term. */
  tryCommit(id: EntryId): boolean {
    if (id.index <= this.#committed || !this.matches(id)) return false;
    this.commitTo(id.index);
    return true;
  }

  // Application.

  get hasSnapshotUnderway(): boolean {
    return this.#unstable.snapshot !== undefined;
  }

  /** Up to where entries may be applied now. */
  #appliableTo(allowUnstable: boolean): LogIndex {
    return allowUnstable ? this.#committed : Math.min(this.#committed, this.#unstable.offset - 1);
  }

  hasCommittedPage(allowUnstable: boolean): boolean {
    return !this.#applyingPaused && !this.hasSnapshotUnderway && this.#applying < this.#appliableTo(allowUnstable);
  }

  committedPage(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasCommittedPage(allowUnstable)) return [];
    const hi = this.#appliableTo(allowUnstable) + 1;
    const page = this.slice(this.#applying + 1, hi, this.#applyingBytesMax - this.#applyingBytes);
    invariant(page !== undefined, () => `entry ${this.#applying + 1} was compacted before it was applied`);
    return page;
  }

  /** The page was handed out. */
  applyingPage(page: readonly Entry[], allowUnstable: boolean): void {
    const last = page.at(-1);
    if (last === undefined) return;
    this.#applying = last.index;
    this.#applyingBytes += sumOfEntryBytes(page);
    this.#applyingPaused =
      this.#applyingBytes >= this.#applyingBytesMax || last.index < this.#appliableTo(allowUnstable);
  }

  appliedTo(index: LogIndex, bytes: number): void {
    invariant(
      this.#applied <= index && index <= this.#committed,
      () => `entry ${index} applied, after ${this.#applied} and with ${this.#committed} committed`,
    );
    this.#applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(this.#applyingBytes - bytes, 0);
    this.#applyingPaused = this.#applyingBytes >= this.#applyingBytesMax;
  }

  // Durability and snapshots.

  stableTo(id: EntryId): void {
    if (!this.#unstable.stableTo(id))
      this.#logger('info', () => `write up to entry ${id.term}/${id.index} is not what stands there now; ignored`);
  }

  snapshotStableTo(index: LogIndex): void {
    this.#unstable.snapshotStableTo(index);
  }

  snapshot(): Snapshot | undefined {
    return this.#unstable.snapshot ?? this.#storage.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.#committed = snapshot.metadata.index;
    this.#unstable.restore(snapshot);
  }
}
