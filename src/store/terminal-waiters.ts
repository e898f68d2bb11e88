/**
 * Those who wait for a task to end, all on one LISTEN connection.
 *
 * A notification names the task. A slow poll is the safety net for notifications that were lost: one query for all
 * waiters together. The number of waiters is limited, and one that gives up or is cancelled leaves at once.
 */
import { type Logger, ZkraftError } from '../common/index.ts';
import type { Listener } from './listener.ts';

const DONE_CHANNEL = 'zkraft_task_done';

export interface WaiterOptions {
  readonly listener: Listener;
  /** Which of these tasks have ended. */
  readonly ended: (ids: readonly string[]) => Promise<readonly string[]>;
  readonly pollMs: number;
  readonly waitersMax: number;
  readonly logger: Logger;
}

interface Waiter {
  wake: () => void;
  end: (error: ZkraftError) => void;
}

export class TerminalWaiters {
  readonly #options: WaiterOptions;
  readonly #byTask = new Map<string, Set<Waiter>>();
  #count = 0;
  #unsubscribe: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #polling = false;
  #closed = false;

  constructor(options: WaiterOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Reads with `read` until it returns something that `isFinal` or the time is up, woken in between; the last value
   * read. Registers before the first read, so that an end between read and wait is not missed.
   */
  async wait<T>(
    taskId: string,
    timeoutMs: number,
    read: () => Promise<T>,
    isFinal: (value: T) => boolean,
    signal?: AbortSignal,
  ): Promise<T> {
    const end = performance.now() + timeoutMs;
    const seat = this.#enter(taskId);
    const onAbort = (): void => seat.end(new ZkraftError('cancelled', 'the wait was given up'));
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      for (;;) {
        const woken = seat.next();
        const value = await Promise.race([read(), seat.ended]);
        const leftMs = end - performance.now();
        if (isFinal(value) || leftMs <= 0) return value;
        await Promise.race([woken, seat.ended, seat.timeout(leftMs)]);
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      seat.leave();
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#unsubscribe?.();
    for (const waiters of this.#byTask.values()) {
      for (const waiter of waiters) waiter.end(new ZkraftError('shutting_down', 'the store is closing'));
    }
  }

  #enter(taskId: string) {
    if (this.#closed) throw new ZkraftError('shutting_down', 'the store is closed');
    if (this.#count >= this.#options.waitersMax) {
      throw new ZkraftError('overloaded', `${this.#count} requests already wait for tasks; ask again without waiting`);
    }
    this.#unsubscribe ??= this.#options.listener.subscribe(DONE_CHANNEL, {
      notified: (id) => this.#wake(id),
      resync: () => void this.#poll(),
    });
    let wakeNow = (): void => {};
    let timer: NodeJS.Timeout | undefined;
    let end = (_error: ZkraftError): void => {};
    const ended = new Promise<never>((_, reject) => {
      end = reject;
    });
    // It may end while nobody races on it.
    ended.catch(() => {});
    const waiter: Waiter = { wake: () => wakeNow(), end };
    const waiters = this.#byTask.get(taskId) ?? new Set();
    waiters.add(waiter);
    this.#byTask.set(taskId, waiters);
    this.#count += 1;
    this.#pollLater();
    return {
      ended,
      end,
      next: () =>
        new Promise<void>((resolve) => {
          wakeNow = resolve;
        }),
      timeout: (ms: number) =>
        new Promise<void>((resolve) => {
          clearTimeout(timer);
          timer = setTimeout(resolve, ms);
        }),
      leave: () => {
        clearTimeout(timer);
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#byTask.get(taskId) === waiters) this.#byTask.delete(taskId);
        this.#count -= 1;
        if (this.#count === 0) {
          clearTimeout(this.#timer);
          this.#timer = undefined;
        }
      },
    };
  }

  #wake(taskId: string): void {
    for (const waiter of this.#byTask.get(taskId) ?? []) waiter.wake();
  }

  #pollLater(): void {
    if (this.#timer || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#poll().finally(() => {
        if (this.#count > 0) this.#pollLater();
      });
    }, this.#options.pollMs);
    this.#timer.unref();
  }

  async #poll(): Promise<void> {
    if (this.#polling || this.#count === 0) return;
    this.#polling = true;
    try {
      for (const id of await this.#options.ended([...this.#byTask.keys()])) this.#wake(id);
    } catch (error) {
      this.#options.logger.debug({ reason: (error as Error).message }, 'the poll for ended tasks failed');
    } finally {
      this.#polling = false;
    }
  }
}
