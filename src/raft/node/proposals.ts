/**
 * Proposals on their way: from the call until the entry is applied, or until nobody can tell any more.
 *
 * An entry is known by index and term. If another is applied at its index, it will never be: it was dropped, and may be
 * proposed again. If this node loses its leadership first, or stops, the outcome is unknown: the entry is in its log, and
 * the next leader may commit it.
 */
import { ZkraftError } from '../../common/index.ts';
import type { RawNode } from '../core/index.ts';
import type { Applied } from '../replicated-log.ts';
import { outcomeUnknown } from './errors.ts';

export interface ProposalLimits {
  /** In flight: queued or in the log, not yet applied. */
  readonly countMax: number;
  readonly bytesMax: number;
  /** Of one command. */
  readonly commandBytesMax: number;
}

export const PROPOSAL_LIMITS: ProposalLimits = {
  countMax: 16_384,
  bytesMax: 32 * 1024 * 1024,
  commandBytesMax: 1024 * 1024,
};

export interface Proposal<Result> {
  readonly data: Uint8Array;
  readonly proposedMs: number;
  readonly resolve: (applied: Applied<Result>) => void;
  readonly reject: (error: ZkraftError) => void;
}

const BATCH_ENTRIES_MAX = 512;

interface Appended<Result> {
  readonly term: number;
  readonly proposal: Proposal<Result>;
}

export class ProposalTable<Result> {
  readonly #limits: ProposalLimits;
  #queue: Proposal<Result>[] = [];
  /** By index. */
  readonly #appended = new Map<number, Appended<Result>>();
  #bytes = 0;
  #count = 0;

  constructor(limits: ProposalLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#count;
  }

  /** Why it cannot be taken now. */
  refusal(lengthBytes: number): ZkraftError | undefined {
    const { countMax, bytesMax, commandBytesMax } = this.#limits;
    if (lengthBytes > commandBytesMax) {
      return new ZkraftError(
        'invalid_request',
        `a command may have ${commandBytesMax} bytes, and this one has ${lengthBytes}`,
      );
    }
    if (this.#count >= countMax || this.#bytes + lengthBytes > bytesMax) {
      return new ZkraftError(
        'overloaded',
        `${this.#count} commands (${this.#bytes} bytes) wait to be committed; try again later`,
      );
    }
    return undefined;
  }

  enqueue(proposal: Proposal<Result>): void {
    this.#count += 1;
    this.#bytes += proposal.data.length;
    this.#queue.push(proposal);
  }

  /** All that waits, to the core, in batches of at most `bytesMax`. */
  give(core: Pick<RawNode, 'proposeBatch'>, bytesMax: number, notLeader: () => ZkraftError): void {
    while (this.#queue.length > 0) {
      const batch = this.#take(BATCH_ENTRIES_MAX, bytesMax);
      const outcome = core.proposeBatch(batch.map(({ data }) => data));
      if (outcome.status === 'appended') {
        this.#appendedAt(batch, outcome.index - batch.length + 1, outcome.term);
      } else if (outcome.status === 'dropped' && outcome.reason === 'too-much-uncommitted') {
        this.#drop(batch, new ZkraftError('overloaded', 'too much waits to be committed; try again later'));
      } else {
        this.#drop(batch, notLeader());
      }
    }
  }

  /** For one batch: at most so many, and at least one if there is one. */
  #take(countMax: number, bytesMax: number): readonly Proposal<Result>[] {
    let count = 0;
    let bytes = 0;
    for (const { data } of this.#queue) {
      bytes += data.length;
      if (count > 0 && (count >= countMax || bytes > bytesMax)) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  /** They stand in the log now, the first at `index`. */
  #appendedAt(batch: readonly Proposal<Result>[], index: number, term: number): void {
    batch.forEach((proposal, i) => {
      // An entry of an earlier term that was cut off again: it is known to be gone only when another is applied there.
      const before = this.#appended.get(index + i);
      if (before !== undefined) this.#settle(before.proposal).reject(outcomeUnknown('another leader came between'));
      this.#appended.set(index + i, { term, proposal });
    });
  }

  /** One that was never queued: its entry stands at `index` already. */
  adopt(proposal: Proposal<Result>, index: number, term: number): void {
    this.#count += 1;
    this.#bytes += proposal.data.length;
    this.#appendedAt([proposal], index, term);
  }

  /** The entry at `index` is applied; whose it was, if it was one of ours. */
  applied(index: number, term: number): Proposal<Result> | undefined {
    const found = this.#appended.get(index);
    if (found === undefined) return undefined;
    this.#appended.delete(index);
    const proposal = this.#settle(found.proposal);
    if (found.term === term) return proposal;
    proposal.reject(new ZkraftError('not_leader', 'another leader came between, and this was dropped; try again'));
    return undefined;
  }

  /** Out of the batch that was taken: nothing has happened to them. */
  #drop(batch: readonly Proposal<Result>[], error: ZkraftError): void {
    for (const proposal of batch) this.#settle(proposal).reject(error);
  }

  dropQueue(error: ZkraftError): void {
    this.#drop(this.#queue.splice(0), error);
  }

  /** What is in the log may be committed by another, or after a restart. */
  loseAppended(error: ZkraftError): void {
    const lost = [...this.#appended.values()];
    this.#appended.clear();
    for (const { proposal } of lost) this.#settle(proposal).reject(error);
  }

  #settle(proposal: Proposal<Result>): Proposal<Result> {
    this.#count -= 1;
    this.#bytes -= proposal.data.length;
    return proposal;
  }
}
