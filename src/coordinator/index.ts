/**
 * A coordinator: leases tasks to workers, judges their proofs, and writes what was decided into the database.
 *
 * `startCoordinator` binds both ports, opens the log, and leads as soon as the log says so. It owns the log it is
 * given and closes it; store, artifacts and verifier remain their owner's. See README.md.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { type HttpServer, listenHttp } from '../common/http/index.ts';
import { type Logger, VERSION, ZkraftError } from '../common/index.ts';
import { RemoteError } from '../common/rpc/index.ts';
import type { ArtifactStore } from '../prover/artifacts/types.ts';
import type { Prover } from '../prover/types.ts';
import type { LogStatus, ReplicatedLog } from '../raft/index.ts';
import type { SchedulingStore, StoreHealth } from '../store/types.ts';
import { CircuitCatalog } from './circuits.ts';
import { Leader, type LeaderLimits } from './leader.ts';
import { type CoordinatorMetrics, createMetrics, LEADER_GAUGES } from './metrics.ts';
import { Replica } from './replica.ts';
import {
  ArtifactSender,
  type CoordinatorStatus,
  createAdminAuth,
  createAdminService,
  createStatusHttp,
  createWorkerAuth,
  createWorkerService,
  type GrpcServer,
  type GrpcTls,
  type LeaderFace,
  ProofJudge,
  Reports,
  StatementCheck,
  startGrpcServer,
  TaskStreams,
} from './service/index.ts';
import { isLive, STATE_VERSIONS, type StateEvent, type StateVersions } from './state/index.ts';

export { COORDINATOR_METRICS } from './metrics.ts';
export type { CoordinatorStatus } from './service/index.ts';
export type { StateEvent, StateVersions } from './state/index.ts';

/** What a log is told of its host, whose state machine it drives. */
export interface LogHost {
  /** host:port where workers reach this coordinator; told to those who ask another one. */
  readonly clientAddress: string;
  /** Of the coordinators' state, the latest that this one understands; the log tells the others. */
  readonly stateVersion: number;
  readonly registry: Registry;
  readonly logger: Logger;
}

export interface CoordinatorOptions {
  readonly id: string;
  readonly store: SchedulingStore & StoreHealth;
  readonly artifacts: ArtifactStore;
  readonly verifier: Prover;
  /** The most that a proof waits for others to be verified with, where others come as often. Default 10. */
  readonly verifyWaitMs?: number;
  /** Opens the log, once the ports are bound. It is closed with the coordinator. */
  readonly openLog: (host: LogHost) => Promise<ReplicatedLog<readonly StateEvent[]>>;
  readonly grpcHost: string;
  /** 0 takes any free port. */
  readonly grpcPort: number;
  /** Default: plain text. */
  readonly grpcTls?: GrpcTls;
  /** Where workers reach the gRPC port. Default: host and port bound. */
  readonly advertisedGrpcAddress?: string;
  readonly httpHost: string;
  readonly httpPort: number;
  readonly metrics?: { readonly enabled: boolean; readonly path: string };
  readonly pollIntervalMs?: number;
  /** A worker silent for so long is dead; also how long a lease lives without being renewed. */
  readonly heartbeatTimeoutMs?: number;
  readonly heartbeatIntervalMs?: number;
  /** The most that a task may stay delivered but not started. */
  readonly staleTaskTimeoutMs?: number;
  /** How often the database is compared with the state. */
  readonly cleanupIntervalMs?: number;
  readonly taskTimeoutMs?: number;
  /** An assignment not acknowledged for so long is sent again; after three times the lease is lost. */
  readonly deliveryTimeoutMs?: number;
  readonly maxAttempts?: number;
  readonly backoffBaseMs?: number;
  readonly backoffCapMs?: number;
  /** A waiting task gains one priority for each such span. */
  readonly ageingMs?: number;
  readonly outboxMax?: number;
  /** Workers of an older version get no tasks. Empty or absent: none is too old. */
  readonly minWorkerVersion?: string;
  /** The largest message taken from a worker. Default 1 MiB. */
  readonly messageBytesMax?: number;
  /** At least 16 characters. Empty or absent: whoever reaches the port can be a worker. */
  readonly workerToken?: string;
  /** At least 16 characters. Empty or absent: only callers on this machine may administer. */
  readonly adminToken?: string;
  readonly reflection?: boolean;
  /** Default: of this program. Another is a program of another release. */
  readonly versions?: StateVersions;
  readonly logger: Logger;
  /** Called once if this node can no longer serve (its disk failed): the process should end and be restarted. */
  readonly onFatal?: (error: ZkraftError) => void;
}

