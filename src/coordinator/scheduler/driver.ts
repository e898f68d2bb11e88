/**
 * Runs the policy against the database and the log: one pass at a time, woken by inserts, freed slots and the poll.
 *
 * A pass walks the ready tasks in rank order and leases each to the worker that the policy names; what nobody can do
 * is passed over, so it blocks nothing behind it. A pass ends when no slot is free. Passes over a long backlog that
 * fits nobody take turns with rest of the same length, so that they never eat more than half the time. After a pass that
 * leased, the next one waits a moment: under load each slot that becomes free would else cost a question to the database.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../common/index.ts';
import { ZkraftError } from '../../common/index.ts';
import type { ReadyTask, SchedulingStore } from '../../store/types.ts';
import type { CircuitCatalog } from '../circuits.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { Replica } from '../replica.ts';
import { isDraining, isQuarantined, loadOf, type RetryRule, type TaskSpec } from '../state/index.ts';
import type { TaskChannel } from './deliveries.ts';
import type { FailedHolders } from './failed-holders.ts';
import type { ForgottenTasks } from './forgotten.ts';
import type { SchedulingPolicy, WorkerView } from './policy.ts';
import { ReadyMarks } from './ready-marks.ts';
import { PAGE_ROWS_MAX, scanReady } from './ready-scan.ts';
import type { WorkerWatch } from './worker-watch.ts';

export interface DriverOptions {
  readonly replica: Replica;
  readonly store: Pick<SchedulingStore, 'readyTasks'>;
  readonly policy: SchedulingPolicy;
  readonly catalog: Pick<CircuitCatalog, 'refresh' | 'isServable'>;
  readonly channel: TaskChannel;
  readonly watch: WorkerWatch;
  readonly forgotten: ForgottenTasks;
  readonly failed: FailedHolders;
  readonly retry: RetryRule;
  readonly pollIntervalMs: number;
  /** No new leases while more decisions than this wait for the database. */
  readonly outboxMax: number;
  /** Leasing is allowed: this node leads, and the database is ours. */
  readonly mayLease: () => boolean;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly epochNow: () => number;
  readonly metrics: CoordinatorMetrics;
  readonly logger: Logger;
}

export interface DriverCounts {
  tasksAssigned: number;
  assignmentsFailed: number;
  pollCycles: number;
}

/** Proposals in flight at once: they share fsyncs, and a pass never holds more of the backlog than this. */
const PROPOSALS_MAX = 64;
/** From the beginning of one pass to that of the next; little beside a proof, for which a slot is meanwhile idle. */
const PASS_MS_MIN = 4;
/** Of a page when few slots are free; each row costs a page of the table. */
const PAGE_ROWS_MIN = 16;

