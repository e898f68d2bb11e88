/**
 * The worker agent: ties the link to the coordinators, the tasks it holds and the reports it owes together.
 *
 * What it promises: a finished proof is reported until the coordinator has answered for it; a lease is proved at most
 * once here, however often it is sent; a task that was taken back is never reported; heartbeats name every lease that
 * is queued, running or unanswered, and nothing that happens in a proof can delay them. No leaf and no witness is
 * logged; each line about a task carries `request_id` and `lease`.
 */
import { hostname } from 'node:os';
import { type HttpServer, type Listening, listenHttp } from '../common/http/index.ts';
import { type Logger, ZkraftError } from '../common/index.ts';
import { createRegistry } from '../common/metrics/index.ts';
import type { CircuitRef, Lease, TaskAssignment, TaskCancellation } from '../common/rpc/index.ts';
import { loadCircuit } from '../prover/index.ts';
import type { ProveResult } from '../prover/types.ts';
import { checkAssignment, cleanRequestId, readLease } from './assignment.ts';
import { readBudget } from './budget.ts';
import { Circuits } from './circuits.ts';
import { type Clock, sleep, systemClock } from './clock.ts';
import type { Connection } from './connection.ts';
import { createWorkerHttp, type WorkerState } from './http.ts';
import { leaseKey, RecentKeys } from './lease.ts';
import { Link, type LinkHost } from './link.ts';
import { type Outcome, WorkerMetrics } from './metrics.ts';
import { checkOptions, DEFAULTS, type WorkerOptions } from './options.ts';
import { Outbox, type Settlement } from './outbox.ts';
import { completionOf, type Report } from './report.ts';
import { Spool } from './spool.ts';
import { type RunEnd, type Task, Tasks } from './tasks.ts';
import { openWorkerKey } from './worker-key.ts';

/** Of a host name, which is only for people. */
const NAME_CHARS_MAX = 128;
/** Leases that one message names; coordinators refuse messages with more than 1024. */
const HELD_MAX = 1_000;
/** Leases that are over here, remembered so that a late copy of the assignment is not proved again. */
const ENDED_MAX = 1_024;
/** A task that is not being proved so long after it came is acknowledged by itself; the coordinator sends again after 5 s. */
const ACKNOWLEDGE_MS = 200;

export interface CloseOptions {
  /** Overrides of the options that the worker was started with. */
  readonly drainMs?: number;
  readonly flushMs?: number;
}

export interface Worker extends AsyncDisposable {
  readonly id: string;
  /** Of /livez, /health, /ready and the metrics, when they are served. */
  readonly httpUrl: string | undefined;
  /** Resolves once the worker has stopped; rejects when it gave up by itself (see `registerRetries`). */
  readonly done: Promise<void>;
  state(): WorkerState;
  /**
   * Drains: takes no more tasks, gives back those not begun, lets the running ones finish within `drainMs`, reports
   * within `flushMs`, and stops. What is not acknowledged by then stays in the spool.
   */
  close(options?: CloseOptions): Promise<void>;
  /** Cuts a drain short: gives back what runs, at once, and stops. For the second signal. */
  abort(): Promise<void>;
}

