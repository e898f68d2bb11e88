/**
 * Hosts one core: the only place from which it is called (rule 2).
 *
 * Everything that happens is an event in one mailbox. A turn takes what has come, gives it to the core, takes one `Ready`
 * and starts its work: messages go out at once, while the entries that they carry are still being synced here; what
 * promises something durable, this node's own acknowledgement too, is said when the log says so (`storage-writer.ts`).
 * Then a slice of committed entries is applied. Between turns the event loop runs.
 *
 * Fail-stop: whatever is thrown in a turn, and every failed write, ends the driver. What was in flight is unknown then.
 */
import { ZkraftError } from '../../common/index.ts';
import type { CoreStatus, Message, PeerMessage, RawNode, Ready, SoftState } from '../core/index.ts';
import type { Applied } from '../replicated-log.ts';
import { NO_NODE, type NodeId, type SnapshotMetadata } from '../types.ts';
import { AppliedWaits } from './applied-waits.ts';
import { ApplyQueue } from './apply-queue.ts';
import { CommitTeller } from './commit-teller.ts';
import { Contacts } from './contacts.ts';
import { createCore, ELECTION_TICKS, READS_MAX, snapshotsUnderWay } from './core-view.ts';
import { DiskHealth } from './disk-health.ts';
import type { DriverEvent, DriverOptions } from './driver-options.ts';
import { type NotLeaderError, notLeader, outcomeUnknown } from './errors.ts';
import { GoneLeader } from './gone-leader.ts';
import { Mailbox } from './mailbox.ts';
import { encodeMembers } from './members.ts';
import type { PeerEvents } from './ports.ts';
import { type Proposal, ProposalTable } from './proposals.ts';
import { ReadAhead } from './read-ahead.ts';
import { PendingReads } from './reads.ts';
import { SnapshotMaker } from './snapshot-maker.ts';
import { StorageWriter, splitByDurability } from './storage-writer.ts';
import { Ticker } from './ticker.ts';

const EVENTS_PER_TURN_MAX = 1_024;
const MESSAGES_MAX = 8_192;
const IDLE_FLUSH_TICKS = 20;

export class Driver<Result> implements PeerEvents {
  readonly #options: DriverOptions<Result>;
  readonly #core: RawNode;
  readonly #mailbox = new Mailbox<DriverEvent>(MESSAGES_MAX);
  readonly #writer: StorageWriter;
  readonly #applies: ApplyQueue;
  readonly #snapshots: SnapshotMaker<Result>;
  readonly #reads = new PendingReads(READS_MAX);
  readonly #proposals: ProposalTable<Result>;
  readonly contacts: Contacts;
  readonly #goneLeader: GoneLeader;
  #soft: SoftState = { lead: NO_NODE, role: 'follower' };
  #term: number;
  #commitIndex: number;
  #isScheduled = false;
  #isAsked = false;
  #end: 'stopped' | 'failed' | undefined;
  readonly #ticker: Ticker;
  readonly #disk: DiskHealth;
  readonly #commits: CommitTeller;
  #ticks = 0;
  /** Set while leadership is being handed over: nothing new is taken. */
  #holdsProposals = false;
  readonly #waits = new AppliedWaits();