export interface Coordinator {
  readonly grpcPort: number;
  readonly httpPort: number;
  status(): CoordinatorStatus;
  /**
   * Hands leadership over if another can lead, which takes three election timeouts at most, then stops within 5 s; what
   * was accepted is in the log. Idempotent.
   */
  close(): Promise<void>;
}

const TOKEN_CHARS_MIN = 16;
const CALLS_GRACE_MS = 1_500;
const ALONE_LEADS_WITHIN_MS = 30_000;
const LEADS_AGAIN_MS = 20;
/** Workers whose leader is gone and who are told nothing for so long look for the next by themselves. */
const NEXT_LEADER_MS = 1_000;

/**
 * Rejects with `port_in_use`, `already_running`, `log_corrupt`, `foreign_cluster`, `config_invalid`, having released
 * all that it took. A database that cannot be reached is waited for: /health says so meanwhile.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const node = new CoordinatorNode(options);
  try {
    await node.start();
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}

class CoordinatorNode implements Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #logger: Logger;
  readonly #metrics: CoordinatorMetrics = createMetrics();
  readonly #streams = new TaskStreams();
  readonly #catalog: CircuitCatalog;
  readonly #limits: LeaderLimits;
  #log: ReplicatedLog<readonly StateEvent[]> | undefined;
  #replica: Replica | undefined;
  #leader: Leader | undefined;
  #face: LeaderFace | undefined;
  #judge: ProofJudge | undefined;
  #grpc: GrpcServer | undefined;
  #http: HttpServer | undefined;
  #httpPort = 0;
  #leading: Promise<void> | undefined;
  /** Counts how often leadership ended here. */
  #reign = 0;
  #isClosed = false;
  #sending: NodeJS.Timeout | undefined;
  /** Leaderships that are over and still let go of the database. */
  #deposing: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#logger = options.logger.child({ coordinator_id: options.id });
    this.#catalog = new CircuitCatalog(options.artifacts);
    this.#limits = limitsOf(options);
  }

  get grpcPort(): number {
    return this.#grpc?.port ?? 0;
  }

  get httpPort(): number {
    return this.#httpPort;
  }

  async start(): Promise<void> {
    const { id, workerToken = '', adminToken = '' } = this.#options;
    for (const [name, token] of [
      ['worker', workerToken],
      ['admin', adminToken],
    ] as const) {
      if (token === '' || token.length >= TOKEN_CHARS_MIN) continue;
      throw new ZkraftError('config_invalid', `the ${name} token is shorter than ${TOKEN_CHARS_MIN} characters`, {
        field: `coordinator.${name}_token`,
      });
    }
    // Ports first: a second coordinator on this machine is found out before it touches a log.
    this.#grpc = await this.#bindGrpc();
    await this.#bindHttp();
    const logger = this.#logger;
    const { versions = STATE_VERSIONS } = this.#options;
    this.#log = await this.#options.openLog({
      clientAddress: this.#options.advertisedGrpcAddress ?? `${this.#options.grpcHost}:${this.grpcPort}`,
      stateVersion: versions.understood,
      registry: this.#metrics.registry,
      logger,
    });
    const replica = new Replica({ log: this.#log, now: Date.now, versions, logger });
    this.#replica = replica;
    // So that it knows them if it comes to lead while the database is away.
    this.#catalog.refresh().catch((error: unknown) => logger.debug({ err: error }, 'circuits were not read yet'));
    this.#metrics.beforeScrape(() => this.#measure());
    this.#log.onStateChange((status) => this.#followLog(status));
    await replica.start();
    // Alone, it leads in a moment; with others it may never lead, and serves by saying who does.
    if (replica.status().peers === 1) await this.#untilItLeads(replica);
    logger.info({ grpc_port: this.grpcPort, http_port: this.#httpPort, id }, 'coordinator started');
  }

  status(): CoordinatorStatus {
    const replica = this.#replica;
    const state = replica?.state;
    const workers = { total: state?.workers.size ?? 0, active: 0, suspect: 0, dead: 0 };
    let slots = 0;
    for (const worker of state?.workers.values() ?? []) {
      slots += worker.slots;
      if (this.#leader !== undefined) workers[this.#leader.watch.liveness(worker.id, performance.now())] += 1;
    }
    return {
      coordinatorId: this.#options.id,
      raft: replica?.status() ?? this.#notStarted(),
      workers,
      capacity: { total: slots, used: [...(state?.tasks.values() ?? [])].filter(isLive).length },
      scheduler: { ...(this.#leader?.driver.counts ?? { tasksAssigned: 0, assignmentsFailed: 0, pollCycles: 0 }) },
      outbox: state?.outbox.size ?? 0,
      stateVersion: state?.version ?? 0,
      refusal:
        this.#closing === undefined
          ? this.#leader?.refusal
          : new ZkraftError('shutting_down', 'this coordinator is stopping'),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    // The next leader takes over while this one still answers: whoever works here is told where to go on.
    await this.#log?.handOver();
    this.#isClosed = true;
    clearTimeout(this.#sending);
    this.#grpc?.setServing(false);
    this.#streams.endAll(new ZkraftError('shutting_down', 'this coordinator is stopping; find the next leader'));
    // Reports in flight are still decided and answered; only then do projection and log end.
    await this.#grpc?.close(CALLS_GRACE_MS);
    await this.#leader?.close();
    await this.#deposing;
    await this.#log?.close();
    await Promise.race([this.#http?.close(), sleep(500, undefined, { ref: false })]);
    this.#logger.info('coordinator stopped');
  }

  #followLog(status: LogStatus): void {
    if (this.#isClosed) return;
    if (status.state === 'Leader') {
      if (this.#leading !== undefined) return;
      clearTimeout(this.#sending);
      this.#lead().catch((error: unknown) => this.#logger.error({ err: error }, 'could not begin to lead'));
      return;
    }
    const leader = this.#leader;
    this.#leading = undefined;
    this.#reign += 1;
    this.#leader = undefined;
    this.#face = undefined;
    this.#grpc?.setServing(false);
    this.#sendWorkersOn(status);
    if (leader !== undefined) {
      const { term, leaderId } = status;
      this.#logger.info({ term, leader: leaderId }, 'this coordinator leads no more; it writes nothing from now on');
      const deposed = leader.depose().catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'leadership ended badly');
      });
      this.#deposing = Promise.all([this.#deposing, deposed]);
    }
    if (status.state !== 'Shutdown') return;
    this.#options.onFatal?.(new ZkraftError('internal', 'the replicated log cannot be written; see the log'));
  }

  /** To the next leader, once there is one to name; that is a moment after the last one ceased to lead. */
  #sendWorkersOn(status: LogStatus): void {
    clearTimeout(this.#sending);
    const send = (): void => this.#streams.endAll(notLeading(this.#replica?.status() ?? status));
    if (status.leaderId !== undefined || status.state === 'Shutdown') send();
    else this.#sending = setTimeout(send, NEXT_LEADER_MS).unref();
  }

  /** Rejects with why a node that is alone must not lead. */
  async #untilItLeads(replica: Replica): Promise<void> {
    const deadlineMs = performance.now() + ALONE_LEADS_WITHIN_MS;
    while (replica.status().state !== 'Leader' && performance.now() < deadlineMs) await sleep(2);
    await this.#lead();
    const refusal = this.#leader?.refusal;
    if (refusal !== undefined) throw refusal;
  }

  #lead(): Promise<void> {
    this.#leading ??= this.#takeOver(this.#reign);
    return this.#leading;
  }

  async #takeOver(reign: number): Promise<void> {
    const replica = this.#replica;
    if (replica === undefined || !(await this.#isUpToDate(replica, reign))) return;
    const now = () => performance.now();
    const leader = new Leader({
      replica,
      store: this.#options.store,
      catalog: this.#catalog,
      streams: this.#streams,
      limits: this.#limits,
      softwareVersion: VERSION,
      metrics: this.#metrics,
      logger: this.#logger,
      now,
      epochNow: Date.now,
      random: Math.random,
    });
    this.#leader = leader;
    await leader.start();
    if (this.#leader !== leader) return;
    const { watch, leases, deliveries, driver, policy } = leader;
    const { verifier, verifyWaitMs } = this.#options;
    const judge = new ProofJudge({
      verifier,
      catalog: this.#catalog,
      metrics: this.#metrics,
      ...(verifyWaitMs === undefined ? {} : { waitMs: verifyWaitMs }),
    });
    const reports = new Reports({
      replica,
      judge,
      statements: new StatementCheck({ hasher: verifier, leaves: (treeId) => deliveries.leaves(treeId) }),
      catalog: this.#catalog,
      leases,
      driver,
      metrics: this.#metrics,
      logger: this.#logger,
      now,
    });
    this.#judge = judge;
    this.#face = {
      replica,
      watch,
      leases,
      deliveries,
      driver,
      policy,
      reports,
      get refusal() {
        return leader.refusal;
      },
    };
    this.#grpc?.setServing(true);
  }

  /**
   * True once all that earlier leaders decided is applied here, false if this reign is over before. Until an entry of
   * its own term is applied, a new leader does not know what was decided.
   */
  async #isUpToDate(replica: Replica, reign: number): Promise<boolean> {
    while (!this.#isClosed && this.#reign === reign) {
      try {
        await replica.log.readIndex();
        return this.#reign === reign && !this.#isClosed;
      } catch (error) {
        this.#logger.debug({ err: error }, 'leads, but is not sure of it yet');
        await sleep(LEADS_AGAIN_MS);
      }
    }
    return false;
  }

  #bindGrpc(): Promise<GrpcServer> {
    const { grpcHost: host, grpcPort: port, workerToken, heartbeatIntervalMs, artifacts } = this.#options;
    const service = createWorkerService({
      replica: () => this.#replica,
      streams: this.#streams,
      artifacts: new ArtifactSender(artifacts.blobs, this.#catalog),
      leader: () => this.#face,
      authenticate: createWorkerAuth(workerToken === '' ? undefined : workerToken),
      heartbeatIntervalMs: heartbeatIntervalMs ?? 5_000,
      metrics: this.#metrics,
      logger: this.#logger,
      now: () => performance.now(),
      isClosing: () => this.#isClosed,
    });
    const { reflection = false, messageBytesMax: receiveBytesMax = 1024 * 1024 } = this.#options;
    const { adminToken } = this.#options;
    const admin = createAdminService({
      replica: () => this.#replica,
      leader: () => (this.#face?.refusal === undefined && !this.#isClosed ? this.#face : undefined),
      authenticate: createAdminAuth(adminToken === '' ? undefined : adminToken),
      logger: this.#logger,
      now: () => performance.now(),
    });
    return startGrpcServer({ host, port, service, admin, tls: this.#options.grpcTls, reflection, receiveBytesMax });
  }

  async #bindHttp(): Promise<void> {
    const { httpHost, httpPort, store, metrics } = this.#options;
    this.#http = createStatusHttp({
      store,
      status: () => this.status(),
      logger: this.#logger,
      ...(metrics?.enabled === false ? {} : { registry: this.#metrics.registry }),
      ...(metrics === undefined ? {} : { metricsPath: metrics.path }),
    });
    const { port } = await listenHttp(this.#http, {
      host: httpHost,
      port: httpPort,
      portSetting: 'coordinator.http_port',
    });
    this.#httpPort = port;
  }

  #measure(): void {
    // What was handed in before this node ceased to lead counts until it is answered.
    this.#metrics.set('coordinator_state_version', this.#replica?.state.version ?? 0);
    this.#metrics.set('coordinator_verify_waiting', this.#judge?.waiting ?? 0);
    // What the leader alone knows is not told by whoever led before.
    if (this.#leader === undefined) for (const gauge of LEADER_GAUGES) this.#metrics.set(gauge, 0);
    else this.#leader.measure();
  }

  #notStarted(): CoordinatorStatus['raft'] {
    return {
      state: 'Follower',
      nodeId: this.#options.id,
      clusterId: '',
      succeeds: [],
      leaderId: undefined,
      leaderAddress: undefined,
      term: 0,
      commitIndex: 0,
      appliedIndex: 0,
      snapshotIndex: 0,
      peers: 0,
    };
  }
}

/** What ends streams when leadership does: whoever reads it goes on with the next leader, if there is one already. */
const notLeading = ({ leaderId, leaderAddress }: LogStatus): RemoteError =>
  new RemoteError('not_leader', 'this coordinator does not lead any more', {
    ...(leaderId === undefined ? {} : { leaderId }),
    ...(leaderAddress === undefined ? {} : { leaderGrpcAddress: leaderAddress }),
  });

function limitsOf(options: CoordinatorOptions): LeaderLimits {
  return {
    pollIntervalMs: options.pollIntervalMs ?? 2_000,
    heartbeatTimeoutMs: options.heartbeatTimeoutMs ?? 30_000,
    staleTaskTimeoutMs: options.staleTaskTimeoutMs ?? 300_000,
    cleanupIntervalMs: options.cleanupIntervalMs ?? 60_000,
    taskTimeoutMs: options.taskTimeoutMs ?? 300_000,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? 5_000,
    ageingMs: options.ageingMs ?? 30_000,
    outboxMax: options.outboxMax ?? 10_000,
    minWorkerVersion: options.minWorkerVersion ?? '',
    retry: {
      attemptsMax: options.maxAttempts ?? 5,
      backoffBaseMs: options.backoffBaseMs ?? 1_000,
      backoffCapMs: options.backoffCapMs ?? 60_000,
    },
  };
}
