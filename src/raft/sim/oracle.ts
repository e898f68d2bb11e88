/**
 * Sees everything, and says what does not hold. Nothing here is asked of the nodes that they could not answer wrongly:
 * it looks at messages as they are sent, at writes as they become durable, and at entries as they are applied.
 *
 * Names of the properties after Raft, figure 3; what they come to here is said in `violation.ts`.
 */
import type { PeerMessage } from '../core/index.ts';
import type { LogEntry } from '../replicated-log.ts';
import type { LogAppend, LogStorage } from '../storage/index.ts';
import type { ConfState, Entry, LogIndex, NodeId, Term } from '../types.ts';
import type { Coverage } from './coverage.ts';
import { DurableTerms } from './durable-terms.ts';
import { CommitHistory } from './history-of-commits.ts';
import { type Invariant, Violation } from './violation.ts';

/** What a node says of itself, after each of its events. */
export interface NodeView {
  readonly nodeId: NodeId;
  readonly isLeader: boolean;
  readonly term: Term;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly confState: ConfState | undefined;
}

interface Known {
  log: LogStorage;
  durable: DurableTerms;
  view: NodeView | undefined;
  /** The highest term in which it has promised anything. */
  promisedTerm: Term;
  /** Candidate by term. */
  readonly votes: Map<Term, NodeId>;
}

export class Oracle {
  readonly #coverage: Coverage;
  readonly #nodes = new Map<NodeId, Known>();
  readonly #leaders = new Map<Term, NodeId>();
  /** By term: what its leader's log has at an index, as far as it was sent. */
  readonly #sent = new Map<Term, Map<LogIndex, Term>>();
  /** By index and term: the entry, and the term of the one before it. */
  readonly #entries = new Map<LogIndex, Map<Term, { readonly entry: Entry; readonly previousTerm: Term }>>();
  readonly commits = new CommitHistory();
  #violation: Violation | undefined;

  constructor(coverage: Coverage) {
    this.#coverage = coverage;
  }

  /** The first. It is kept and not thrown: what is looked at here happens within a node, which would take it for its own. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** The last entry that is durable at a node. */
  lastOf(nodeId: NodeId): LogIndex | undefined {
    return this.#nodes.get(nodeId)?.durable.last;
  }

  violated(invariant: Invariant, message: string): void {
    this.#violation ??= new Violation(invariant, message);
  }

  /** A node's log is open: new, or again after a restart. */
  opened(nodeId: NodeId, log: LogStorage): void {
    const before = this.#nodes.get(nodeId);
    const known: Known = before ?? {
      log,
      durable: DurableTerms.of(log),
      view: undefined,
      promisedTerm: 0,
      votes: new Map(),
    };
    known.log = log;
    known.durable = DurableTerms.of(log);
    known.view = undefined;
    this.#nodes.set(nodeId, known);
    const { term } = log.initialState().hardState;
    if (term < known.promisedTerm) {
      this.violated('durable-promise', `node ${nodeId} comes back in term ${term}, but spoke in ${known.promisedTerm}`);
    }
  }

  written(nodeId: NodeId, write: LogAppend): void {
    const known = this.#node(nodeId);
    const { replaced, isReset } = known.durable.write(write);
    if (isReset) this.#coverage.add('logsReplaced');
    if (replaced.length > 0) this.#coverage.add('truncations');
    const now = write.hardState?.term ?? known.log.initialState().hardState.term;
    for (const { index, term } of replaced) {
      // A leader of an earlier term than the one in which it was committed may not know it, and is not heard for long.
      const inTerm = this.commits.committedIn(index) ?? Number.POSITIVE_INFINITY;
      if (this.commits.term(index) === term && now >= inTerm) {
        this.violated('leader-completeness', `node ${nodeId} replaces entry ${index} of term ${term}, a committed one`);
      }
    }
    for (const entry of write.entries ?? []) this.#register(known, nodeId, entry);
  }

  compacted(nodeId: NodeId, to: LogIndex): void {
    this.#node(nodeId).durable.compact(to);
  }

  /** A message leaves `nodeId`. */
  sends(nodeId: NodeId, message: PeerMessage): void {
    const known = this.#node(nodeId);
    const { hardState } = known.log.initialState();
    switch (message.type) {
      case 'append':
        this.#leads(nodeId, message.term);
        this.#noteSent(message.term, message.entries);
        return;
      case 'heartbeat':
      case 'snapshot':
      case 'timeout-now':
        this.#leads(nodeId, message.term);
        return;
      case 'vote-response':
        if (message.granted) this.#votes(known, nodeId, message.term, message.to, hardState);
        return;
      case 'append-response':
        if (message.refused === undefined && message.term > 0) this.#acknowledges(known, nodeId, message, hardState);
        return;
    }
  }