/** Starts a worker. Resolves once it runs, registered or not yet; rejects on wrong options or a port in use. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  checkOptions(options);
  const opened = options.spoolDir === undefined ? undefined : await Spool.open(options.spoolDir, options.id);
  const workerKey = await openWorkerKey(options.spoolDir, options.logger);
  const agent = new Agent(options, opened?.spool, workerKey);
  if (opened !== undefined && opened.broken > 0) {
    options.logger.error({ files: opened.broken }, 'spooled proofs are damaged; they were set aside as *.broken');
  }
  await agent.start(opened?.left ?? []);
  return agent;
}

class Agent implements Worker, LinkHost {
  readonly id: string;
  readonly done: Promise<void>;
  readonly #options: WorkerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #link: Link;
  readonly #circuits: Circuits;
  readonly #tasks: Tasks;
  readonly #outbox: Outbox;
  readonly #metrics: WorkerMetrics;
  readonly #ended = new RecentKeys(ENDED_MAX);
  readonly #abort = new AbortController();
  readonly #http: HttpServer | undefined;
  readonly #slots: number;
  #listening: Listening | undefined;
  #draining = false;
  #closing: Promise<void> | undefined;
  #resolveDone: () => void = () => undefined;
  #rejectDone: (error: unknown) => void = () => undefined;

  constructor(options: WorkerOptions, spool: Spool | undefined, workerKey: string) {
    const { id, logger, prover } = options;
    this.id = id;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = logger;
    this.#slots = options.concurrency ?? Math.min(prover.threads, readBudget().concurrency);
    this.done = new Promise((resolve, reject) => {
      this.#resolveDone = resolve;
      this.#rejectDone = reject;
    });
    this.done.catch(() => undefined);
    const clock = this.#clock;
    const random = options.random ?? Math.random;
    const backoff = options.backoff ?? DEFAULTS.backoff;
    const shared = { clock, random, backoff, logger };
    this.#link = new Link(
      {
        ...shared,
        workerId: id,
        addresses: options.coordinatorAddresses,
        slots: this.#slots,
        backends: [{ name: prover.backend, device: '' }],
        softwareVersion: options.softwareVersion,
        hostName: (options.hostName ?? hostname()).slice(0, NAME_CHARS_MAX),
        heartbeatIntervalMs: options.heartbeatIntervalMs ?? DEFAULTS.heartbeatIntervalMs,
        registerRetries: options.registerRetries ?? 0,
        workerToken: options.workerToken,
        workerKey,
        credentials: options.credentials,
      },
      this,
    );
    const connected = (signal: AbortSignal): Promise<Connection> => this.#link.connected(signal);
    this.#circuits = new Circuits({
      ...shared,
      artifacts: options.artifacts,
      loadCircuit: options.loadCircuit ?? loadCircuit,
      connected,
      onFetched: (bytes) => this.#metrics.fetched(bytes),
    });
    this.#outbox = new Outbox({
      ...shared,
      workerId: id,
      connected,
      spool,
      onSettled: (report, settlement, tookMs) => this.#onSettled(report, settlement, tookMs),
    });
    this.#tasks = new Tasks({
      concurrency: this.#slots,
      queueMax: options.queueMax ?? DEFAULTS.queueMax,
      prover,
      circuit: (name, signal) => this.#circuits.get(name, signal),
      clock,
      onStart: (task) => this.#onStart(task),
      onEnd: (task, end) => this.#onEnd(task, end),
      onStageMs: (stage, ms) => this.#metrics.stage(stage, ms),
    });
    const registry = createRegistry('worker');
    this.#metrics = new WorkerMetrics(registry, {
      running: () => this.#tasks.running,
      queued: () => this.#tasks.queued,
      slots: () => this.#slots,
      reportsPending: () => this.#outbox.size,
      spooled: () => spool?.size ?? 0,
      connected: () => this.#link.current !== undefined,
    });
    this.#http =
      options.httpPort === undefined
        ? undefined
        : createWorkerHttp({ logger, registry, metricsPath: options.metricsPath, state: () => this.state() });
  }

  get httpUrl(): string | undefined {
    return this.#listening?.url;
  }

  async start(left: readonly Report[]): Promise<void> {
    const { httpHost = '127.0.0.1', httpPort, coordinatorAddresses } = this.#options;
    if (this.#http !== undefined && httpPort !== undefined) {
      this.#listening = await listenHttp(this.#http, {
        host: httpHost,
        port: httpPort,
        portSetting: 'metrics.port',
      });
    }
    await this.#circuits.survey();
    for (const report of left) this.#outbox.add(report, true);
    this.#logger.info(
      {
        coordinators: coordinatorAddresses,
        slots: this.#slots,
        backend: this.#options.prover.backend,
        replay: left.length,
      },
      'worker started',
    );
    void this.#link.run().catch((error) => {
      this.#logger.error({ code: ZkraftError.from(error).code }, ZkraftError.from(error).message);
      this.#rejectDone(error);
      void this.abort();
    });
  }

  state(): WorkerState {
    return {
      workerId: this.id,
      connected: this.#link.current !== undefined,
      coordinator: this.#link.current?.address,
      term: this.#link.term,
      draining: this.#draining,
      running: this.#tasks.running,
      queued: this.#tasks.queued,
      slots: this.#slots,
      reportsPending: this.#outbox.size,
    };
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  abort(): Promise<void> {
    this.#abort.abort();
    return this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close({ drainMs, flushMs }: CloseOptions): Promise<void> {
    this.#draining = true;
    this.#logger.info({ running: this.#tasks.running, queued: this.#tasks.queued }, 'draining');
    this.#link.drain();
    await this.#within(drainMs ?? this.#options.drainMs ?? DEFAULTS.drainMs, (signal) => this.#tasks.drain(signal));
    this.#tasks.handBackAll();
    // Runs that were just ended have still to say so; the prover stops within a second.
    await this.#within(flushMs ?? this.#options.flushMs ?? DEFAULTS.flushMs, async (signal) => {
      await this.#tasks.drain(signal);
      await this.#outbox.drained(signal);
    });
    this.#outbox.close();
    this.#circuits.close();
    this.#link.close();
    await this.#http?.close();
    this.#logger.info({ unreported: this.#outbox.size }, 'worker stopped');
    this.#resolveDone();
  }

  /** Runs `work` with a signal that fires after `ms`, or at once when the drain is cut short. */
  async #within(ms: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const limit = new AbortController();
    const over = new AbortController();
    const cut = (): void => limit.abort();
    if (this.#abort.signal.aborted) cut();
    this.#abort.signal.addEventListener('abort', cut, { once: true });
    void sleep(this.#clock, ms, over.signal).then(cut);
    await work(limit.signal);
    over.abort();
    this.#abort.signal.removeEventListener('abort', cut);
  }

  heldLeases(): Lease[] {
    const own = this.#outbox.leases().filter(({ workerId }) => workerId === this.id);
    return [...this.#tasks.leases(), ...own].slice(0, HELD_MAX);
  }

  cachedCircuits(): CircuitRef[] {
    return this.#circuits.cachedCircuits();
  }

  onRegistered(asked: readonly Lease[], keep: readonly Lease[]): void {
    const kept = new Set(keep.map(leaseKey));
    this.onDrop(asked.filter((lease) => !kept.has(leaseKey(lease))));
  }

  onReconnect(): void {
    this.#metrics.reconnected();
  }

  onHeartbeat(lagMs: number, acknowledged: boolean): void {
    this.#metrics.heartbeat(lagMs, acknowledged);
  }

  /** A finished proof is not dropped: its report goes out, and the answer to that decides. */
  onDrop(leases: readonly Lease[]): void {
    for (const lease of leases) this.#takeBack(lease, 'dropped', '');
  }

  onCancellation({ lease, reason }: TaskCancellation): void {
    if (lease !== undefined) this.#takeBack(lease, 'cancelled', reason);
  }

  #takeBack(lease: Lease, outcome: 'cancelled' | 'dropped', reason: string): void {
    if (lease.workerId !== this.id) return;
    const key = leaseKey(lease);
    if (this.#tasks.takeBack(key, outcome)) {
      this.#logger.info({ lease: key, outcome, reason: reason.slice(0, 200) }, 'the coordinator took the task back');
    }
  }

  onAssignment(assignment: TaskAssignment, connection: Connection): void {
    const requestId = cleanRequestId(assignment.requestId);
    const lease = readLease(assignment.lease, this.id);
    if (typeof lease === 'string') {
      this.#logger.error({ request_id: requestId }, `ignored an assignment: ${lease}`);
      return;
    }
    const key = leaseKey(lease);
    const logger = this.#logger.child({ request_id: requestId, lease: key });
    const known = this.#tasks.has(key) || this.#outbox.has(key) || this.#ended.has(key);
    if (!known && (this.#draining || this.#tasks.isFull || this.#outbox.size >= HELD_MAX)) {
      // Left unacknowledged, so that the coordinator leases it elsewhere.
      logger.warn({ draining: this.#draining, queued: this.#tasks.queued }, 'did not take an assignment');
      return;
    }
    if (known) logger.info('assignment received again; it is in hand');
    else this.#accept(assignment, lease, requestId, logger);
    const acknowledge = (): void => {
      connection.acknowledge(lease, requestId).catch((error) => {
        logger.warn(
          { code: ZkraftError.from(error).code },
          'the acknowledgement failed; the coordinator will ask again',
        );
      });
    };
    if (known) {
      acknowledge();
      return;
    }
    // Most are started at once, and that notice says that they arrived, too.
    this.#clock.after(ACKNOWLEDGE_MS, () => {
      if (this.#tasks.isWaiting(key) && this.#link.current === connection) acknowledge();
    });
  }

  #accept(assignment: TaskAssignment, lease: Lease, requestId: string, logger: Logger): void {
    const own = this.#options.taskTimeoutMs ?? DEFAULTS.taskTimeoutMs;
    const told = Number(assignment.timeoutMs);
    try {
      const checked = checkAssignment(assignment);
      logger.info({ circuit: checked.circuit.circuitId, count: checked.statement.leaves.length }, 'task accepted');
      this.#tasks.add({ ...checked, lease, requestId, timeoutMs: told > 0 ? Math.min(own, told) : own });
    } catch (thrown) {
      const { code, message } = ZkraftError.from(thrown);
      const circuitId = assignment.circuit?.circuitId ?? '';
      logger.error({ code }, message);
      this.#count(circuitId, 'failed');
      this.#outbox.add({ kind: 'failure', lease, requestId, circuitId, code, message });
    }
  }

  #onStart(task: Task): void {
    const logger = this.#loggerOf(task);
    logger.info({ circuit: task.circuit.circuitId }, 'proving');
    // Only a notice: whether it arrives changes nothing about the proof.
    this.#link.current?.start(task.lease, task.requestId).catch((error) => {
      logger.debug({ code: ZkraftError.from(error).code }, 'the start notice was not acknowledged');
    });
  }

  #onEnd(task: Task, end: RunEnd): void {
    const logger = this.#loggerOf(task);
    if (end.kind === 'taken_back') {
      this.#ended.add(leaseKey(task.lease));
      this.#count(task.circuit.circuitId, end.outcome);
      return;
    }
    if (end.kind === 'proved') {
      this.#onProved(task, end.result, logger);
      return;
    }
    this.#fail(task, end.error, end.outcome, logger);
  }

  #onProved(task: Task, result: ProveResult, logger: Logger): void {
    const { timings, backend } = result;
    const { circuitId } = task.circuit;
    try {
      const report = completionOf(task.lease, task.requestId, circuitId, result);
      logger.info({ circuit: circuitId, backend, timings }, 'proved');
      this.#outbox.add(report);
    } catch (thrown) {
      this.#fail(task, ZkraftError.from(thrown), 'failed', logger);
      return;
    }
    this.#metrics.stage('queue', timings.queueMs);
    this.#metrics.stage('witness', timings.witnessMs);
    this.#metrics.stage('prove', timings.proveMs);
    this.#metrics.stage('verify', timings.verifyMs);
  }

  #fail({ lease, requestId, circuit }: Task, error: ZkraftError, outcome: Outcome, logger: Logger): void {
    const { circuitId } = circuit;
    const { code, message, cause } = error;
    logger.error({ circuit: circuitId, code, ...(code === 'internal' && { err: cause }) }, message);
    this.#count(circuitId, outcome);
    this.#outbox.add({ kind: 'failure', lease, requestId, circuitId, code, message });
  }

  #onSettled(report: Report, settlement: Settlement, tookMs: number): void {
    this.#ended.add(leaseKey(report.lease));
    this.#metrics.stage('report', tookMs);
    if (report.kind === 'completion') {
      this.#count(report.circuitId, settlement === 'acknowledged' ? 'completed' : settlement);
    }
  }

  #count(circuitId: string, outcome: Outcome): void {
    this.#metrics.taskEnded(circuitId, this.#options.prover.backend, outcome);
  }

  #loggerOf({ lease, requestId }: Task): Logger {
    return this.#logger.child({ request_id: requestId, lease: leaseKey(lease) });
  }
}
