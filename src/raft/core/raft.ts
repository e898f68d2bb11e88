/**
 * One node's state in the protocol, its transitions, and the gate of terms that every message passes.
 *
 * Paper, Figure 2 and section 5.1. What each role does with a message is in `leader.ts`, `follower.ts` and
 * `election.ts`; they change this object and nothing else. Whatever is to be sent or written collects here until the
 * next `Ready` (`raw-node.ts`).
 *
 * Answers that promise something durable (a vote, an append) go to `afterAppend`, also those to this node itself: a
 * leader's own log counts for commitment only once it is on its disk.
 */
import { type HardState, type LogIndex, NO_NODE, type NodeId, type Term } from '../types.ts';
import { encodeConfChange, LEAVE_JOINT } from './conf-change.ts';
import { describeConfiguration } from './configuration.ts';
import { answerVote, campaign } from './election.ts';
import { sumOfEntryBytes, sumOfPayloadBytes } from './entry-size.ts';
import { invariant, RaftInvariantError } from './errors.ts';
import { stepCandidate, stepFollower } from './follower.ts';
import { proposeAsLeader, stepLeader } from './leader.ts';
import { RaftLog } from './log.ts';
import type { Level } from './logger.ts';
import type { Message, PeerMessage, ProposedEntry, StorageAppendResponse, StorageApplyResponse } from './message.ts';
import type { CoreConfig } from './options.ts';
import type { StepOutcome } from './outcomes.ts';
import { PendingReads, type ReadState } from './reads.ts';
import { broadcastHeartbeat } from './replication.ts';
import { Tracker } from './tracker.ts';

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** What says that something is durable, and so must wait until it is. */
const PROMISES: ReadonlySet<Body['type']> = new Set(['append-response', 'vote-response', 'pre-vote-response']);

type WithoutHeader<M> = M extends PeerMessage ? Omit<M, 'from' | 'to' | 'term'> : never;
/** A message before it is addressed and stamped. */
export type Body = WithoutHeader<PeerMessage>;

export class Raft {
  readonly config: CoreConfig;
  readonly id: NodeId;
  readonly log: RaftLog;
  readonly tracker: Tracker;
  readonly reads: PendingReads;

  term: Term = 0;
  vote: NodeId = NO_NODE;
  lead: NodeId = NO_NODE;
  role: Role = 'follower';

  /** To whom leadership is being handed, if it is. Never outlives the term, nor one election timeout. */
  transferee: NodeId = NO_NODE;
  /** No configuration change is proposed before this index is applied: it may hold one. */
  pendingConfIndex: LogIndex = 0;
  /** Of the last snapshot that replaced the log: its configuration holds all changes up to there. */
  restoredIndex: LogIndex = 0;
  /** Of payload in this leader's log that is not applied. */
  uncommittedBytes = 0;

  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout = 0;

  /** To be sent at once. */
  messages: PeerMessage[] = [];
  /** To be sent once what this node holds now is durable. */
  afterAppend: PeerMessage[] = [];
  readStates: ReadState[] = [];

