/**
 * One node of a replicated log: what the host of a state machine holds in its hand.
 *
 * It is the seam's `ReplicatedLog` and more: commands in sessions, members, transfers. A node begins in one of three
 * ways. With a log, it goes on. With `bootstrap` and no log, it begins a cluster of itself, once. With neither it waits,
 * under an id of its own, until a leader adds it, and then makes its log for that leader's cluster (rule 7).
 */
import { randomUUID } from 'node:crypto';
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { Applied, RaftState, ReplicatedLog, StateMachine } from '../replicated-log.ts';
import type { DiskStallWatch, FreeSpaceGuard, SnapshotStore } from '../storage/index.ts';
import { type ConfState, EMPTY_CONF_STATE, NO_NODE, type NodeId } from '../types.ts';
import { checkMember, foreign } from './admission.ts';
import { assemble, type Running } from './assembly.ts';
import { mayBegin } from './beginning.ts';
import { encodeCommand } from './command.ts';
import type { Driver } from './driver.ts';
import { NotLeaderError } from './errors.ts';
import type { ListedPeer } from './formation.ts';
import { commonHostVersion, idsOf, type Member, roleOf, strangerOf } from './members.ts';
import type { MembershipRules } from './membership.ts';
import type { NodeObserver } from './observer.ts';
import type { Incarnation, NodePlace, OpenPlace } from './place.ts';
import type { ConnectTransport, NodeTransport, PeerIdentity, Refusal, Runtime, TransportHost } from './ports.ts';
import type { ProposalLimits } from './proposals.ts';
import type { ResultCodec } from './replicated-state.ts';
import type { SnapshotPolicy } from './snapshot-policy.ts';
import type { NodeMeasures, NodeStatus, PeerStatus, SnapshotInfo } from './status.ts';
import { transferLeadership } from './transfer.ts';

export interface RaftNodeOptions<Result> {
  readonly name: string;
  /** host:port that peers dial. */
  readonly raftAddress: string;
  /** host:port of the state machine's service; told to those who ask for the leader. */
  readonly clientAddress: string;
  /** The latest version of the host's commands that it understands; 0, the default: it does not say. */
  readonly hostVersion?: number;
  readonly place: NodePlace;
  /** Whether a place without a log begins a new cluster. Ignored where there is one, and where `peers` have one. */
  readonly bootstrap: boolean;
  /** Those that are to be members: a leader adds the ones that wait. */
  readonly peers?: readonly ListedPeer[];
  readonly connect: ConnectTransport;
  readonly heartbeatTimeoutMs: number;
  readonly electionTimeoutMs: number;
  readonly snapshots: SnapshotPolicy;
  readonly proposals: ProposalLimits;
  readonly membership: MembershipRules;
  readonly maxMessageBytes: number;
  /** Entries in one message to a follower. */
  readonly maxAppendEntries: number;
  /** How long a leader holds a commit index back, for the next entries to carry it; 0: not at all. */
  readonly commitTimeoutMs: number;
  readonly stall: DiskStallWatch;
  readonly freeSpace: FreeSpaceGuard | undefined;
  readonly codec: ResultCodec<Result> | undefined;
  readonly runtime: Runtime;
  readonly observer: NodeObserver;
  readonly logger: Logger;
  /** The node has ended by itself: the disk failed, say. The process should end too. */
  readonly onFatal: (error: ZkraftError) => void;
}

export interface CommandOptions {
  /** Applied once, however often it is proposed. Of one session one command may be on its way at a time. */
  readonly session?: { readonly id: number; readonly sequence: number };
}

export class RaftNode<Result> implements ReplicatedLog<Result>, TransportHost {
  readonly #options: RaftNodeOptions<Result>;
  readonly #listeners = new Set<(status: NodeStatus) => void>();
  #incarnation: Incarnation = { nodeId: NO_NODE, incarnationId: '' };
  #open: OpenPlace | undefined;
  #machine: StateMachine<Result> | undefined;
  #transport: NodeTransport | undefined;
  #running: Running<Result> | undefined;
  #joining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #told = '';