  /** After an event of the node. */
  look(view: NodeView): void {
    const known = this.#nodes.get(view.nodeId);
    if (known === undefined) return;
    const before = known.view;
    known.view = view;
    if (view.isLeader) this.#leads(view.nodeId, view.term);
    if (before !== undefined) {
      for (const what of ['term', 'commitIndex', 'appliedIndex'] as const) {
        if (view[what] < before[what]) {
          this.violated('monotone', `${what} of node ${view.nodeId} falls from ${before[what]} to ${view[what]}`);
        }
      }
    }
    if (view.appliedIndex > view.commitIndex) {
      this.violated('monotone', `node ${view.nodeId} applied ${view.appliedIndex}, but committed ${view.commitIndex}`);
    }
    if (view.confState !== undefined && view.confState.votersOutgoing.length > 0) {
      if (before?.confState !== view.confState) this.#coverage.add('jointChanges');
    }
    if (view.commitIndex > this.commits.last) this.#checkCommit(view, before);
  }

  /** `chain` is the node's digest of all that it applied, this entry included. */
  applies(nodeId: NodeId, entry: LogEntry, chain: number): void {
    const first = this.commits.apply(entry, chain);
    if (first !== undefined && (first.chain !== chain || first.entry.term !== entry.term)) {
      this.violated(
        'state-machine-safety',
        `node ${nodeId} applies entry ${entry.index} of term ${entry.term}; another applied a different one, of term ${first.entry.term}`,
      );
    }
  }

  restores(nodeId: NodeId, index: LogIndex, chain: number): void {
    const expected = this.commits.chainAt(index);
    if (expected !== undefined && expected !== chain) {
      this.violated('state-machine-safety', `node ${nodeId} restores a snapshot at ${index} of another history`);
    }
  }

  #register(known: Known, nodeId: NodeId, entry: Entry): void {
    const { index, term } = entry;
    const previousTerm = known.durable.term(index - 1) ?? 0;
    const atIndex = this.#entries.get(index) ?? new Map<Term, { entry: Entry; previousTerm: Term }>();
    this.#entries.set(index, atIndex);
    const same = atIndex.get(term);
    if (same === undefined) atIndex.set(term, { entry, previousTerm });
    else if (!isSameEntry(same.entry, entry)) {
      this.violated('log-matching', `entry ${index} of term ${term} is not the same on node ${nodeId} as elsewhere`);
    } else if (same.previousTerm !== previousTerm && index - 1 > known.durable.base) {
      this.violated(
        'log-matching',
        `before entry ${index} of term ${term}, node ${nodeId} has term ${previousTerm}, another has ${same.previousTerm}`,
      );
    }
    if (this.#leaders.get(term) !== nodeId) return;
    if (previousTerm !== term) this.#checkCompleteness(known, nodeId, entry);
    if (entry.type !== 'normal' && entry.data.length > 0) this.#checkChangeInTurn(nodeId, entry);
  }

