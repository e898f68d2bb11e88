/**
 * What a leader knows of one member's log, and how it feeds it.
 *
 * - `probe`: where the logs part is not known; one message at a time, until it is answered.
 * - `replicate`: entries go out without waiting, as far as the window (`inflights.ts`) allows.
 * - `snapshot`: what it needs is compacted; a snapshot is under way, and nothing else goes out.
 *
 * Always `match < next`: `match` is acknowledged as durable, `next` is what is sent next.
 */
import type { LogIndex } from '../types.ts';
import { invariant } from './errors.ts';
import { Inflights } from './inflights.ts';

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export interface WindowLimits {
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
}

export class Progress {
  match: LogIndex;
  next: LogIndex;
  state: ProgressState = 'probe';
  /** Index of the snapshot under way, in state `snapshot`. */
  pendingSnapshot: LogIndex = 0;
  /** It has answered since quorum was last checked. */
  recentActive = false;
  /** Nothing goes out until the next answer or heartbeat response. */
  paused = false;
  isLearner: boolean;
  inflights: Inflights;
  /** The highest commit index this member was told or will have been told by what is on its way. */
  #sentCommit: LogIndex = 0;

  constructor(match: LogIndex, next: LogIndex, isLearner: boolean, limits: WindowLimits) {
    this.match = match;
    this.next = next;
    this.isLearner = isLearner;
    this.inflights = new Inflights(limits.maxInflightMessages, limits.maxInflightBytes);
  }

  /** The same knowledge, in another role. */
  as(isLearner: boolean): Progress {
    const copy = this.clone();
    copy.isLearner = isLearner;
    return copy;
  }

  clone(): Progress {
    const copy = new Progress(this.match, this.next, this.isLearner, {
      maxInflightMessages: this.inflights.messagesMax,
      maxInflightBytes: this.inflights.bytesMax,
    });
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.recentActive = this.recentActive;
    copy.paused = this.paused;
    copy.inflights = this.inflights.clone();
    copy.#sentCommit = this.#sentCommit;
    return copy;
  }

  /** A probe after a snapshot starts behind it: that it arrived is known, that it was applied is what is probed. */
  becomeProbe(): void {
    const next = Math.max(this.match, this.pendingSnapshot) + 1;
    this.#enter('probe');
    this.next = next;
    this.#forgetCommitBeyondNext();
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: LogIndex): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.paused = false;
    this.pendingSnapshot = 0;
    this.inflights.clear();
  }

  /** Nothing may be sent now. */
  get blocked(): boolean {
    return this.state === 'snapshot' || this.paused;
  }

  /** An append message with so many entries went out, and said that `commit` is committed. */
  sentAppend(entries: number, bytes: number, commit: LogIndex): void {
    invariant(this.state !== 'snapshot', () => 'append sent to a member that waits for a snapshot');
    if (this.state === 'replicate') {
      if (entries > 0) {
        this.next += entries;
        this.inflights.add(this.next - 1, bytes);
      }
      this.paused = this.inflights.full;
    } else if (entries > 0) {
      this.paused = true;
    }
    this.#sentCommit = commit;
  }

  /** An append went out without the entries that belong into it: a probe all the same, and one at a time. */
  withheld(): void {
    if (this.state === 'probe') this.paused = true;
  }

  sentHeartbeat(commit: LogIndex): void {
    this.#sentCommit = commit;
  }

  /** An empty append would teach it a higher commit index: one that is of use to it, and that it was not sent. */
  wantsCommit(commit: LogIndex): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** It has everything up to `index`. False if that was known. */
  acknowledge(index: LogIndex): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.paused = false;
    return true;
  }

  /**
   * It refused to append after `refused`, and has nothing that could match beyond `hint`. False if that is old news:
   * a message that was overtaken by later ones.
   */
  refuse(refused: LogIndex, hint: LogIndex): boolean {
    if (this.state === 'replicate') {
      if (refused <= this.match) return false;
      // What was sent without waiting is lost from somewhere on: everything after `match` goes out again.
      this.next = this.match + 1;
    } else {
      if (refused !== this.next - 1) return false;
      this.next = Math.max(Math.min(refused, hint + 1), this.match + 1);
      this.paused = false;
    }
    this.#forgetCommitBeyondNext();
    return true;
  }

  /** A commit index beyond what is known to arrive may not have arrived either. */
  #forgetCommitBeyondNext(): void {
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }
}