  constructor(options: RaftNodeOptions<Result>) {
    this.#options = options;
  }

  /** Takes the place and checks what is in it; `start` does the rest. */
  async open(): Promise<void> {
    const { place } = this.#options;
    this.#open = await place.open();
    if (this.#open === undefined) {
      this.#incarnation = await place.incarnation();
      return;
    }
    const { nodeId, incarnationId } = this.#open.log.identity;
    this.#incarnation = { nodeId, incarnationId };
  }

  async start(machine: StateMachine<Result>): Promise<void> {
    if (this.#machine !== undefined) throw new ZkraftError('internal', 'the log was started twice');
    this.#machine = machine;
    this.#transport = await this.#options.connect(this);
    const { bootstrap, peers = [], logger, name } = this.#options;
    const others = peers.filter((peer) => peer.name !== name);
    if (this.#open === undefined && bootstrap && others.length === 0) await this.#begin();
    if (this.#open !== undefined) return await this.#run(this.#open);
    if (bootstrap) void this.#beginWith(others);
    else logger.info({ node: name }, 'this node has no log, and waits until a leader adds it');
  }

  /** A cluster of this node alone. */
  async #begin(): Promise<void> {
    const { place, logger, name } = this.#options;
    const clusterId = randomUUID();
    const { nodeId } = this.#incarnation;
    this.#open = await place.create(clusterId, this.#incarnation, { ...EMPTY_CONF_STATE, voters: [nodeId] });
    logger.info({ cluster_id: clusterId, node: name, incarnation: nodeId }, 'began a new cluster');
  }

  /** Once the others allow it; unless they have a cluster, whose leader may add this node. */
  async #beginWith(others: readonly ListedPeer[]): Promise<void> {
    const { name, runtime, logger, heartbeatTimeoutMs: retryMs, onFatal } = this.#options;
    const identify = async (address: string): Promise<PeerIdentity> => {
      if (this.#transport === undefined) throw stopping();
      return await this.#transport.identify(address);
    };
    const isOver = (): boolean =>
      this.#open !== undefined || this.#joining !== undefined || this.#closing !== undefined;
    if (!(await mayBegin({ name, others, identify, isOver, runtime, retryMs, logger }))) return;
    // As a join is: whoever calls meanwhile waits for it, and is then refused.
    this.#joining = this.#begin().then(() => this.#run(this.#open as OpenPlace));
    await this.#joining.catch((error: unknown) => {
      if (this.#closing === undefined) onFatal(ZkraftError.from(error));
    });
  }

  // Commands and reads.

  propose(data: Uint8Array, options: CommandOptions = {}): Promise<Applied<Result>> {
    const { session } = options;
    if (session === undefined)
      return this.#withDriver((driver) => driver.propose(encodeCommand({ kind: 'plain', data })));
    if (this.#options.codec === undefined) {
      return Promise.reject(new ZkraftError('internal', 'commands in sessions need a codec of results'));
    }
    const { id, sequence } = session;
    return this.#withDriver((driver) =>
      driver.propose(encodeCommand({ kind: 'session', session: id, sequence, data })),
    );
  }