export class Driver {
  readonly counts: DriverCounts = { tasksAssigned: 0, assignmentsFailed: 0, pollCycles: 0 };
  readonly #options: DriverOptions;
  /** Circuits that a worker came to have since it registered. */
  readonly #learnt = new Map<string, Set<string>>();
  readonly #marks = new ReadyMarks();
  #woken = false;
  #running: Promise<void> | undefined;
  #poll: NodeJS.Timeout | undefined;
  #rest: NodeJS.Timeout | undefined;
  #closed = false;
  #failing = false;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  start(): void {
    this.#poll = setInterval(() => this.lookAgain(), this.#options.pollIntervalMs);
    this.#poll.unref();
    this.wake();
  }

  wake(): void {
    this.#woken = true;
    if (this.#running !== undefined || this.#rest !== undefined || this.#closed) return;
    this.#running = this.#loop().finally(() => {
      this.#running = undefined;
    });
  }

  /** Like `wake`, and the next pass looks at all that is ready, also before what was taken last. */
  lookAgain(): void {
    this.#marks.clear();
    this.wake();
  }

  /** The worker finished a task of this circuit, so it has the circuit's files. */
  learn(workerId: string, circuitDigest: string): void {
    const known = this.#learnt.get(workerId);
    if (known === undefined) this.#learnt.set(workerId, new Set([circuitDigest]));
    else known.add(circuitDigest);
  }

  unlearn(workerId: string): void {
    this.#learnt.delete(workerId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#rest);
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (this.#woken && !this.#closed) {
      this.#woken = false;
      const startedMs = this.#options.now();
      const leased = await this.#tryPass();
      const tookMs = this.#options.now() - startedMs;
      if (leased === 0 && tookMs > 50) return this.#restFor(tookMs);
      if (leased > 0 && tookMs < PASS_MS_MIN) await sleep(PASS_MS_MIN - tookMs);
    }
  }

  #restFor(ms: number): void {
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      if (this.#woken) this.wake();
    }, ms);
    this.#rest.unref();
  }

  async #tryPass(): Promise<number> {
    const { logger } = this.#options;
    try {
      const leased = await this.#pass();
      if (this.#failing) logger.info('scheduling works again');
      this.#failing = false;
      return leased;
    } catch (error) {
      // Said once; the poll comes back to it.
      if (!this.#failing) logger.warn({ err: error }, 'scheduling failed; trying again at the next poll');
      this.#failing = true;
      return 0;
    }
  }

  async #pass(): Promise<number> {
    const { replica, store, policy, catalog, forgotten, failed, outboxMax, mayLease, epochNow } = this.#options;
    const marks = this.#marks;
    if (!mayLease() || replica.state.outbox.size >= outboxMax) return 0;
    const workers = this.#workers();
    let free = workers.reduce((sum, worker) => sum + worker.freeSlots, 0);
    if (free === 0) return 0;
    this.counts.pollCycles += 1;
    const window = forgotten.open();
    let leased = 0;
    let inFlight: Promise<boolean>[] = [];
    const settle = async () => {
      leased += (await Promise.all(inFlight)).filter(Boolean).length;
      inFlight = [];
    };
    try {
      await catalog.refresh();
      // What is free, what may go to nobody, and what the database does not know as leased yet.
      const pageRows = Math.min(PAGE_ROWS_MAX, PAGE_ROWS_MIN + 2 * free);
      const from = marks.begin();
      for await (const row of scanReady({ store, rank: policy.rank, nowMs: epochNow(), pageRows, from })) {
        if (this.#closed || !mayLease()) break;
        marks.saw(row);
        const held = replica.state.tasks.get(row.id);
        if (held !== undefined || window.has(row.id)) {
          // A task that waits to be tried again is held, too, and ready after that.
          if (held?.phase !== 'pending') marks.took(row);
          continue;
        }
        const view = { ...row, createdAtMs: row.createdAt.getTime() };
        const worker = policy.choose(view, workers, catalog.isServable(row.circuitDigest), failed.of(row.id));
        if (worker === undefined) continue;
        worker.freeSlots -= 1;
        free -= 1;
        marks.took(row);
        inFlight.push(this.#lease(row, worker));
        if (inFlight.length >= PROPOSALS_MAX) await settle();
        if (free === 0) break;
      }
    } finally {
      await settle();
      window.close();
    }
    return leased;
  }

  /** All that could be given a task, now or when a slot is free. */
  #workers(): WorkerView[] {
    const { replica, policy, channel, watch, now } = this.#options;
    const { state } = replica;
    const views: WorkerView[] = [];
    for (const worker of state.workers.values()) {
      const freeSlots = Math.max(0, worker.slots - loadOf(state, worker.id));
      if (isDraining(state, worker) || isQuarantined(state, worker.id)) continue;
      if (policy.refusesVersion(worker.softwareVersion) !== undefined) continue;
      if (!channel.isOpen(worker.id) || watch.liveness(worker.id, now()) !== 'active') continue;
      const learnt = this.#learnt.get(worker.id);
      const cachedCircuits = new Set([...worker.cachedCircuits, ...(learnt ?? [])]);
      views.push({ ...worker, freeSlots, cachedCircuits, proven: learnt !== undefined });
    }
    return views;
  }

  async #lease(row: ReadyTask, worker: WorkerView): Promise<boolean> {
    const { replica, retry, metrics, logger, epochNow } = this.#options;
    const fields = { request_id: row.requestId, task_id: row.id, worker_id: worker.id };
    try {
      const { events } = await replica.propose({
        kind: 'task_assigned',
        task: specOf(row),
        retry,
        attempt: row.attempt + 1,
        workerId: worker.id,
        sessionId: worker.sessionId,
      });
      const [event] = events;
      if (event?.kind !== 'assigned') {
        this.counts.assignmentsFailed += 1;
        this.#marks.clear();
        logger.debug({ ...fields, why: event?.kind === 'rejected' ? event.why : event?.kind }, 'lease refused');
        return false;
      }
      this.counts.tasksAssigned += 1;
      metrics.add('coordinator_assignments_total');
      if (row.attempt === 0) metrics.time('coordinator_queue_wait_seconds', epochNow() - row.createdAt.getTime());
      logger.info({ ...fields, attempt: row.attempt + 1, circuit: row.circuitId }, 'task leased');
      return true;
    } catch (error) {
      this.counts.assignmentsFailed += 1;
      this.#marks.clear();
      logger.warn({ ...fields, err: ZkraftError.from(error) }, 'lease not decided');
      return false;
    }
  }
}

const specOf = (row: ReadyTask): TaskSpec => ({
  id: row.id,
  requestId: row.requestId,
  circuitId: row.circuitId,
  circuitDigest: row.circuitDigest,
  treeId: row.treeId,
  depth: row.depth,
  leafIndex: row.leafIndex,
  root: Buffer.from(row.root).toString('base64'),
  externalHash: Buffer.from(row.externalHash).toString('base64'),
});