  constructor(config: CoreConfig) {
    this.config = config;
    this.id = config.id;
    this.log = new RaftLog(config.storage, config.maxCommittedBytesPerReady, config.logger);
    this.tracker = new Tracker(config);
    this.reads = new PendingReads(config.maxPendingReads);
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  say(level: Level, text: () => string): void {
    this.config.logger(level, () => `${this.id.toString(16)} at term ${this.term}: ${text()}`);
  }

  /** From storage, once. */
  load({ term, vote, commit }: HardState): void {
    const last = this.log.lastIndex();
    invariant(
      commit >= this.log.committed && commit <= last,
      () => `storage says that ${commit} is committed, but has entries ${this.log.committed + 1} to ${last}`,
    );
    this.log.commitTo(commit);
    this.term = term;
    this.vote = vote;
  }

  // Sending.

  /** Stamped with this node's term, unless it asks for another (pre-votes) or for none (0: requests). */
  send(to: NodeId, body: Body, term: Term = this.term): void {
    const message = { ...body, from: this.id, to, term } as PeerMessage;
    if (PROMISES.has(body.type)) {
      this.afterAppend.push(message);
      return;
    }
    invariant(to !== this.id, () => `${body.type} of ${this.id} to itself`);
    this.messages.push(message);
  }

  // Transitions.

  becomeFollower(term: Term, lead: NodeId): void {
    this.#reset(term);
    this.lead = lead;
    this.role = 'follower';
    this.say('info', () => (lead === NO_NODE ? 'follower without a leader' : `follower of ${lead.toString(16)}`));
  }

  /** Asks whether an election could be won; term and vote stay as they are. */
  becomePreCandidate(): void {
    invariant(this.role !== 'leader', () => 'a leader cannot become a pre-candidate');
    this.tracker.resetVotes();
    this.lead = NO_NODE;
    this.role = 'pre-candidate';
    this.say('info', () => 'pre-candidate');
  }

  becomeCandidate(): void {
    invariant(this.role !== 'leader', () => 'a leader cannot become a candidate');
    this.#reset(this.term + 1);
    this.vote = this.id;
    this.role = 'candidate';
    this.say('info', () => 'candidate');
  }

  becomeLeader(): void {
    invariant(this.role !== 'follower', () => 'a follower cannot become the leader without an election');
    this.#reset(this.term);
    this.lead = this.id;
    this.role = 'leader';
    const own = this.tracker.progress.get(this.id);
    invariant(own !== undefined, () => `${this.id} was elected but is no member`);
    own.becomeReplicate();
    own.recentActive = true;
    // Any of the entries from before may be a change of the configuration.
    this.pendingConfIndex = this.log.lastIndex();
    const opened = this.append([{ type: 'normal', data: new Uint8Array(0) }]);
    invariant(opened, () => 'the entry that opens a term was refused');
    this.say('info', () => 'leader');
  }

  #reset(term: Term): void {
    if (this.term !== term) {
      invariant(term > this.term, () => `term ${term} after ${this.term}`);
      this.term = term;
      this.vote = NO_NODE;
    }
    this.lead = NO_NODE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.#drawElectionTimeout();
    this.transferee = NO_NODE;
    this.tracker.reset(this.id, this.log.lastIndex());
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.reads.clear();
  }

