/**
 * The members, what the leader knows of each, and the votes of the election under way.
 */
import type { LogIndex, NodeId } from '../types.ts';
import { type Configuration, EMPTY_CONFIGURATION } from './configuration.ts';
import type { Membership } from './membership-change.ts';
import { Progress, type WindowLimits } from './progress.ts';
import { quorumIndex, quorumVote, type VoteResult } from './quorum.ts';

export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

export class Tracker implements Membership {
  readonly limits: WindowLimits;
  #configuration: Configuration = EMPTY_CONFIGURATION;
  /** In the order of ids, which is that of messages. */
  #progress: ReadonlyMap<NodeId, Progress> = new Map();
  readonly #votes = new Map<NodeId, boolean>();

  constructor(limits: WindowLimits) {
    this.limits = limits;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  get progress(): ReadonlyMap<NodeId, Progress> {
    return this.#progress;
  }

  switchTo({ configuration, progress }: Membership): void {
    this.#configuration = configuration;
    this.#progress = progress;
  }

  /** Forgets all that was known: a new term begins. */
  reset(self: NodeId, lastIndex: LogIndex): void {
    this.resetVotes();
    this.#progress = new Map(
      Array.from(this.#progress, ([id, { isLearner }]) => [
        id,
        new Progress(id === self ? lastIndex : 0, lastIndex + 1, isLearner, this.limits),
      ]),
    );
  }

  /** One voter alone: it need ask nobody. */
  get isSingleton(): boolean {
    return this.#configuration.voters.size === 1 && this.#configuration.outgoing.size === 0;
  }

  /** The highest index that is durable on a quorum. */
  quorumMatch(): LogIndex {
    return quorumIndex(this.#configuration, (id) => this.#progress.get(id)?.match);
  }

  quorumActive(): boolean {
    const active = new Map(Array.from(this.#progress, ([id, { recentActive }]) => [id, recentActive]));
    return quorumVote(this.#configuration, active) === 'won';
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first word of a voter counts. */
  recordVote(id: NodeId, granted: boolean): Tally {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
    const counted = [...this.#votes].filter(([voter]) => this.#progress.get(voter)?.isLearner === false);
    const yes = counted.filter(([, vote]) => vote).length;
    return {
      granted: yes,
      rejected: counted.length - yes,
      result: quorumVote(this.#configuration, this.#votes),
    };
  }
}
