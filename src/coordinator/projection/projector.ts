/**
 * Writes the outbox into PostgreSQL, in order, and tells the log how far it came.
 *
 * A batch is whole: it ends where the next index begins, so "everything up to the cursor is in the database" is
 * exactly true. A batch whose answer was lost is found again by the database's cursor, and rows are fenced by the
 * index of their decision, so writing one twice changes nothing. What is decided within a moment is written together: a
 * statement costs a good part of what all its rows do, and of a task only the newest decision is written. While the database is away decisions wait in the
 * outbox, which is replicated and survives us.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { ClusterRow, SchedulingStore, TaskEvent, TaskProjection } from '../../store/types.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { Replica } from '../replica.ts';
import { eventOf, rowOf } from './rows.ts';

export interface ProjectorOptions {
  readonly replica: Replica;
  readonly store: Pick<SchedulingStore, 'project' | 'claimCluster'>;
  readonly metrics: CoordinatorMetrics;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The database is another cluster's, or newer than this log: this node must not lead until `claim` finds it ours. */
  readonly onForeign: (error: ZkraftError) => void;
}

const BATCH_ROWS = 256;
/** From the beginning of one batch to that of the next. Whoever waits for a task waits half of it more, under load alone. */
const BATCH_MS_MIN = 20;
/** A decision that changes more tasks than this (the outbox refilled) is written in several statements. */
const STATEMENT_ROWS_MAX = 1_000;
const BACKOFF_BASE_MS = 100;
const BACKOFF_CAP_MS = 5_000;

/** Errors that no waiting mends: an operator must look before anything is written. */
export const mustNotLead = ({ code }: ZkraftError): boolean =>
  code === 'foreign_cluster' || code === 'log_corrupt' || code === 'schema_outdated';

export class Projector {
  readonly #options: ProjectorOptions;
  #cluster: ClusterRow | undefined;
  /** Something went wrong, or long ago it was looked whose the database is: it is claimed again before the next write. */
  #isDoubtful = false;
  #woken = false;
  #running: Promise<void> | undefined;
  #closed = false;
  #failures = 0;
  /** When the last batch began. */
  #batchMs = Number.NEGATIVE_INFINITY;
  #backoff: { timer: NodeJS.Timeout; resolve: () => void } | undefined;

  constructor(options: ProjectorOptions) {
    this.#options = options;
  }

  /** True once the database is known to be ours. */
  get claimed(): boolean {
    return this.#cluster !== undefined;
  }

  /**
   * Makes the database ours or checks that it is, ends the session of the leader before, and squares its cursor with the
   * state. Rejects with `not_leader`, `foreign_cluster`, `log_corrupt` (the database has seen more than this log holds), `schema_outdated`,
   * `database_unavailable`.
   */
  async claim(): Promise<void> {
    const { replica, store, logger } = this.#options;
    // A leader of the past must not end the session of the next.
    await replica.log.readIndex();
    const { clusterId, succeeds } = replica.status();
    const row = await store.claimCluster(clusterId, succeeds);
    // Once more: another may lead by now, and have written what this node has not heard of.
    await replica.log.readIndex();
    const { commitIndex } = replica.status();
    if (row.cursor > commitIndex) {
      throw new ZkraftError(
        'log_corrupt',
        `the database has seen decision ${row.cursor} of this cluster, but this log ends at ${commitIndex}: it is an ` +
          'older copy. Nothing was written. Start with the newest raft directory, or restore database and directory ' +
          'from the same backup',
        { field: 'raft_dir' },
      );
    }
    if (row.cursor < replica.state.projectedIndex) {
      logger.warn(
        { cursor: row.cursor, projected: replica.state.projectedIndex },
        'the database is older than the log (restored from a backup?); writing again all that is still held',
      );
      await replica.propose({ kind: 'outbox_refilled' });
    } else if (row.cursor > replica.state.projectedIndex) {
      // The last batch was written, but the log was not told: everything up to the cursor is there.
      await replica.propose({ kind: 'projected', upto: row.cursor });
    }
    this.#cluster = row;
  }