  #drawElectionTimeout(): void {
    const { electionTicks, jitterTicks } = this.config;
    const jitter = jitterTicks(electionTicks);
    if (!Number.isSafeInteger(jitter) || jitter < 0 || jitter >= electionTicks)
      throw new RaftInvariantError(`jitterTicks gave ${jitter}, which is not from 0 to ${electionTicks - 1}`);
    this.electionTimeout = electionTicks + jitter;
  }

  // Time.

  tick(): void {
    this.electionElapsed++;
    if (this.role === 'leader') this.#tickLeader();
    else if (this.electionElapsed >= this.electionTimeout && this.promotable) {
      this.electionElapsed = 0;
      this.timeOut();
    }
  }

  /** An election is due. */
  timeOut(): void {
    campaign(this, this.config.preVote ? 'pre-vote' : 'vote');
  }

  #tickLeader(): void {
    this.heartbeatElapsed++;
    if (this.electionElapsed >= this.config.electionTicks) {
      this.electionElapsed = 0;
      if (this.config.checkQuorum) this.#checkQuorum();
      this.transferee = NO_NODE;
      if (this.role !== 'leader') return;
    }
    if (this.heartbeatElapsed < this.config.heartbeatTicks) return;
    this.heartbeatElapsed = 0;
    broadcastHeartbeat(this);
  }

  /** Thesis 6.2: a leader that hears no quorum for an election timeout leads nobody. */
  #checkQuorum(): void {
    if (!this.tracker.quorumActive()) {
      this.say('warn', () => 'steps down: no quorum has answered for an election timeout');
      this.becomeFollower(this.term, NO_NODE);
    }
    for (const [id, progress] of this.tracker.progress) if (id !== this.id) progress.recentActive = false;
  }

  /** A voter, whose log is whole. */
  get promotable(): boolean {
    return this.tracker.progress.get(this.id)?.isLearner === false && !this.log.hasSnapshotUnderway;
  }

  // The log.

  /** At the end of a leader's log. False, and nothing is done, if too much waits already. */
  append(proposed: readonly ProposedEntry[]): boolean {
    const bytes = sumOfPayloadBytes(proposed);
    const { maxUncommittedBytes } = this.config;
    if (this.uncommittedBytes > 0 && bytes > 0 && this.uncommittedBytes + bytes > maxUncommittedBytes) {
      this.say('warn', () => `drops a proposal: ${this.uncommittedBytes} bytes wait, ${maxUncommittedBytes} may`);
      return false;
    }
    this.uncommittedBytes += bytes;
    const next = this.log.lastIndex() + 1;
    this.log.append(proposed.map(({ type, data }, i) => ({ term: this.term, index: next + i, type, data })));
    // Counts when it comes back, after the write.
    this.send(this.id, { type: 'append-response', index: this.log.lastIndex() });
    return true;
  }

  tryCommit(): boolean {
    return this.log.tryCommit({ term: this.term, index: this.tracker.quorumMatch() });
  }

  appliedTo(index: LogIndex, bytes: number): void {
    const applied = Math.max(index, this.log.applied);
    this.log.appliedTo(applied, bytes);
    const { configuration } = this.tracker;
    if (this.role !== 'leader' || !configuration.autoLeave || applied < this.pendingConfIndex) return;
    const { status } = proposeAsLeader(this, [encodeConfChange(LEAVE_JOINT)]);
    this.say('info', () => `leaving ${describeConfiguration(configuration)}: ${status}`);
  }

  // Messages.

  step(message: Message): StepOutcome {
    if (message.type === 'storage-append-response') return this.#written(message);
    if (message.type === 'storage-apply-response') return this.#applied(message);
    // Requests are of no term: they pass to whoever is in charge. All else is of one, also if it says 0.
    if (message.type !== 'propose' && message.type !== 'read-index') {
      if (message.term > this.term && !this.#enterTermOf(message)) return 'handled';
      if (message.term < this.term) {
        this.#answerOldTerm(message);
        return 'handled';
      }
    }
    if (message.type === 'vote' || message.type === 'pre-vote') answerVote(this, message);
    else if (this.role === 'leader') return stepLeader(this, message);
    else if (this.role === 'follower') return stepFollower(this, message);
    else return stepCandidate(this, message);
    return 'handled';
  }

  /** Of a message with a higher term. False: it is to be ignored, to protect a leader that is heard. */
  #enterTermOf(message: PeerMessage): boolean {
    const { type } = message;
    if (type === 'vote' || type === 'pre-vote') {
      const { electionTicks, checkQuorum } = this.config;
      const heard = checkQuorum && this.lead !== NO_NODE && this.electionElapsed < electionTicks;
      if (heard && !message.transfer) {
        this.say('info', () => `ignores a ${type} of ${message.from} for term ${message.term}: the leader is heard`);
        return false;
      }
    }
    // Nobody has entered the term of a pre-vote, nor of a granted answer to one.
    if (type === 'pre-vote' || (type === 'pre-vote-response' && message.granted)) return true;
    const leads = type === 'append' || type === 'heartbeat' || type === 'snapshot';
    this.becomeFollower(message.term, leads ? message.from : NO_NODE);
    return true;
  }

  #answerOldTerm(message: PeerMessage): void {
    const { type, from } = message;
    const { checkQuorum, preVote } = this.config;
    if ((type === 'heartbeat' || type === 'append') && (checkQuorum || preVote)) {
      // A leader of the past would otherwise never hear of this term: votes are ignored or asked for in vain.
      this.send(from, { type: 'append-response', index: 0 });
    } else if (type === 'pre-vote') {
      // Two that are behind one another in log and in term must be able to end it.
      this.send(from, { type: 'pre-vote-response', granted: false });
    } else {
      this.say('info', () => `ignores a ${type} of ${from}, of term ${message.term}`);
    }
  }

  /**
   * An acknowledgement of an earlier term says nothing of entries: since then others may have been written over them,
   * and equal ones again. A snapshot is the same whatever the term.
   */
  #written({ term, last, snapshot }: StorageAppendResponse): StepOutcome {
    invariant(term <= this.term, () => `storage acknowledges a write of term ${term} in term ${this.term}`);
    if (last !== undefined && term === this.term) this.log.stableTo(last);
    if (snapshot !== undefined) {
      this.log.snapshotStableTo(snapshot.metadata.index);
      this.appliedTo(snapshot.metadata.index, 0);
    }
    return 'handled';
  }

  #applied({ entries }: StorageApplyResponse): StepOutcome {
    const last = entries.at(-1);
    if (last === undefined) return 'handled';
    this.appliedTo(last.index, sumOfEntryBytes(entries));
    this.uncommittedBytes = Math.max(this.uncommittedBytes - sumOfPayloadBytes(entries), 0);
    return 'handled';
  }
}
