/**
 * A fixed number of threads behind one first-in-first-out queue: Piscina, with what a prover needs on top.
 *
 * Piscina is handed a task only when a thread is free for it, so that the queue's order, bound and waiting time are
 * ours. Each task has an abort controller of its own: aborting or timing out terminates its thread, which is the one
 * way to stop WebAssembly in mid-computation, and Piscina starts another. A thread that dies fails its own task with
 * `prover_crashed` and nobody else's. Idle threads do not keep the process alive.
 *
 * The handler (the thread's module, default export) never throws: it answers `{ ok }` or `{ error }`, so that a
 * rejection from Piscina always means that the thread is gone.
 */
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { type ErrorJson, ZkraftError } from '../../common/index.ts';
import type { RunTaskOptions, TaskEnd, TaskExecutor } from './executor.ts';
import { threadExecArgv } from './thread-files.ts';

/** What a thread is sent. */
export interface PoolOrder<Task> {
  /** Names the task in the events that its thread sends. */
  readonly id: number;
  readonly task: Task;
}

/**
 * What a thread answers. `events` repeats all that it said of the task: answers go another way than events do, and may
 * overtake them.
 */
export type PoolAnswer = ({ readonly ok: unknown } | { readonly error: ErrorJson }) & {
  readonly events?: readonly unknown[];
};

/** What a thread may say in between, through `parentPort`. */
export interface PoolEvent {
  readonly taskId: number;
  readonly event: unknown;
}

export interface PoolOptions {
  /** The handler's module. */
  readonly file: URL;
  readonly threads: number;
  readonly queueMax: number;
  /** What every thread finds as Piscina's `workerData`: sent once, when it starts. */
  readonly workerData?: unknown;
}

interface Queued<Task> {
  readonly id: number;
  readonly task: Task;
  readonly options: RunTaskOptions;
  readonly queuedAtMs: number;
  readonly stop: AbortController;
  readonly settle: (end: TaskEnd) => void;
  /** Events passed on so far. */
  heard: number;
}