  wake(): void {
    this.#woken = true;
    if (this.#running !== undefined || this.#closed || this.#cluster === undefined) return;
    this.#running = this.#loop().finally(() => {
      this.#running = undefined;
    });
  }

  /** Soon, and between two batches: whose the database is, and how far it came, by what it says itself. */
  lookAgain(): void {
    this.#isDoubtful = true;
    this.wake();
  }

  /** Writes what it can within `graceMs`; the rest stays in the outbox, which is on disk. */
  async close(graceMs: number): Promise<void> {
    if (this.#failures === 0) this.wake();
    const timer = setTimeout(() => this.stop(), graceMs);
    if (this.#failures > 0) this.stop();
    await this.#running;
    clearTimeout(timer);
    this.stop();
  }

  /** After the batch that is under way, if one is, nothing more is written. */
  stop(): void {
    this.#closed = true;
    clearTimeout(this.#backoff?.timer);
    this.#backoff?.resolve();
  }

  async #loop(): Promise<void> {
    while (this.#woken && !this.#closed) {
      this.#woken = false;
      try {
        if (this.#isDoubtful) {
          await this.claim();
          this.#isDoubtful = false;
        }
        while (!this.#closed && !this.#isDoubtful && (await this.#projectBatch()));
        if (this.#failures > 0) this.#options.logger.info('the database takes results again');
        this.#failures = 0;
      } catch (error) {
        await this.#afterFailure(ZkraftError.from(error));
      }
    }
  }

  async #afterFailure(error: ZkraftError): Promise<void> {
    const { logger, metrics, random, onForeign } = this.#options;
    if (error.code === 'shutting_down') return;
    const isLeadershipOver = error.code === 'not_leader';
    if (!isLeadershipOver) metrics.add('coordinator_projection_failures_total');
    if (mustNotLead(error)) {
      this.#cluster = undefined;
      onForeign(error);
      return;
    }
    const waits = 'results wait in the outbox until the database takes them';
    // An outage is said once; anything else is a fault that somebody must see each time.
    if (isLeadershipOver) logger.debug({ err: error }, waits);
    else if (error.code !== 'database_unavailable') logger.error({ err: error }, waits);
    else if (this.#failures === 0) logger.warn({ err: error }, waits);
    this.#failures += 1;
    // Whoever holds what we waited for leads no more: a claim ends its session. And what comes back after an outage may
    // be another database, or an older one.
    this.#isDoubtful = true;
    const capMs = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(10, this.#failures - 1));
    await new Promise<void>((resolve) => {
      this.#backoff = { timer: setTimeout(resolve, capMs * (0.5 + random() / 2)), resolve };
    });
    this.#woken = true;
  }

  /** True when there may be more. */
  async #projectBatch(): Promise<boolean> {
    const { replica, store, metrics } = this.#options;
    const cluster = this.#cluster;
    if (cluster === undefined || replica.state.outbox.size === 0) return false;
    const gatherMs = this.#batchMs + BATCH_MS_MIN - performance.now();
    if (gatherMs > 0) await sleep(gatherMs);
    // Stopped, or deposed, meanwhile.
    if (this.#closed) return false;
    const { rows, story, upto } = this.#collect();
    const startedMs = performance.now();
    this.#batchMs = startedMs;
    const cursor = Math.max(upto, cluster.cursor);
    let moved = true;
    const most = Math.max(rows.length, story.length);
    for (let at = 0; moved && at < most; at += STATEMENT_ROWS_MAX) {
      const end = at + STATEMENT_ROWS_MAX;
      const next = end >= most ? cursor : cluster.cursor;
      moved = await store.project(cluster, cluster.cursor, next, rows.slice(at, end), story.slice(at, end));
    }
    if (!moved) {
      // Our last answer was lost, the database went back in time, or somebody else writes: the cursor tells.
      await this.claim();
      return true;
    }
    this.#cluster = { ...cluster, cursor };
    metrics.time('coordinator_projection_seconds', performance.now() - startedMs);
    await replica.propose({ kind: 'projected', upto });
    return true;
  }

  #collect(): { rows: TaskProjection[]; story: TaskEvent[]; upto: number } {
    const { state } = this.#options.replica;
    const rows: TaskProjection[] = [];
    let upto = 0;
    for (const [id, index] of state.outbox) {
      if (rows.length >= BATCH_ROWS && index > upto) break;
      const task = state.tasks.get(id);
      if (task !== undefined) rows.push(rowOf(task, index));
      upto = index;
    }
    const told = state.story.findIndex((record) => record.index > upto);
    const story = (told === -1 ? state.story : state.story.slice(0, told)).map(eventOf);
    return { rows, story, upto };
  }
}