  /**
   * The first entry of a leader's term is durable in its own log: so is all that it was elected with. It must have what was
   * committed in earlier terms (paper, 5.4.3); a leader of the past, what was committed since, it cannot have.
   */
  #checkCompleteness(known: Known, nodeId: NodeId, { index, term }: Entry): void {
    const last = Math.min(this.commits.last, index);
    for (let at = known.durable.base + 1; at <= last; at += 1) {
      const committed = this.commits.term(at);
      const inTerm = this.commits.committedIn(at) ?? Number.POSITIVE_INFINITY;
      const has = at === index ? term : known.durable.term(at);
      if (committed !== undefined && inTerm < term && has !== committed) {
        this.violated(
          'leader-completeness',
          `node ${nodeId} leads term ${term} without entry ${at} of term ${committed}, committed in term ${inTerm}; it has term ${has}`,
        );
      }
    }
  }

  #checkChangeInTurn(nodeId: NodeId, { index, term }: Entry): void {
    if (!this.commits.hasCommitOf(term) && index > 1) {
      this.violated(
        'change-in-turn',
        `node ${nodeId} begins a change of the members at ${index} before an entry of its term ${term} is committed`,
      );
    }
    for (let at = index - 1; at > this.commits.last; at -= 1) {
      const known = this.#node(nodeId);
      const before = this.#entries.get(at)?.get(known.durable.term(at) ?? 0)?.entry;
      if (before !== undefined && before.type !== 'normal' && before.data.length > 0) {
        this.violated(
          'change-in-turn',
          `node ${nodeId} begins a change at ${index}, and the one at ${at} is under way`,
        );
      }
    }
  }

  #leads(nodeId: NodeId, term: Term): void {
    const other = this.#leaders.get(term);
    if (other === nodeId) return;
    if (other !== undefined) this.violated('election-safety', `nodes ${other} and ${nodeId} both lead term ${term}`);
    this.#leaders.set(term, nodeId);
    this.#coverage.add('leaderChanges');
    const known = this.#node(nodeId);
    // Whoever leads has voted for itself.
    const vote = known.votes.get(term);
    if (vote !== undefined && vote !== nodeId) {
      this.violated('one-vote', `node ${nodeId} leads term ${term}, in which it voted for ${vote}`);
    }
    known.votes.set(term, nodeId);
    known.promisedTerm = Math.max(known.promisedTerm, term);
  }

  #noteSent(term: Term, entries: readonly Entry[]): void {
    const sent = this.#sent.get(term) ?? new Map<LogIndex, Term>();
    this.#sent.set(term, sent);
    for (const entry of entries) sent.set(entry.index, entry.term);
  }

  #votes(known: Known, nodeId: NodeId, term: Term, to: NodeId, durable: { term: Term; vote: NodeId }): void {
    const before = known.votes.get(term);
    if (before !== undefined && before !== to) {
      this.violated('one-vote', `node ${nodeId} votes for ${before} and for ${to} in term ${term}`);
    }
    known.votes.set(term, to);
    known.promisedTerm = Math.max(known.promisedTerm, term);
    if (durable.term < term || (durable.term === term && durable.vote !== to)) {
      this.violated('durable-promise', `node ${nodeId} votes for ${to} in term ${term}, and that is not durable`);
    }
  }

  #acknowledges(
    known: Known,
    nodeId: NodeId,
    { index, term }: { readonly index: LogIndex; readonly term: Term },
    hardState: { readonly term: Term },
  ): void {
    known.promisedTerm = Math.max(known.promisedTerm, term);
    if (hardState.term < term) {
      this.violated('durable-promise', `node ${nodeId} acknowledges in term ${term}, and durable is ${hardState.term}`);
    }
    // An answer to an old leader may come when its entries were replaced already: it will not be counted.
    if (hardState.term !== term || index <= known.durable.base) return;
    if (known.durable.last < index) {
      this.violated(
        'durable-promise',
        `node ${nodeId} acknowledges entry ${index} in term ${term}, and durable is ${known.durable.last}`,
      );
    }
    const ofLeader = this.#sent.get(term)?.get(index);
    const here = known.durable.term(index);
    if (ofLeader !== undefined && ofLeader !== here) {
      this.violated(
        'durable-promise',
        `node ${nodeId} acknowledges entry ${index} of term ${ofLeader}, and has one of term ${here} there`,
      );
    }
  }

  #checkCommit(view: NodeView, before: NodeView | undefined): void {
    const { nodeId, commitIndex } = view;
    if (this.#leaders.size === 0) {
      // A cluster's beginning counts as committed where it is made: there is nobody else yet.
      this.commits.commit(commitIndex, view.term, () => undefined);
      return;
    }
    // It counted in the configuration and in the term that it had before this event, or has just now.
    const terms = [before?.term, view.term].filter((term) => term !== undefined);
    const configurations = [before?.confState, view.confState].filter((state) => state !== undefined);
    for (const term of terms) {
      if (this.#leaders.get(term) !== nodeId) continue;
      for (const confState of configurations) {
        if (!this.#isOnQuorum(confState, commitIndex, term)) continue;
        const holder = this.#holder(confState, commitIndex, term);
        this.#coverage.add('commits', commitIndex - this.commits.last);
        this.commits.commit(commitIndex, term, (index) => holder?.term(index));
        return;
      }
    }
    this.violated(
      'durable-commit',
      `node ${nodeId} says in term ${view.term} that ${commitIndex} is committed, and no quorum has an entry of that term there`,
    );
  }

  #isOnQuorum({ voters, votersOutgoing }: ConfState, index: LogIndex, term: Term): boolean {
    return [voters, votersOutgoing].every((half) => {
      const holders = half.filter((id) => this.#nodes.get(id)?.durable.has(index, term) === true);
      return half.length === 0 || holders.length > half.length / 2;
    });
  }

  /** Of the voters that have it, the one with most of the log before it. */
  #holder({ voters }: ConfState, index: LogIndex, term: Term): DurableTerms | undefined {
    const holders = voters.flatMap((id) => {
      const durable = this.#nodes.get(id)?.durable;
      return durable?.has(index, term) === true ? [durable] : [];
    });
    return holders.sort((a, b) => a.base - b.base)[0];
  }

  #node(nodeId: NodeId): Known {
    const known = this.#nodes.get(nodeId);
    if (known === undefined) throw new Error(`node ${nodeId} has no log`);
    return known;
  }
}

const isSameEntry = (a: Entry, b: Entry): boolean =>
  a === b || (a.type === b.type && Buffer.compare(a.data, b.data) === 0);
