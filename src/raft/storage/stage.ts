/**
 * One batch in the making: what the log will be once it is durable.
 *
 * Calls that wait for the disk are merged here, in order, each checked against the state that the ones before it will
 * have left; so a caller's fault is told at once, and one fsync serves all. Pure.
 */
import { invariant, ZkraftError } from '../../common/index.ts';
import { entryBytes } from '../core/entry-size.ts';
import type { Entry, HardState, LogIndex, SnapshotMetadata, Term } from '../types.ts';
import type { LogAppend } from './log-storage.ts';

export const SNAPSHOTS_KEPT = 2;

/** What a stage builds upon: the durable log, or the stage before. */
export interface LogState {
  readonly hardState: HardState;
  readonly baseIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly snapshots: readonly SnapshotMetadata[];
  term(index: LogIndex): Term | undefined;
}

/** A fault of the caller: nothing was written, and the log is as it was. */
function rule(condition: unknown, message: string): asserts condition {
  if (!condition) throw new ZkraftError('internal', `refused, since it would break the log: ${message}`);
}

export class Stage implements LogState {
  #parent: LogState;
  hardState: HardState;
  baseIndex: LogIndex;
  lastIndex: LogIndex;
  snapshots: readonly SnapshotMetadata[];
  /** Set when a snapshot replaces the whole log. */
  resetTo: SnapshotMetadata | undefined;
  /** Contiguous, up to `lastIndex`; what the parent has from the first of them on is replaced. */
  entries: Entry[] = [];
  bytes = 0;

  constructor(parent: LogState) {
    this.#parent = parent;
    this.hardState = parent.hardState;
    this.baseIndex = parent.baseIndex;
    this.lastIndex = parent.lastIndex;
    this.snapshots = parent.snapshots;
  }

  term(index: LogIndex): Term | undefined {
    if (index < this.baseIndex || index > this.lastIndex) return undefined;
    const first = this.lastIndex - this.entries.length + 1;
    if (index >= first) return this.entries[index - first]?.term;
    if (this.resetTo !== undefined) return this.resetTo.term;
    return this.#parent.term(index);
  }

  /** The parent is durable now: `state` is the same log. */
  rebase(state: LogState): void {
    this.#parent = state;
  }

  /** Throws and changes nothing when a rule of the log is broken. */
  append(write: LogAppend): void {
    const trial = this.#copy();
    if (write.snapshot !== undefined) trial.#restore(write.snapshot);
    if (write.entries !== undefined && write.entries.length > 0) trial.#extend(write.entries);
    if (write.hardState !== undefined) trial.#setHardState(write.hardState);
    trial.#check();
    this.#become(trial);
  }

  recordSnapshot(metadata: SnapshotMetadata): void {
    const newest = this.snapshots.at(-1)?.index ?? 0;
    rule(metadata.index > newest, `a snapshot at ${metadata.index} is not newer than the one at ${newest}`);
    rule(
      metadata.index <= this.hardState.commit,
      `a snapshot at ${metadata.index} holds what is not committed: ${this.hardState.commit} is`,
    );
    const term = this.term(metadata.index);
    rule(term === metadata.term, `a snapshot at ${metadata.index} has term ${metadata.term}, but the log ${term}`);
    this.snapshots = [...this.snapshots, metadata].slice(-SNAPSHOTS_KEPT);
  }

  compact(to: LogIndex): void {
    if (to <= this.baseIndex) return;
    const oldest = this.snapshots[0]?.index ?? 0;
    rule(
      to <= oldest,
      `compacting to ${to} would leave the older of the recorded snapshots, at ${oldest}, without its entries`,
    );
    // Entries that are staged stay, compacted or not: the chain of checksums runs through them.
    this.baseIndex = to;
  }

  #restore(metadata: SnapshotMetadata): void {
    rule(
      metadata.index >= this.hardState.commit && metadata.index > 0,
      `a snapshot at ${metadata.index} is older than the commit index ${this.hardState.commit}`,
    );
    rule(Number.isSafeInteger(metadata.index) && Number.isSafeInteger(metadata.term), 'a snapshot needs whole numbers');
    if (this.term(metadata.index) === metadata.term) {
      // The same entry at the same place: all before it is the same too (log matching), and what follows may be needed.
      const others = this.snapshots.filter((one) => one.index < metadata.index);
      this.snapshots = [...others, metadata].slice(-SNAPSHOTS_KEPT);
    } else {
      this.resetTo = metadata;
      this.baseIndex = metadata.index;
      this.lastIndex = metadata.index;
      this.entries = [];
      this.snapshots = [metadata];
    }
    this.hardState = { ...this.hardState, commit: metadata.index };
  }

  #extend(entries: readonly Entry[]): void {
    const first = entries[0]?.index ?? 0;
    rule(
      first > this.hardState.commit,
      `entry ${first} would replace a committed one; the commit index is ${this.hardState.commit}`,
    );
    rule(first <= this.lastIndex + 1, `entry ${first} would leave a gap: the log ends with ${this.lastIndex}`);
    let term = this.term(first - 1);
    invariant(term !== undefined, `the term of entry ${first - 1} is known`);
    entries.forEach((entry, i) => {
      rule(entry.index === first + i, `entry ${entry.index} stands where ${first + i} should`);
      rule(
        Number.isSafeInteger(entry.term) && entry.term >= (term as Term),
        `entry ${entry.index} has term ${entry.term}, below the one before it, ${term}`,
      );
      term = entry.term;
      this.bytes += entryBytes(entry);
    });
    const firstStaged = this.lastIndex - this.entries.length + 1;
    this.entries = this.entries.slice(0, Math.max(0, first - firstStaged));
    for (const entry of entries) this.entries.push(entry);
    this.lastIndex = first + entries.length - 1;
  }

  #setHardState({ term, vote, commit }: HardState): void {
    const now = this.hardState;
    rule(
      [term, vote, commit].every((n) => Number.isSafeInteger(n) && n >= 0),
      'a hard state is of whole numbers from 0',
    );
    rule(term >= now.term, `the term would fall from ${now.term} to ${term}`);
    rule(
      term > now.term || now.vote === 0 || vote === now.vote,
      `the vote of term ${term} would change from ${now.vote} to ${vote}`,
    );
    rule(commit >= now.commit, `the commit index would fall from ${now.commit} to ${commit}`);
    this.hardState = { term, vote, commit };
  }

  #check(): void {
    const { term, commit } = this.hardState;
    rule(commit <= this.lastIndex, `commit index ${commit} is beyond the last entry, ${this.lastIndex}`);
    const last = this.term(this.lastIndex) ?? 0;
    rule(term >= last, `the last entry is of term ${last}, but the hard state of term ${term}`);
  }

  #copy(): Stage {
    const copy = new Stage(this.#parent);
    copy.#become(this);
    return copy;
  }

  #become(other: Stage): void {
    this.hardState = other.hardState;
    this.baseIndex = other.baseIndex;
    this.lastIndex = other.lastIndex;
    this.snapshots = other.snapshots;
    this.resetTo = other.resetTo;
    // Shared until `extend` replaces it with a slice of its own.
    this.entries = other.entries;
    this.bytes = other.bytes;
  }
}