export class ThreadPool<Task> implements TaskExecutor<Task> {
  readonly threads: number;
  readonly #piscina: Piscina;
  readonly #queueMax: number;
  readonly #waiting: Queued<Task>[] = [];
  readonly #running = new Map<number, Queued<Task>>();
  /** Threads seen alive, until they are known to have ended. */
  readonly #known = new Set<Worker>();
  #nextId = 1;
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions) {
    this.threads = options.threads;
    this.#queueMax = options.queueMax;
    this.#piscina = new Piscina({
      filename: options.file.href,
      minThreads: options.threads,
      maxThreads: options.threads,
      execArgv: threadExecArgv(options.file),
      recordTiming: false,
      ...(options.workerData === undefined ? {} : { workerData: options.workerData }),
    });
    this.#piscina.on('message', (message: PoolEvent) => {
      const entry = this.#running.get(message?.taskId);
      if (entry) hear(entry, message.event);
    });
    // A thread that died without a task: Piscina replaces it; the next task finds out if it cannot.
    this.#piscina.on('error', () => {});
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running.size;
  }

  /** The number of live threads. */
  get alive(): number {
    return this.#piscina.threads.length;
  }

  /**
   * The handler's answer. Rejects with its ZkraftError, or `overloaded`, `prover_aborted`, `prover_timeout`,
   * `prover_crashed`, `shutting_down`.
   */
  run(task: Task, options: RunTaskOptions): Promise<unknown> {
    const { signal, timeoutMs } = options;
    const refusal = this.#refusal(options);
    if (refusal) {
      options.onReleased?.();
      return Promise.reject(refusal);
    }
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      const onAbort = (): void => this.#withdraw(entry, aborted());
      const timer = setTimeout(() => {
        this.#withdraw(entry, new ZkraftError('prover_timeout', `proving took longer than ${timeoutMs} ms`));
      }, timeoutMs);
      let settled = false;
      const entry: Queued<Task> = {
        id: this.#nextId++,
        task,
        options,
        queuedAtMs: performance.now(),
        stop,
        heard: 0,
        settle: (finish) => {
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
          if ('error' in finish) reject(finish.error);
          else resolve(finish.ok);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(entry);
      this.#dispatch();
    });
  }

  #refusal({ signal, accepted }: RunTaskOptions): ZkraftError | undefined {
    if (this.#closing) return new ZkraftError('shutting_down', 'the prover was closed');
    if (signal?.aborted) return aborted();
    if (accepted || this.#running.size < this.threads || this.#waiting.length < this.#queueMax) return undefined;
    const waiting = this.#waiting.length;
    return new ZkraftError('overloaded', `${waiting} tasks wait for a proving thread already; try again later`);
  }

  /** Takes the task out of the queue, or its thread's life. */
  #withdraw(entry: Queued<Task>, error: ZkraftError): void {
    entry.settle({ error });
    const at = this.#waiting.indexOf(entry);
    if (at >= 0) this.#waiting.splice(at, 1);
    else if (this.#running.has(entry.id)) entry.stop.abort();
    if (at >= 0) entry.options.onReleased?.();
  }

  #dispatch(): void {
    while (this.#running.size < this.threads) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#running.set(next.id, next);
      for (const thread of this.#piscina.threads) this.#known.add(thread);
      try {
        next.options.onStart?.(performance.now() - next.queuedAtMs);
      } catch (error) {
        // What it needs to begin is not to be had.
        this.#running.delete(next.id);
        next.settle({ error: ZkraftError.from(error) });
        next.options.onReleased?.();
        continue;
      }
      const order: PoolOrder<Task> = { id: next.id, task: next.task };
      this.#piscina
        .run(order, { signal: next.stop.signal })
        .then(
          (answer: PoolAnswer) => {
            this.#running.delete(next.id);
            try {
              for (const event of answer.events?.slice(next.heard) ?? []) hear(next, event);
              next.settle('ok' in answer ? answer : { error: ZkraftError.fromJSON(answer.error) });
            } catch (error) {
              // What listens to the events is the caller's.
              next.settle({ error: ZkraftError.from(error) });
            }
            next.options.onReleased?.();
          },
          (cause: unknown) => {
            next.settle({ error: this.#lost(cause) });
            const { onReleased } = next.options;
            if (onReleased) void this.#threadsToEnd().then(onReleased);
          },
        )
        .finally(() => {
          this.#running.delete(next.id);
          this.#dispatch();
        });
    }
  }

  /** When every thread that was taken out of the pool has ended. Terminating one takes a moment. */
  async #threadsToEnd(): Promise<void> {
    const alive = new Set(this.#piscina.threads);
    const ending = [...this.#known].filter((thread) => !alive.has(thread));
    await Promise.all(
      ending.map(async (thread) => {
        // A thread that has ended has the id -1.
        if (thread.threadId !== -1) await new Promise((resolve) => thread.once('exit', resolve));
        this.#known.delete(thread);
      }),
    );
  }

  #lost(cause: unknown): ZkraftError {
    if (this.#closing) return new ZkraftError('shutting_down', 'the prover was closed');
    const why = cause instanceof Error ? cause.message : String(cause);
    return new ZkraftError('prover_crashed', `a proving thread died (${why}); it is being replaced`, { cause });
  }

  /** Rejects what waits and runs with `shutting_down` and ends every thread. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const error = new ZkraftError('shutting_down', 'the prover was closed');
    for (const entry of [...this.#waiting, ...this.#running.values()]) this.#withdraw(entry, error);
    await this.#piscina.destroy();
  }
}

const aborted = (): ZkraftError => new ZkraftError('prover_aborted', 'proving was cancelled');

function hear(entry: Pick<Queued<unknown>, 'heard' | 'options'>, event: unknown): void {
  entry.heard += 1;
  entry.options.onEvent?.(event);
}
