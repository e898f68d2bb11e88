/**
 * Takes up requests to cancel from the database and proposes them to the log, which decides.
 *
 * Woken by notifications and by a poll, so a lost notification costs time and nothing else. A task that ended in the
 * state, or was forgotten since the rows were read, is left alone: its row says so, or will. One pass at a time; what
 * a pass did not reach (outbox full, log away) the next one finds again.
 */
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { CancelRequest, SchedulingStore } from '../../store/types.ts';
import type { Replica } from '../replica.ts';
import { isLive } from '../state/index.ts';
import type { ForgottenTasks } from './forgotten.ts';

export interface CancellationsOptions {
  readonly replica: Replica;
  readonly store: Pick<SchedulingStore, 'cancelRequests'>;
  readonly forgotten: ForgottenTasks;
  readonly pollIntervalMs: number;
  /** Nothing more is taken up while more decisions than this wait for the database. */
  readonly outboxMax: number;
  /** This node leads, and the database is ours. */
  readonly mayDecide: () => boolean;
  readonly logger: Logger;
}

/** Proposals that share a pass over the log. */
const PAGE_ROWS = 64;

export class Cancellations {
  readonly #options: CancellationsOptions;
  #woken = false;
  #running: Promise<void> | undefined;
  #poll: NodeJS.Timeout | undefined;
  #closed = false;
  #failing = false;

  constructor(options: CancellationsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#poll = setInterval(() => this.wake(), this.#options.pollIntervalMs);
    this.#poll.unref();
    this.wake();
  }

  wake(): void {
    this.#woken = true;
    if (this.#running !== undefined || this.#closed) return;
    this.#running = this.#loop().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (this.#woken && !this.#closed) {
      this.#woken = false;
      try {
        await this.#pass();
        this.#failing = false;
      } catch (error) {
        if (!this.#failing)
          this.#options.logger.warn({ err: error }, 'requests to cancel wait; again at the next poll');
        this.#failing = true;
      }
    }
  }

  async #pass(): Promise<void> {
    const { replica, store, forgotten, outboxMax, mayDecide } = this.#options;
    const window = forgotten.open();
    try {
      for (let after: string | undefined; !this.#closed && mayDecide(); ) {
        if (replica.state.outbox.size >= outboxMax) return;
        const page = await store.cancelRequests(after, PAGE_ROWS);
        const open = page.filter(({ taskId }) => !window.has(taskId) && this.#isOpen(taskId));
        await Promise.all(open.map((request) => this.#propose(request)));
        after = page.at(-1)?.taskId;
        if (page.length < PAGE_ROWS || after === undefined) return;
      }
    } finally {
      window.close();
    }
  }

  /** False when the log has ended the task already; unknown tasks are pending ones. */
  #isOpen(taskId: string): boolean {
    const task = this.#options.replica.state.tasks.get(taskId);
    return task === undefined || isLive(task) || task.phase === 'pending';
  }

  async #propose({ taskId, requestId, attempt, by, cancelRequestId }: CancelRequest): Promise<void> {
    const { replica, logger } = this.#options;
    const reason = `cancelled at the request of ${by} (request ${cancelRequestId})`;
    try {
      await replica.propose({ kind: 'task_cancelled', taskId, requestId, attempt, reason });
    } catch (thrown) {
      const error = ZkraftError.from(thrown);
      if (error.code !== 'shutting_down')
        logger.warn({ err: error, task_id: taskId }, 'a cancellation was not decided');
    }
  }
}