  constructor(options: DriverOptions<Result>) {
    const { log, state, runtime, observer } = options;
    this.#options = options;
    const { hardState } = log.initialState();
    this.#term = hardState.term;
    this.#commitIndex = Math.max(hardState.commit, state.appliedIndex);
    this.contacts = new Contacts(options.heartbeatTimeoutMs);
    this.#goneLeader = new GoneLeader({ ...options, contacts: this.contacts });
    this.#proposals = new ProposalTable(options.proposals);
    this.#applies = new ApplyQueue(runtime.now);
    this.#writer = new StorageWriter({
      log,
      now: runtime.now,
      done: () => this.#post({ kind: 'stored' }),
      install: (metadata, restored) => this.#install(metadata, restored),
      failed: (error) => this.fail(error),
      appended: (durationMs, entries) => observer.appended?.(durationMs, entries),
    });
    this.#snapshots = new SnapshotMaker({
      ...options,
      policy: options.snapshots,
      flushCommit: () => this.#writer.flushCommit(),
      snapshotsUnderWay: () => (this.leads ? snapshotsUnderWay(this.#core.status()) : []),
      inTurn: (work) => this.#post({ kind: 'call', work }),
      failed: (error) => this.fail(error),
    });
    this.#disk = new DiskHealth(options);
    this.#ticker = new Ticker({
      runtime,
      tickMs: () => this.#tickMs(),
      tick: () => this.#post({ kind: 'tick' }),
      lag: (lagMs) => observer.eventLoopLag?.(lagMs),
    });
    this.#commits = new CommitTeller({ ...options, inTurn: (work) => this.#inTurn(work) });
    const readAhead = new ReadAhead({
      log,
      inTurn: (tell) => this.#inTurn((core) => tell(() => core.reportAtHand())),
      failed: (error) => this.fail(error),
    });
    this.#core = createCore(options, readAhead, () => this.#snapshots.demand());
  }

  // What is.

  get id(): NodeId {
    return this.#options.id;
  }

  get role(): SoftState['role'] {
    return this.#soft.role;
  }

  /** `NO_NODE` when none is known. */
  get lead(): NodeId {
    return this.#soft.lead;
  }

  get leads(): boolean {
    return this.#soft.role === 'leader' && this.#end === undefined;
  }

  get term(): number {
    return this.#term;
  }

  get commitIndex(): number {
    return this.#commitIndex;
  }

  get snapshotIndex(): number {
    return this.#snapshots.index;
  }

  get end(): 'stopped' | 'failed' | undefined {
    return this.#end;
  }

  get proposalsInFlight(): number {
    return this.#proposals.inFlight;
  }

  get messagesDropped(): number {
    return this.#mailbox.dropped;
  }

  /** Nothing new is taken, and nobody should begin anything. */
  get isHandingOver(): boolean {
    return this.#holdsProposals;
  }

  // What happens.

  /** Resolves once all that was known to be committed is applied. */
  async start(): Promise<void> {
    await this.#disk.look();
    const { state, log, id, self } = this.#options;
    const { voters, votersOutgoing } = state.confState;
    this.#ticker.start();
    // Alone, there is nobody to wait for.
    if (voters.length === 1 && voters[0] === id && votersOutgoing.length === 0) {
      // A cluster's beginning stands in its log, so that who joins learns it from there. Never durable? Then again.
      const begins = log.lastIndex() === 0;
      if (begins) this.#core.bootstrap([{ id, context: encodeMembers([self]) }]);
      // Not before: a change of the members that is committed and not applied would forbid it.
      const applied = this.whenApplied(begins ? 1 : this.#commitIndex);
      void applied.then(() => this.call((core) => core.campaign())).catch(() => {});
    }
    this.#schedule();
    await this.whenApplied(this.#commitIndex);
  }

  receive(message: PeerMessage): void {
    if (this.#end === undefined && this.#mailbox.postMessage({ kind: 'message', message })) this.#schedule();
  }

  unreachable(nodeId: NodeId): void {
    this.#inTurn((core) => core.reportUnreachable(nodeId));
  }

  gone(nodeId: NodeId): void {
    this.#inTurn(() => this.#goneLeader.gone(nodeId));
  }

  snapshotSent(nodeId: NodeId, outcome: 'arrived' | 'failed'): void {
    this.#inTurn((core) => core.reportSnapshot(nodeId, outcome));
  }

  /** Runs `work` in a turn; everything that is done to the core from outside comes this way. */
  call<T>(work: (core: RawNode) => T): Promise<T> {
    const refusal = this.#refusalOfEnded();
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise<T>((resolve, reject) => {
      this.#post({
        kind: 'call',
        work: (core) => {
          const ended = this.#refusalOfEnded();
          if (ended !== undefined) return reject(ended);
          // A fault in here is the caller's, and not the core's.
          try {
            resolve(work(core));
          } catch (error) {
            reject(error);
          }
        },
      });
    });
  }

  coreStatus(): Promise<CoreStatus> {
    return this.call((core) => core.status());
  }

  propose(data: Uint8Array): Promise<Applied<Result>> {
    const refusal = this.#refusalOfNonLeader() ?? this.#disk.refusal() ?? this.#proposals.refusal(data.length);
    if (refusal !== undefined) return Promise.reject(refusal);
    const { runtime, observer } = this.#options;
    return new Promise((resolve, reject) => {
      const proposedMs = runtime.now();
      const done = (applied: Applied<Result>): void => {
        observer.committed?.(runtime.now() - proposedMs);
        resolve(applied);
      };
      this.#proposals.enqueue({ data, proposedMs, resolve: done, reject });
      this.#ask();
    });
  }

  readIndex(): Promise<number> {
    const refusal = this.#refusalOfNonLeader();
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#reads.isFull) {
      return Promise.reject(new ZkraftError('overloaded', `${READS_MAX} reads wait to be confirmed; try again later`));
    }
    return new Promise((resolve, reject) => {
      this.#reads.ask({ resolve, reject });
      this.#ask();
    });
  }

  /** `begin` proposes one entry in a turn, and says where it stands; resolves once that is applied. */
  proposeInTurn(begin: (core: RawNode) => { index: number; term: number }): Promise<Applied<Result>> {
    return new Promise<Applied<Result>>((resolve, reject) => {
      const proposedMs = this.#options.runtime.now();
      const proposal: Proposal<Result> = { data: NO_BYTES, proposedMs, resolve, reject };
      this.call((core) => {
        const { index, term } = begin(core);
        this.#proposals.adopt(proposal, index, term);
      }).catch(reject);
    });
  }

  whenApplied(index: number): Promise<void> {
    const isOver = this.#options.state.appliedIndex >= index || this.#end !== undefined;
    return isOver ? Promise.resolve() : this.#waits.until(index);
  }

  /** While leadership is handed over: what is in flight is finished, and nothing new is begun. */
  holdProposals(holds: boolean): void {
    this.#holdsProposals = holds;
  }

  async stop(): Promise<void> {
    if (this.#end !== undefined) return;
    await this.#snapshots.settled();
    const flushed = this.#writer.flushCommit();
    this.#finish('stopped', outcomeUnknown('this node stopped'));
    await flushed;
  }

  fail(error: unknown): void {
    if (this.#end !== undefined) return;
    const known = ZkraftError.from(error);
    this.#options.logger.fatal({ err: error }, 'this node cannot go on, and stops');
    this.#finish('failed', outcomeUnknown('this node failed', error));
    this.#options.failed(known);
  }

  // Turns.

  #post(event: DriverEvent): void {
    if (this.#end !== undefined && event.kind !== 'call') return;
    this.#mailbox.post(event);
    this.#schedule();
  }

  /** Not after the end. */
  #inTurn(work: (core: RawNode) => void): void {
    if (this.#end !== undefined) return;
    this.#post({ kind: 'call', work: (core) => this.#end === undefined && work(core) });
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#post({ kind: 'asked' });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.runtime.defer(() => {
      this.#isScheduled = false;
      try {
        this.#turn();
      } catch (error) {
        this.fail(error);
      }
    });
  }

  #turn(): void {
    for (const event of this.#mailbox.take(EVENTS_PER_TURN_MAX)) this.#handle(event);
    if (this.#end !== undefined) return;
    if (this.#core.hasReady()) this.#begin(this.#core.ready());
    this.#commits.consider(this.#core);
    this.#applySlice();
    if (this.#mailbox.size > 0 || !this.#applies.isEmpty || this.#core.hasReady()) this.#schedule();
  }

  #handle(event: DriverEvent): void {
    if (this.#end !== undefined && event.kind !== 'call') return;
    switch (event.kind) {
      case 'tick':
        this.#tick();
        return;
      case 'message':
        this.#step(event.message);
        return;
      case 'stored':
        for (const message of this.#writer.takeDone()) this.#say(message);
        return;
      case 'asked':
        this.#isAsked = false;
        this.#proposals.give(this.#core, this.#options.maxMessageBytes, () => this.notLeader());
        this.#giveReads();
        return;
      case 'call':
        event.work(this.#core);
    }
  }

  #step(message: PeerMessage): void {
    if (message.to !== this.#options.id) return;
    this.contacts.heard(message.from, this.#options.runtime.now());
    this.#goneLeader.heard(message.from);
    // As if it were lost: the leader tries again, and sees this node fall behind.
    if (message.type === 'append' && message.entries.length > 0 && this.#disk.isFull) return;
    this.#core.step(message);
  }

  #giveReads(): void {
    if (this.#reads.asked === 0) return;
    if (this.#core.readIndex(this.#reads.begin()) === 'dropped') this.#reads.fail(this.notLeader());
  }

  #begin(ready: Ready): void {
    if (ready.hardState !== undefined) {
      if (ready.hardState.term !== this.#term) this.#reads.fail(this.notLeader());
      this.#term = ready.hardState.term;
      this.#commitIndex = ready.hardState.commit;
    }
    if (ready.softState !== undefined) this.#become(ready.softState);
    const { atOnce, afterWrite } = splitByDurability(ready.messages, ready.storageAppend !== undefined);
    for (const message of atOnce) this.#say(message);
    if (ready.snapshot !== undefined) this.#snapshots.installBegins();
    if (ready.storageAppend !== undefined) this.#writer.write(ready.storageAppend, afterWrite);
    if (ready.storageApply !== undefined) this.#applies.push(ready.storageApply);
    for (const { context, index } of ready.readStates) this.#reads.confirmed(context, index);
    this.#reads.applied(this.#options.state.appliedIndex);
  }

  #say(message: Message): void {
    const isOwn = message.type === 'storage-append-response' || message.type === 'storage-apply-response';
    if (isOwn || message.to === this.#options.id) this.#core.step(message);
    else if (message.type === 'snapshot') this.#options.transport.sendSnapshot(message);
    else this.#options.transport.send(message);
  }

  #become(soft: SoftState): void {
    const before = this.#soft;
    this.#soft = soft;
    if (soft.lead !== before.lead && soft.lead !== NO_NODE) this.#options.observer.leaderChanged?.();
    if (before.role === 'leader' && soft.role !== 'leader') {
      this.#holdsProposals = false;
      this.#proposals.loseAppended(outcomeUnknown('this node lost its leadership'));
      this.#proposals.dropQueue(this.notLeader());
      this.#reads.fail(this.notLeader());
    }
    const { role, lead } = soft;
    this.#options.logger.info({ role, lead: this.#nameOf(lead), term: this.#term }, 'raft role');
    this.#options.changed();
  }

  // Applying.

  #applySlice(): void {
    if (this.#applies.isEmpty) return;
    const { runtime, observer, state } = this.#options;
    const begunMs = runtime.now();
    const count = this.#applies.run(
      (entry) => {
        const members = state.members;
        const effect = state.apply(entry, (change) => this.#core.applyConfChange(change, entry.index));
        const proposal = this.#proposals.applied(entry.index, entry.term);
        if (effect.kind === 'refused') proposal?.reject(effect.error);
        else proposal?.resolve({ index: effect.index, term: effect.term, result: effect.result });
        if (entry.type !== 'normal' || state.members !== members) this.#membersChanged();
      },
      (response) => this.#core.step(response),
    );
    if (count > 0) observer.applied?.(runtime.now() - begunMs, count);
    this.#reads.applied(state.appliedIndex);
    this.#waits.applied(state.appliedIndex);
    this.#snapshots.consider();
  }

  #membersChanged(): void {
    const members = this.#options.state.members.all();
    this.contacts.keepOnly(members.map(({ nodeId }) => nodeId));
    this.#options.transport.setMembers(members);
    this.#options.changed();
  }

  /** A snapshot of the leader's stands in the log: read it, and restore when the entries before it are applied. */
  #install(metadata: SnapshotMetadata, restored: () => void): void {
    this.#snapshots.load(metadata).then(
      (image) => {
        this.#applies.pushRestore(() => {
          this.#options.state.restore(image, metadata);
          this.#snapshots.installed(metadata);
          this.#membersChanged();
          restored();
        });
        this.#schedule();
      },
      (error: unknown) => this.fail(error),
    );
  }

  // Time.

  #tickMs(): number {
    const { heartbeatTimeoutMs, electionTimeoutMs } = this.#options;
    const isCandidate = this.#soft.role === 'candidate' || this.#soft.role === 'pre-candidate';
    return (isCandidate ? electionTimeoutMs : heartbeatTimeoutMs) / ELECTION_TICKS;
  }

  #tick(): void {
    this.#ticks += 1;
    if (this.#ticks % IDLE_FLUSH_TICKS === 0 && this.#writer.inFlight === 0) void this.#writer.flushCommit();
    this.#snapshots.consider();
    // Without ticks a node does not campaign either.
    if (this.#disk.mayLead()) {
      this.#core.tick();
      this.#goneLeader.tick(this.#core, this.#soft);
    } else this.#core.stepDown();
    this.#options.ticked();
  }

  // Refusals and the end.

  notLeader(): NotLeaderError {
    const { id, state } = this.#options;
    return notLeader(this.#soft.lead, this.#soft.lead === id ? undefined : state.members.get(this.#soft.lead));
  }

  #refusalOfEnded(): ZkraftError | undefined {
    if (this.#end === undefined) return undefined;
    return new ZkraftError('shutting_down', 'this node is stopping; nothing was done');
  }

  #refusalOfNonLeader(): ZkraftError | undefined {
    if (this.#end !== undefined) return this.#refusalOfEnded();
    return this.leads && !this.#holdsProposals ? undefined : this.notLeader();
  }

  #nameOf(id: NodeId): string | undefined {
    return id === NO_NODE ? undefined : (this.#options.state.members.get(id)?.name ?? String(id));
  }

  #finish(end: 'stopped' | 'failed', unknown: ZkraftError): void {
    this.#end = end;
    this.#ticker.stop();
    this.#commits.stop();
    this.#soft = { lead: NO_NODE, role: 'follower' };
    const stopping = new ZkraftError('shutting_down', 'this node is stopping; nothing was done');
    this.#proposals.loseAppended(unknown);
    this.#proposals.dropQueue(stopping);
    this.#reads.fail(stopping);
    this.#waits.applied(Number.POSITIVE_INFINITY);
    this.#options.changed();
  }
}

const NO_BYTES = new Uint8Array(0);
