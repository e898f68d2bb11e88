/**
 * Reads that wait for proof that the leader still led when they were asked. Thesis, section 6.4.
 *
 * Reads are numbered within a term. A heartbeat carries the number of the newest one, and a follower's answer says
 * that it followed at that time: this confirms that read and all before it. So many reads share one round, and an
 * answer that is lost is made up for by any later one.
 */
import type { LogIndex, NodeId } from '../types.ts';
import { quorumIndex, type VoterHalves } from './quorum.ts';

export interface ReadRequest {
  readonly origin: NodeId;
  readonly context: Uint8Array;
}

export interface IndexedRead extends ReadRequest {
  /** What was committed when the read was asked. */
  readonly index: LogIndex;
}

export class ReadQueue {
  #waiting: IndexedRead[] = [];
  #confirmed = 0;
  /** The last round that each voter has answered. */
  readonly #answered = new Map<NodeId, number>();

  get length(): number {
    return this.#waiting.length;
  }

  /** What a heartbeat carries: the newest read's number, or 0 if none waits. */
  get round(): number {
    return this.#waiting.length === 0 ? 0 : this.#confirmed + this.#waiting.length;
  }

  add(read: IndexedRead): void {
    this.#waiting.push(read);
  }

  answered(voter: NodeId, round: number): void {
    this.#answered.set(voter, Math.max(this.#answered.get(voter) ?? 0, round));
  }

  /** Takes out what a quorum has confirmed. */
  confirmed(halves: VoterHalves): readonly IndexedRead[] {
    const upTo = Math.min(
      quorumIndex(halves, (voter) => this.#answered.get(voter)),
      this.#confirmed + this.#waiting.length,
    );
    if (upTo <= this.#confirmed) return [];
    const reads = this.#waiting.splice(0, upTo - this.#confirmed);
    this.#confirmed = upTo;
    return reads;
  }

  clear(): void {
    this.#waiting = [];
    this.#confirmed = 0;
    this.#answered.clear();
  }
}
