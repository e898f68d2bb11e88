/**
 * What only the leader does: it turns events into effects, keeps the clocks, and runs scheduler and projection.
 *
 * It begins when this node leads, and ends when it does not; its memory (clocks, deliveries, caches) is made anew each
 * time from the replicated state. Work that depends on the database waits until the database is known to be ours.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrorCode, type Logger, ZkraftError } from '../common/index.ts';
import type { SchedulingStore } from '../store/types.ts';
import type { CircuitCatalog } from './circuits.ts';
import type { CoordinatorMetrics } from './metrics.ts';
import { mustNotLead, Projector, reconcileOrphans } from './projection/index.ts';
import type { Replica } from './replica.ts';
import {
  Cancellations,
  createPolicy,
  Deliveries,
  Driver,
  FailedHolders,
  ForgottenTasks,
  LeaseTable,
  type LeaseVerdict,
  type SchedulingPolicy,
  WorkerWatch,
} from './scheduler/index.ts';
import type { TaskStreams } from './service/index.ts';
import { isLive, type LeaseRef, liveLease, type RetryRule, type StateEvent } from './state/index.ts';

export interface LeaderLimits {
  readonly pollIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly staleTaskTimeoutMs: number;
  readonly cleanupIntervalMs: number;
  readonly taskTimeoutMs: number;
  readonly deliveryTimeoutMs: number;
  readonly ageingMs: number;
  readonly outboxMax: number;
  /** Empty: no worker is too old. */
  readonly minWorkerVersion: string;
  readonly retry: RetryRule;
}

export interface LeaderOptions {
  readonly replica: Replica;
  readonly store: SchedulingStore;
  readonly catalog: CircuitCatalog;
  readonly streams: TaskStreams;
  readonly limits: LeaderLimits;
  readonly softwareVersion: string;
  readonly metrics: CoordinatorMetrics;
  readonly logger: Logger;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly epochNow: () => number;
  readonly random: () => number;
}

const CLAIM_BACKOFF_CAP_MS = 5_000;
const DATABASE_GRACE_MS = 800;

export class Leader {
  readonly watch: WorkerWatch;
  readonly leases: LeaseTable;
  readonly deliveries: Deliveries;
  readonly driver: Driver;
  readonly policy: SchedulingPolicy;
  readonly #cancellations: Cancellations;
  readonly #projector: Projector;
  readonly #options: LeaderOptions;
  readonly #forgotten = new ForgottenTasks();
  readonly #failed = new FailedHolders();
  readonly #removing = new Set<string>();
  readonly #stop = new AbortController();
  readonly #subscriptions: (() => void)[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #claiming: Promise<void> | undefined;
  #refusal: ZkraftError | undefined;
  #queueDepth = 0;
  #isRaising = false;
  /** When leases and workers were last looked at. */
  #sweptMs = 0;
  /** Smoothed milliseconds from lease to accepted proof. */
  #taskMs: number | undefined;

