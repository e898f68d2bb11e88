/**
 * The core's only door: things that happen go in, a `Ready` comes out.
 *
 * One thread of control calls it, and nothing in it waits. The host's duties (what to write before what is sent, when
 * to call `advance`) are numbered in README.md; with `asyncStorageWrites` there is no `advance`, and the host's two
 * threads give the responses that come with their work to `step`.
 */
import { type ConfState, EMPTY_HARD_STATE, type HardState, type LogIndex, NO_NODE, type NodeId } from '../types.ts';
import { type ConfChange, encodeConfChange } from './conf-change.ts';
import { invariant, RaftConfigError } from './errors.ts';
import { onSnapshotReport, onUnreachable, proposeAsLeader, transferTo } from './leader.ts';
import { applyConfChange, restoreConfiguration } from './membership.ts';
import { isResponse, type Message, type ProposedEntry } from './message.ts';
import { type CoreOptions, completeOptions } from './options.ts';
import type { ProposalOutcome, ReadOutcome, StepOutcome } from './outcomes.ts';
import { Raft } from './raft.ts';
import { readAsLeader } from './reads.ts';
import {
  appendWork,
  applyAcknowledgement,
  applyWork,
  isEmptyHardState,
  type Ready,
  type SoftState,
  sameHardState,
  sameSoftState,
  writeAcknowledgement,
} from './ready.ts';
import { broadcastCommit, holdsCommit, sendRest } from './replication.ts';
import { type CoreStatus, statusOf } from './status.ts';

export interface BootstrapMember {
  readonly id: NodeId;
  /** Goes into the entry that adds the member: its address, say. */
  readonly context?: Uint8Array;
}

export class RawNode {
  readonly #raft: Raft;
  readonly #async: boolean;
  /** As of the last `Ready`. */
  #softState: SoftState;
  #hardState: HardState;
  /** With writes in step: what this node tells itself once the `Ready` it gave is done. */
  #onAdvance: Message[] | undefined;

  constructor(options: CoreOptions) {
    const config = completeOptions(options);
    const raft = new Raft(config);
    const { hardState, confState } = config.storage.initialState();
    restoreConfiguration(raft, confState);
    if (!isEmptyHardState(hardState)) raft.load(hardState);
    if (config.applied > 0) raft.log.appliedTo(config.applied, 0);
    raft.becomeFollower(raft.term, NO_NODE);
    this.#raft = raft;
    this.#async = config.asyncStorageWrites;
    this.#softState = this.#currentSoftState();
    this.#hardState = raft.hardState;
  }

  // What happens.

  tick(): void {
    this.#raft.tick();
  }

  /** Starts an election now, with pre-vote if that is on. Nothing happens on a leader or a node that may not lead. */
  campaign(): void {
    this.#raft.timeOut();
  }

  /** A message of a peer, or a response that came with the work of one of the host's threads. */
  step(message: Message): StepOutcome {
    const fromStorage = message.type === 'storage-append-response' || message.type === 'storage-apply-response';
    if (!fromStorage && isResponse(message) && !this.#raft.tracker.progress.has(message.from)) return 'unknown-peer';
    return this.#raft.step(message);
  }

  propose(data: Uint8Array): ProposalOutcome {
    return this.#propose([{ type: 'normal', data }]);
  }

  /** All of them, one after the other, or none: one message to each peer for many proposals. The outcome is the last's. */
  proposeBatch(batch: readonly Uint8Array[]): ProposalOutcome {
    return this.#propose(batch.map((data) => ({ type: 'normal', data })));
  }

  /**
   * The change takes effect when it is applied, not before; the entry then goes to `applyConfChange`. A change that
   * cannot be made now is appended as an empty entry, and the outcome says why.
   */
  proposeConfChange(change: ConfChange): ProposalOutcome {
    return this.#propose([encodeConfChange(change)]);
  }

  #propose(entries: readonly ProposedEntry[]): ProposalOutcome {
    const raft = this.#raft;
    if (raft.role === 'leader') return proposeAsLeader(raft, entries);
    if (raft.role !== 'follower' || raft.lead === NO_NODE) return { status: 'dropped', reason: 'no-leader' };
    if (!raft.config.forwardProposals) return { status: 'dropped', reason: 'not-leader' };
    raft.send(raft.lead, { type: 'propose', origin: raft.id, entries }, 0);
    return { status: 'forwarded', to: raft.lead };
  }