  /** The id for `CommandOptions.session`; number the commands from 1. */
  async openSession(): Promise<number> {
    return (await this.#withDriver((driver) => driver.propose(encodeCommand({ kind: 'open-session' })))).index;
  }

  async closeSession(session: number): Promise<void> {
    await this.#withDriver((driver) => driver.propose(encodeCommand({ kind: 'close-session', session })));
  }

  readIndex(): Promise<number> {
    return this.#withDriver((driver) => driver.readIndex());
  }

  // What is.

  status(): NodeStatus {
    const running = this.#running;
    const { name } = this.#options;
    const leader = this.#leader();
    return {
      ...this.outline(),
      nodeId: name,
      clusterId: this.#open?.log.identity.clusterId ?? '',
      epoch: running?.state.members.epoch ?? 0,
      succeeds: running?.state.members.succeeds ?? [],
      leaderId: leader?.name,
      leaderAddress: leader?.clientAddress,
      snapshotIndex: running?.driver.snapshotIndex ?? 0,
      peers: running === undefined ? 0 : idsOf(running.state.confState).length,
      incarnation: this.#incarnation.nodeId,
      isWaiting: this.#open === undefined,
      hostVersion: this.#commonVersion(),
    };
  }

  /** The numbers of `status` alone, for whoever looks all the time. */
  outline(): Pick<NodeStatus, 'state' | 'term' | 'commitIndex' | 'appliedIndex'> {
    const running = this.#running;
    return {
      state: this.#state(),
      term: running?.driver.term ?? 0,
      commitIndex: running?.driver.commitIndex ?? 0,
      appliedIndex: running?.state.appliedIndex ?? 0,
    };
  }

  /** Who takes part, as far as this node has applied the log; joint while a replacement is under way. */
  get confState(): ConfState | undefined {
    return this.#running?.state.confState;
  }

  onStateChange(listener: (status: NodeStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** From this node's own record: needs no leader (rule 11). A leader adds how far each peer is. */
  async peers(): Promise<readonly PeerStatus[]> {
    const running = this.#running;
    if (running === undefined) return [];
    const { driver, state } = running;
    const core = driver.leads ? await driver.coreStatus().catch(() => undefined) : undefined;
    const nowMs = this.#options.runtime.now();
    return idsOf(state.confState).map((id) => {
      const progress = core?.progress.get(id);
      const link = id === driver.id ? undefined : this.#transport?.link?.(id);
      return {
        ...(state.members.get(id) ?? strangerOf(id)),
        role: roleOf(state.confState, id) ?? 'learner',
        isSelf: id === driver.id,
        isLeader: id === driver.lead,
        ...(link !== undefined && { link }),
        ...(core !== undefined &&
          progress !== undefined && {
            progress: {
              matchIndex: progress.match,
              lagEntries: core.lastIndex - progress.match,
              state: progress.state,
              isInTouch: id === driver.id || driver.contacts.isInTouch(id, nowMs),
              silentMs: driver.contacts.silentForMs(id, nowMs),
            },
          }),
      };
    });
  }

  /** Who was not let in by this node lately, the latest first; `agoMs` since the last time. */
  refusals(): readonly (Refusal & { readonly agoMs: number })[] {
    const nowMs = this.#options.runtime.now();
    return (this.#transport?.refusals?.() ?? []).map((one) => ({ ...one, agoMs: Math.max(0, nowMs - one.lastMs) }));
  }

  /** The ones on this node's disk, oldest first. */
  snapshotInfo(): readonly SnapshotInfo[] {
    return (this.#running?.log.recordedSnapshots() ?? []).filter(({ index }) => index > 0);
  }

  async measure(): Promise<NodeMeasures> {
    const { state, term, commitIndex, appliedIndex, peers } = this.status();
    const lags = (await this.peers()).flatMap(({ name, isSelf, progress }) =>
      isSelf || progress === undefined ? [] : [[name, progress.lagEntries] as const],
    );
    return {
      state: { Leader: 2, Candidate: 1, Follower: 0, Learner: 0, Shutdown: -1 }[state],
      term,
      commitIndex,
      appliedIndex,
      peers,
      leads: state === 'Leader',
      proposalsInFlight: this.#running?.driver.proposalsInFlight ?? 0,
      messagesDropped: this.#running?.driver.messagesDropped ?? 0,
      sessions: this.#running?.state.sessions ?? 0,
      peerLagEntries: new Map(lags),
    };
  }

  // Members and leadership.

  /** Asks whoever is at `raftAddress` who it is, and adds it as a learner. */
  async addPeer(raftAddress: string): Promise<Member> {
    const { membership, log } = this.#require();
    const transport = this.#transport;
    if (transport === undefined) throw stopping();
    const { clusterId, ...member } = await transport.identify(raftAddress);
    if (clusterId !== undefined && clusterId !== log.identity.clusterId) {
      throw new ZkraftError(
        'membership_refused',
        `${raftAddress} is "${member.name}" of another cluster, ${clusterId}; two clusters never merge. ` +
          'To use that machine here, give its node an empty raft directory',
      );
    }
    return await membership.add(member);
  }

  promote(name: string, force = false): Promise<void> {
    return this.#withRunning(({ membership }) => membership.promote(name, force));
  }

  removePeer(name: string, force = false): Promise<void> {
    return this.#withRunning(({ membership }) => membership.remove(name, force));
  }

  /** The learner takes the voter's place in one step, through a joint configuration: no moment with a voter too few. */
  replacePeer(voter: string, learner: string, force = false): Promise<void> {
    return this.#withRunning(({ membership }) => membership.replace(voter, learner, force));
  }

  /** To the voter of that name, or to the one that has most of the log. Resolves with the name of the new leader. */
  transferLeadership(to?: string): Promise<string> {
    const { runtime, electionTimeoutMs: timeoutMs } = this.#options;
    return this.#withRunning(({ driver, state }) => transferLeadership({ driver, state, runtime, timeoutMs }, to));
  }

  /** Hands over if somebody can take over; else leads no more all the same. */
  async stepDown(): Promise<void> {
    try {
      await this.transferLeadership();
    } catch (error) {
      const { code } = ZkraftError.from(error);
      if (code !== 'transfer_failed' && code !== 'membership_refused') throw error;
      await this.#require().driver.call((core) => core.stepDown());
    }
  }

  async handOver(): Promise<void> {
    if (this.#running?.driver.leads !== true || this.#running.state.confState.voters.length < 2) return;
    const { logger } = this.#options;
    await this.transferLeadership().then(
      (to) => logger.info({ to }, 'leadership was handed over'),
      (error: unknown) => logger.warn({ reason: ZkraftError.from(error).message }, 'leadership was not handed over'),
    );
  }

  // The end.

  close(): Promise<void> {
    return this.stop({ transfer: false });
  }

  /** With `transfer`, a leader hands over before it goes, so that writes stop for a moment only. */
  stop(options: { readonly transfer: boolean }): Promise<void> {
    this.#closing ??= this.#shutDown(options.transfer);
    return this.#closing;
  }

  async #shutDown(transfer: boolean): Promise<void> {
    const { logger } = this.#options;
    await this.#joining?.catch(() => {});
    if (transfer) await this.handOver();
    await this.#running?.driver.stop().catch(() => {});
    await this.#transport?.close();
    await this.#open?.log.close().catch((error: unknown) => logger.error({ err: error }, 'the log did not close'));
    this.#tell();
  }

  // What the transport asks.

  identity(): PeerIdentity {
    return { ...this.#self(), clusterId: this.#open?.log.identity.clusterId };
  }

  async admit(peer: PeerIdentity, to: NodeId): Promise<void> {
    if (this.#closing !== undefined) throw stopping();
    const { name } = this.#options;
    if (to !== this.#incarnation.nodeId) {
      throw foreign(
        `"${peer.name}" asks for incarnation ${to} of "${name}", but this one is ${this.#incarnation.nodeId}: it lost its ` +
          `disk, or never had it. Remove "${name}" from the cluster, then add it anew`,
      );
    }
    if (peer.clusterId === undefined) throw foreign(`"${peer.name}" is of no cluster yet`);
    if (this.#open === undefined) await this.#join(peer.clusterId);
    const clusterId = this.#open?.log.identity.clusterId;
    if (peer.clusterId !== clusterId) {
      throw foreign(`"${peer.name}" is of cluster ${peer.clusterId}, and this node of ${clusterId}; they never merge`);
    }
    this.#checkIncarnation(peer);
  }

  receive(message: Parameters<Driver<Result>['receive']>[0]): void {
    this.#running?.driver.receive(message);
  }

  unreachable(nodeId: NodeId): void {
    this.#running?.driver.unreachable(nodeId);
  }

  gone(nodeId: NodeId): void {
    this.#running?.driver.gone(nodeId);
  }

  snapshotSent(nodeId: NodeId, outcome: 'arrived' | 'failed'): void {
    this.#running?.driver.snapshotSent(nodeId, outcome);
  }

  snapshots(): SnapshotStore | undefined {
    return this.#running?.store;
  }

  #checkIncarnation(peer: PeerIdentity): void {
    const running = this.#running;
    if (running === undefined) return;
    const { driver, state, announcements } = running;
    const { members, confState } = state;
    checkMember(peer, { id: driver.id, lead: driver.lead, members, confState });
    const { clusterId, ...member } = peer;
    // Where its addresses have changed, those who dial it must learn it from the log.
    announcements.heard(member);
  }

  async #join(clusterId: string): Promise<void> {
    this.#joining ??= this.#makeLogFor(clusterId).catch((error: unknown) => {
      this.#joining = undefined;
      const known = ZkraftError.from(error);
      // Room can be made while it waits; whatever else it is, a node that stays up with half a log helps nobody.
      if (known.code !== 'disk_full' && this.#closing === undefined) this.#options.onFatal(known);
      throw known;
    });
    await this.#joining;
  }

  async #makeLogFor(clusterId: string): Promise<void> {
    const { place, logger } = this.#options;
    this.#open = await place.create(clusterId, this.#incarnation, EMPTY_CONF_STATE);
    logger.info({ cluster_id: clusterId, incarnation: this.#incarnation.nodeId }, 'joins a cluster');
    await this.#run(this.#open);
  }

  // How it runs.

  async #run(open: OpenPlace): Promise<void> {
    const machine = this.#machine;
    const transport = this.#transport;
    if (machine === undefined || transport === undefined) throw stopping();
    const running = await assemble(this.#options, {
      open,
      machine,
      transport,
      self: this.#self(),
      changed: () => this.#tell(),
    });
    this.#running = running;
    await running.driver.start();
    if (running.driver.end !== undefined) throw running.failure() ?? stopping();
  }

  #self(): Member {
    const { name, raftAddress, clientAddress, hostVersion = 0 } = this.#options;
    return { ...this.#incarnation, name, raftAddress, clientAddress, ...(hostVersion > 0 && { hostVersion }) };
  }

  #commonVersion(): number {
    const state = this.#running?.state;
    return state === undefined ? 0 : commonHostVersion(idsOf(state.confState).map((id) => state.members.get(id)));
  }

  #leader(): Pick<Member, 'name' | 'clientAddress'> | undefined {
    const running = this.#running;
    if (running === undefined || running.driver.lead === NO_NODE) return undefined;
    const { driver, state } = running;
    return driver.lead === driver.id ? this.#self() : state.members.get(driver.lead);
  }

  #state(): RaftState {
    const running = this.#running;
    if (this.#closing !== undefined && running?.driver.end !== undefined) return 'Shutdown';
    if (running === undefined) return this.#closing === undefined ? 'Follower' : 'Shutdown';
    const { driver, state } = running;
    if (driver.end !== undefined) return 'Shutdown';
    if (driver.role === 'leader') return 'Leader';
    if (driver.role !== 'follower') return 'Candidate';
    return roleOf(state.confState, driver.id) === 'voter' ? 'Follower' : 'Learner';
  }

  #tell(): void {
    const status = this.status();
    const told = JSON.stringify([status.state, status.leaderId, status.leaderAddress, status.peers]);
    if (told === this.#told) return;
    this.#told = told;
    for (const listener of this.#listeners) listener(status);
  }

  #require(): Running<Result> {
    if (this.#closing !== undefined && this.#running?.driver.leads !== true) throw stopping();
    if (this.#running !== undefined) return this.#running;
    throw new NotLeaderError('this node waits until a leader adds it to a cluster; ask a member', undefined);
  }

  async #withRunning<T>(work: (running: Running<Result>) => Promise<T>): Promise<T> {
    return await work(this.#require());
  }

  #withDriver<T>(work: (driver: Driver<Result>) => Promise<T>): Promise<T> {
    return this.#withRunning(({ driver }) => work(driver));
  }
}

const stopping = (): ZkraftError => new ZkraftError('shutting_down', 'this node is stopping; nothing was done');