  constructor(options: LeaderOptions) {
    const { replica, store, streams, catalog, limits, metrics, logger, now, epochNow } = options;
    this.#options = options;
    this.watch = new WorkerWatch(limits.heartbeatTimeoutMs);
    this.leases = new LeaseTable({
      leaseMs: limits.heartbeatTimeoutMs,
      deliveryMs: limits.deliveryTimeoutMs,
      sendsMax: 3,
      staleMs: limits.staleTaskTimeoutMs,
      timeoutMs: limits.taskTimeoutMs,
    });
    this.deliveries = new Deliveries({
      replica,
      store,
      channel: streams,
      leases: this.leases,
      leaseMs: limits.heartbeatTimeoutMs,
      timeoutMs: limits.taskTimeoutMs,
      now,
      logger,
    });
    const { softwareVersion } = options;
    const { ageingMs, minWorkerVersion } = limits;
    this.policy = createPolicy({ ageingMs, softwareVersion, minWorkerVersion });
    const mayDecide = () => this.#projector.claimed && this.#refusal === undefined;
    this.#cancellations = new Cancellations({
      replica,
      store,
      forgotten: this.#forgotten,
      pollIntervalMs: limits.pollIntervalMs,
      outboxMax: limits.outboxMax,
      mayDecide,
      logger,
    });
    this.driver = new Driver({
      replica,
      store,
      policy: this.policy,
      catalog,
      channel: streams,
      watch: this.watch,
      forgotten: this.#forgotten,
      failed: this.#failed,
      retry: limits.retry,
      pollIntervalMs: limits.pollIntervalMs,
      outboxMax: limits.outboxMax,
      mayLease: mayDecide,
      now,
      epochNow,
      metrics,
      logger,
    });
    this.#projector = new Projector({
      replica,
      store,
      metrics,
      logger,
      random: options.random,
      onForeign: (error) => this.#refuseToLead(error),
    });
  }

  /** Why this node must not lead, if so: the database is another's. */
  get refusal(): ZkraftError | undefined {
    return this.#refusal;
  }

  get queueDepth(): number {
    return this.#queueDepth;
  }

  /** A database that is away, or that is not ours (`refusal`), is asked again in the background, for as long as it takes. */
  async start(): Promise<void> {
    const { replica, store, limits, now } = this.#options;
    this.#subscriptions.push(replica.subscribe((event) => this.#onEvent(event)));
    for (const worker of replica.state.workers.values()) this.watch.seen(worker.id, now());
    for (const task of replica.state.tasks.values()) {
      const lease = liveLease(task);
      if (lease !== undefined) this.leases.grant(lease, now(), task.phase === 'in_progress');
    }
    const isClaimed = await this.#tryClaim();
    // Deposed, or closed, meanwhile: nothing is begun that nobody would end.
    if (this.#stop.signal.aborted) return;
    if (!isClaimed) this.#claimLater();
    this.#subscriptions.push(store.onInserted(() => this.driver.wake()));
    this.#subscriptions.push(store.onCancelRequested(() => this.#cancellations.wake()));
    this.driver.start();
    this.#cancellations.start();
    const sweepMs = Math.max(20, Math.min(1_000, limits.heartbeatTimeoutMs / 20, limits.deliveryTimeoutMs / 5));
    this.#sweptMs = now();
    this.#every(sweepMs, () => {
      if (this.#refusal !== undefined) return this.#holdClocks();
      this.#forgiveAbsence(sweepMs);
      this.#sweep();
    });
    this.#every(limits.cleanupIntervalMs, () => void this.#cleanUp());
    void this.#countQueue();
  }

  /** Another leads: nothing that is decided from now on has effects here, and nothing more is written. */
  async depose(): Promise<void> {
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    this.#projector.stop();
    await this.close();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const timer of this.#timers) clearInterval(timer);
    // A database that hangs holds nobody up: what it did not take stays in the outbox.
    const stopped = Promise.all([this.driver.close(), this.#cancellations.close(), this.#claiming]);
    await Promise.race([stopped, delay(DATABASE_GRACE_MS)]);
    await Promise.race([this.#projector.close(DATABASE_GRACE_MS), delay(DATABASE_GRACE_MS * 1.5)]);
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
  }

  /** Workers that would clear the queue within a minute, at the speed and slots measured now. */
  workersWanted(): number {
    const { workers } = this.#options.replica.state;
    if (this.#taskMs === undefined || this.#queueDepth === 0) return this.#queueDepth === 0 ? 0 : 1;
    const slots = [...workers.values()].reduce((sum, worker) => sum + worker.slots, 0);
    const slotsEach = workers.size === 0 ? 1 : slots / workers.size;
    return Math.ceil((this.#queueDepth * this.#taskMs) / 60_000 / slotsEach);
  }

  #every(ms: number, act: () => void): void {
    const timer = setInterval(act, ms);
    timer.unref();
    this.#timers.push(timer);
  }

  /** True once the database is ours; false when it cannot be reached, or is another's, yet. */
  async #tryClaim(): Promise<boolean> {
    const { logger, replica, store, limits } = this.#options;
    try {
      await this.#projector.claim();
    } catch (thrown) {
      const error = ZkraftError.from(thrown);
      if (mustNotLead(error)) this.#refuseToLead(error);
      else if (this.#refusal === undefined) logger.warn({ err: error }, 'the database cannot be reached; tasks wait');
      return false;
    }
    this.#refusal = undefined;
    this.#projector.wake();
    const { retry } = limits;
    const signal = this.#stop.signal;
    try {
      await reconcileOrphans({ replica, store, forgotten: this.#forgotten, retry, logger, signal });
    } catch (error) {
      logger.warn({ err: error }, 'leases that only the database knows were not looked for; trying again later');
    }
    return true;
  }

  #claimLater(): void {
    if (!this.#stop.signal.aborted) this.#claiming ??= this.#claimInBackground();
  }

  async #claimInBackground(): Promise<void> {
    for (let failures = 0; !this.#stop.signal.aborted; failures += 1) {
      const capMs = Math.min(CLAIM_BACKOFF_CAP_MS, 200 * 2 ** Math.min(10, failures));
      await pause(capMs * (0.5 + this.#options.random() / 2), this.#stop.signal);
      // What was found ours may be found another's while the rest is still looked at.
      if (this.#stop.signal.aborted || !(await this.#tryClaim()) || this.#refusal !== undefined) continue;
      this.#claiming = undefined;
      this.#options.logger.info('the database is reachable and ours');
      this.driver.lookAgain();
      this.#cancellations.wake();
      return;
    }
  }

  #refuseToLead(error: ZkraftError): void {
    const isNews = this.#refusal?.code !== error.code;
    this.#refusal = error;
    if (isNews) this.#options.logger.fatal({ err: error }, 'this coordinator must not lead with this database');
    this.#options.streams.endAll(error);
    this.#claimLater();
  }

  #onEvent(event: StateEvent): void {
    const { replica, streams, metrics, logger, now } = this.#options;
    switch (event.kind) {
      case 'worker_added':
        this.watch.seen(event.workerId, now());
        logger.info(
          { worker_id: event.workerId, session: event.sessionId, kept: event.kept.length },
          'worker registered',
        );
        this.#warnOfVersion(event.workerId);
        if (event.replacedSessionId !== undefined) {
          const left = new ZkraftError(
            'unknown_worker',
            'the worker registered anew; this stream is of its old session',
          );
          streams.end(event.workerId, left, event.replacedSessionId);
          this.driver.unlearn(event.workerId);
        }
        break;
      case 'worker_refused':
        logger.warn({ worker_id: event.workerId }, 'a registration under the id of another worker was refused');
        return;
      case 'worker_removed': {
        this.watch.forget(event.workerId);
        this.driver.unlearn(event.workerId);
        logger.warn({ worker_id: event.workerId, reason: event.reason }, 'worker removed');
        const gone = new ZkraftError('unknown_worker', `removed: ${event.reason}; register again`);
        streams.end(event.workerId, gone, event.sessionId);
        break;
      }
      case 'worker_changed':
        logger.warn({ worker_id: event.workerId, to: event.to }, 'worker changed state');
        if (event.to === 'quarantined') {
          streams.end(event.workerId, new ZkraftError('worker_quarantined', 'this worker is quarantined'));
        }
        this.driver.wake();
        break;
      case 'assigned':
        this.leases.grant(event.lease, now());
        this.deliveries.send(event.lease);
        break;
      case 'started':
        this.leases.started(event.lease, now());
        break;
      case 'completed':
        this.#onCompleted(event.lease);
        break;
      case 'lease_ended':
        this.leases.end(event.lease);
        this.#failed.note(event.lease.taskId, event.lease.workerId);
        if (!event.reported) this.deliveries.cancel(event.lease, event.code);
        this.driver.wake();
        break;
      case 'retry_scheduled': {
        metrics.add('coordinator_retries_total', { code: isErrorCode(event.code) ? event.code : 'internal' });
        const delayMs = event.notBeforeMs - replica.state.nowMs;
        logger.warn(
          { ...this.#about(event.taskId), attempt: event.attempt, code: event.code, delay_ms: delayMs },
          'task will be tried again',
        );
        setTimeout(() => this.driver.lookAgain(), delayMs + 50).unref();
        break;
      }
      case 'failed':
        this.#failed.forget(event.taskId);
        metrics.add('coordinator_tasks_total', { outcome: 'failed' });
        logger.error({ ...this.#about(event.taskId), attempt: event.attempt, code: event.code }, 'task failed');
        break;
      case 'cancelled':
        this.#failed.forget(event.taskId);
        metrics.add('coordinator_tasks_total', { outcome: 'cancelled' });
        logger.info(this.#about(event.taskId), 'task cancelled');
        break;
      case 'projected':
        this.#forgotten.note(event.forgotten);
        return;
      case 'version_raised':
        logger.info(
          { state_version: event.to },
          'all coordinators understand a later version of the state; it holds now',
        );
        return;
      default:
        break;
    }
    this.#projector.wake();
  }

  #warnOfVersion(workerId: string): void {
    const version = this.#options.replica.state.workers.get(workerId)?.softwareVersion;
    const problem = version === undefined ? undefined : this.policy.refusesVersion(version);
    if (problem !== undefined) this.#options.logger.warn({ worker_id: workerId }, `worker gets no tasks: ${problem}`);
  }

  #onCompleted(lease: LeaseRef): void {
    const { metrics, now } = this.#options;
    const tookMs = this.leases.ageMs(lease, now());
    this.#taskMs = this.#taskMs === undefined ? tookMs : this.#taskMs * 0.9 + tookMs * 0.1;
    metrics.time('coordinator_task_seconds', tookMs);
    metrics.add('coordinator_tasks_total', { outcome: 'completed' });
    this.leases.end(lease);
    this.#failed.forget(lease.taskId);
    this.driver.wake();
  }

  #about(taskId: string): Record<string, unknown> {
    return { request_id: this.#options.replica.state.tasks.get(taskId)?.spec.requestId, task_id: taskId };
  }

  /**
   * A sweep that comes late was held up with all else here: the process was paused, or its machine was. Most of what
   * workers said meanwhile waits to be read, so without this the sweep would condemn them for our own silence.
   */
  #forgiveAbsence(sweepMs: number): void {
    const nowMs = this.#options.now();
    const absentMs = nowMs - this.#sweptMs - sweepMs;
    this.#sweptMs = nowMs;
    if (absentMs < sweepMs) return;
    this.leases.forgive(absentMs, nowMs);
    this.watch.forgive(absentMs, nowMs);
    if (absentMs < this.#options.limits.heartbeatTimeoutMs / 2) return;
    this.#options.logger.warn({ absent_ms: Math.round(absentMs) }, 'this process did not run for a while');
  }

  /** Whoever calls is refused, so nobody can show that it lives: no period runs meanwhile. */
  #holdClocks(): void {
    const nowMs = this.#options.now();
    const heldMs = nowMs - this.#sweptMs;
    this.#sweptMs = nowMs;
    this.leases.forgive(heldMs, nowMs);
    this.watch.forgive(heldMs, nowMs);
  }

  #sweep(): void {
    const { now, replica } = this.#options;
    void this.#raiseVersion();
    for (const verdict of this.leases.sweep(now())) void this.#execute(verdict);
    for (const worker of replica.state.workers.values()) {
      if (this.watch.liveness(worker.id, now()) !== 'dead' || this.#removing.has(worker.id)) continue;
      this.#removing.add(worker.id);
      const reason = `no heartbeat for ${this.#options.limits.heartbeatTimeoutMs} ms`;
      this.#try(
        replica.propose({ kind: 'worker_removed', workerId: worker.id, sessionId: worker.sessionId, reason }),
      ).finally(() => this.#removing.delete(worker.id));
    }
  }

  async #raiseVersion(): Promise<void> {
    if (this.#isRaising) return;
    this.#isRaising = true;
    await this.#try(this.#options.replica.raiseVersion());
    this.#isRaising = false;
  }

  async #execute(verdict: LeaseVerdict): Promise<void> {
    const { logger, replica, streams } = this.#options;
    const { lease } = verdict;
    const fields = { ...this.#about(lease.taskId), worker_id: lease.workerId, attempt: lease.attempt };
    if (verdict.act === 'send') {
      if (streams.isOpen(lease.workerId)) logger.warn(fields, 'assignment not acknowledged; sending again');
      this.deliveries.send(lease);
      return;
    }
    logger.warn({ ...fields, code: verdict.code }, verdict.message);
    const { code, message } = verdict;
    await this.#try(replica.propose({ kind: 'lease_expired', lease, code, message }));
  }

  /** A proposal that nobody waits for: what it was about is found again by the next sweep. */
  async #try(proposal: Promise<unknown>): Promise<void> {
    try {
      await proposal;
    } catch (thrown) {
      const error = ZkraftError.from(thrown);
      if (error.code !== 'shutting_down')
        this.#options.logger.warn({ err: error }, 'a decision was not taken; again later');
    }
  }

  async #cleanUp(): Promise<void> {
    const { replica, store, limits, logger } = this.#options;
    if (!this.#projector.claimed || this.#refusal !== undefined) return;
    this.#projector.lookAgain();
    try {
      await this.#countQueue();
      const { retry } = limits;
      const signal = this.#stop.signal;
      await reconcileOrphans({ replica, store, forgotten: this.#forgotten, retry, logger, signal });
    } catch (error) {
      logger.debug({ err: error }, 'the periodic sweep was cut short');
    }
  }

  async #countQueue(): Promise<void> {
    try {
      this.#queueDepth = await this.#options.store.countPending();
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the queue was not counted');
    }
  }

  /** Sets the gauges that are derived from the state. */
  measure(): void {
    const { metrics, replica, now } = this.#options;
    const { state } = replica;
    const count = { active: 0, suspect: 0, dead: 0 };
    let slots = 0;
    for (const worker of state.workers.values()) {
      count[this.watch.liveness(worker.id, now())] += 1;
      slots += worker.slots;
    }
    metrics.set('coordinator_workers_total', state.workers.size);
    metrics.set('coordinator_workers_active', count.active);
    metrics.set('coordinator_workers_suspect', count.suspect);
    metrics.set('coordinator_workers_dead', count.dead);
    metrics.set('coordinator_capacity_total', slots);
    metrics.set('coordinator_capacity_used', [...state.tasks.values()].filter(isLive).length);
    metrics.set('coordinator_queue_depth', this.#queueDepth);
    metrics.set('coordinator_workers_wanted', this.workersWanted());
    metrics.set('coordinator_outbox_size', state.outbox.size);
  }
}

const delay = (ms: number): Promise<void> => sleep(ms, undefined, { ref: false });

/** Resolves after `ms`, or at once when `signal` aborts. */
const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {});