  /**
   * For every committed entry that is a configuration change, when it is applied, also if the host then decides
   * against it: give an update of node 0 for that. The state is what a snapshot at that entry must hold.
   *
   * With asynchronous writes, give the entry's index: a change that was handed out before a snapshot came in, and is
   * applied after, is in the snapshot's configuration already and is passed over.
   */
  applyConfChange(change: ConfChange, index?: LogIndex): ConfState {
    return applyConfChange(this.#raft, change, index);
  }

  /** Answers with a `ReadState` of the same context in some later `Ready`. */
  readIndex(context: Uint8Array): ReadOutcome {
    const raft = this.#raft;
    if (raft.role === 'leader') return readAsLeader(raft, { origin: raft.id, context });
    if (raft.role !== 'follower' || raft.lead === NO_NODE) return 'dropped';
    raft.send(raft.lead, { type: 'read-index', origin: raft.id, context }, 0);
    return 'pending';
  }

  /** Asks the leader (this node, or the one it follows) to hand over to a voter; given up after an election timeout. */
  transferLeader(to: NodeId): void {
    const raft = this.#raft;
    if (raft.role === 'leader') transferTo(raft, to);
    else if (raft.role === 'follower' && raft.lead !== NO_NODE)
      raft.send(raft.lead, { type: 'transfer-leader', transferee: to });
  }

  /** A leader that must not lead, because its disk is stalled, say, becomes a follower in its term. */
  stepDown(): void {
    const raft = this.#raft;
    if (raft.role === 'leader') raft.becomeFollower(raft.term, NO_NODE);
  }

  /** A follower that knows its leader to be gone will now vote for another. Refused where leases protect reads. */
  forgetLeader(): void {
    const raft = this.#raft;
    if (raft.role === 'follower' && raft.config.readOnly !== 'lease-based') raft.lead = NO_NODE;
  }

  /** A message to this peer could not be sent. */
  reportUnreachable(id: NodeId): void {
    if (this.#raft.role === 'leader') onUnreachable(this.#raft, id);
  }

  /** A snapshot has arrived at this peer, or will not. Without a report nothing else is ever sent to it. */
  reportSnapshot(id: NodeId, status: 'arrived' | 'failed'): void {
    if (this.#raft.role === 'leader') onSnapshotReport(this.#raft, id, status === 'arrived');
  }

  /** Entries for which `StorageView.isAtHand` said no may be at hand now. */
  reportAtHand(): void {
    if (this.#raft.role === 'leader') sendRest(this.#raft);
  }

  /** With `holdCommits`: some member could make use of a commit index that it was not told. */
  get holdsCommit(): boolean {
    return this.#raft.role === 'leader' && holdsCommit(this.#raft);
  }

  /** What `holdsCommit` speaks of goes out. */
  tellCommit(): void {
    if (this.#raft.role === 'leader') broadcastCommit(this.#raft);
  }

  // What is to be done.

  hasReady(): boolean {
    const { log, messages, afterAppend, readStates, hardState } = this.#raft;
    return (
      messages.length > 0 ||
      afterAppend.length > 0 ||
      readStates.length > 0 ||
      log.unstable.hasPendingEntries ||
      log.unstable.pendingSnapshot() !== undefined ||
      log.hasCommittedPage(!this.#async) ||
      !sameSoftState(this.#currentSoftState(), this.#softState) ||
      (!isEmptyHardState(hardState) && !sameHardState(hardState, this.#hardState))
    );
  }

  /** Takes what is to be done; it will not be given again. With writes in step, `advance` must come before the next. */
  ready(): Ready {
    const raft = this.#raft;
    invariant(this.#onAdvance === undefined, () => 'ready was called twice without advance');
    const { hardState } = raft;
    const softState = this.#currentSoftState();
    const snapshot = raft.log.unstable.pendingSnapshot();
    const entries = raft.log.unstable.pendingEntries();
    const committedEntries = raft.log.committedPage(!this.#async);
    const written = {
      entries,
      ...(!sameHardState(hardState, this.#hardState) && { hardState }),
      ...(snapshot && { snapshot }),
    };
    const inStep = this.#async ? [] : raft.afterAppend.filter(({ to }) => to !== raft.id);
    const storageAppend = this.#async ? appendWork(raft, written) : undefined;
    const storageApply = this.#async ? applyWork(raft, committedEntries) : undefined;
    const ready: Ready = {
      ...written,
      ...(!sameSoftState(softState, this.#softState) && { softState }),
      readStates: raft.readStates,
      committedEntries,
      messages: [...raft.messages, ...inStep],
      mustSync:
        entries.length > 0 || hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote,
      ...(storageAppend && { storageAppend }),
      ...(storageApply && { storageApply }),
    };
    if (!this.#async) this.#onAdvance = this.#toSelf(ready);
    this.#accept(ready, softState, hardState);
    return ready;
  }

  #toSelf(ready: Ready): Message[] {
    const raft = this.#raft;
    const toSelf: Message[] = raft.afterAppend.filter(({ to }) => to === raft.id);
    const written = writeAcknowledgement(raft, ready);
    if (written !== undefined) toSelf.push(written);
    if (ready.committedEntries.length > 0) toSelf.push(applyAcknowledgement(raft, ready.committedEntries));
    return toSelf;
  }

  #accept(ready: Ready, softState: SoftState, hardState: HardState): void {
    const raft = this.#raft;
    this.#softState = softState;
    this.#hardState = hardState;
    raft.messages = [];
    raft.afterAppend = [];
    raft.readStates = [];
    raft.log.unstable.handOver();
    raft.log.applyingPage(ready.committedEntries, !this.#async);
  }

  /** All that the last `Ready` asked for is written, sent and applied. Not with asynchronous writes. */
  advance(): void {
    invariant(!this.#async, () => 'advance was called with asynchronous writes');
    const toSelf = this.#onAdvance ?? [];
    this.#onAdvance = undefined;
    for (const message of toSelf) this.#raft.step(message);
  }

  /**
   * The very first start of a cluster: every first member starts with the same list. One entry adds each, all of them
   * committed by decree. On an empty storage only.
   */
  bootstrap(members: readonly BootstrapMember[]): void {
    const raft = this.#raft;
    if (members.length === 0) throw new RaftConfigError('bootstrap needs at least one member');
    if (raft.config.storage.lastIndex() !== 0 || raft.log.lastIndex() !== 0)
      throw new RaftConfigError('bootstrap needs an empty storage; this one holds a log already');
    const changes = members.map(
      ({ id, context }): ConfChange => ({
        version: 1,
        change: { kind: 'add-voter', nodeId: id },
        context: context ?? new Uint8Array(0),
      }),
    );
    this.#hardState = EMPTY_HARD_STATE;
    raft.becomeFollower(1, NO_NODE);
    raft.log.append(changes.map((change, i) => ({ term: 1, index: i + 1, ...encodeConfChange(change) })));
    raft.log.commitTo(members.length);
    // At once, so that an election is possible; applying the entries then changes nothing.
    for (const change of changes) applyConfChange(raft, change, undefined);
  }

  // What is.

  status(): CoreStatus {
    return statusOf(this.#raft);
  }

  /** The wait that runs now; drawn anew at the next change of state. For simulations and tests that script time. */
  setElectionTimeout(ticks: number): void {
    this.#raft.electionTimeout = ticks;
  }

  #currentSoftState(): SoftState {
    return { lead: this.#raft.lead, role: this.#raft.role };
  }
}
