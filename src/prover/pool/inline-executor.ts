/**
 * Tasks on the caller's own thread, one after another: for scripts, tests, and places without threads.
 *
 * Nothing else runs on this thread while a task computes, so a signal is seen only before a task begins and when it
 * yields; a task that has begun is not torn down. The queue has the same limit as that of the threads.
 */
import { type ErrorJson, ZkraftError } from '../../common/index.ts';
import type { RunTaskOptions, TaskEnd, TaskExecutor } from './executor.ts';

type Answer = { readonly ok: unknown } | { readonly error: ErrorJson };

export interface InlineExecutorOptions<Task> {
  /** Never throws: answers `{ ok }` or `{ error }`, as the threads' module does. */
  readonly handle: (task: Task, onEvent: (event: unknown) => void) => Promise<Answer>;
  readonly queueMax: number;
}

export class InlineExecutor<Task> implements TaskExecutor<Task> {
  readonly threads = 0;
  readonly #options: InlineExecutorOptions<Task>;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #running = 0;
  #closed = false;

  constructor(options: InlineExecutorOptions<Task>) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#running;
  }

  async run(task: Task, options: RunTaskOptions): Promise<unknown> {
    const { onReleased } = options;
    try {
      const end = await this.#inTurn(task, options);
      if ('error' in end) throw end.error;
      return end.ok;
    } finally {
      onReleased?.();
    }
  }

  async #inTurn(task: Task, { signal, timeoutMs, accepted, onEvent, onStart }: RunTaskOptions): Promise<TaskEnd> {
    if (this.#closed) return { error: new ZkraftError('shutting_down', 'the prover was closed') };
    if (!accepted && this.#running + this.#waiting > this.#options.queueMax) {
      return { error: new ZkraftError('overloaded', `${this.#waiting} tasks wait already; try again later`) };
    }
    const queuedAtMs = performance.now();
    this.#waiting += 1;
    const before = this.#last;
    let done = (): void => {};
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await before;
      this.#waiting -= 1;
      this.#running += 1;
      const waitedMs = performance.now() - queuedAtMs;
      if (this.#closed) return { error: new ZkraftError('shutting_down', 'the prover was closed') };
      if (signal?.aborted) return { error: new ZkraftError('prover_aborted', 'proving was cancelled') };
      if (waitedMs > timeoutMs) {
        return { error: new ZkraftError('prover_timeout', `proving took longer than ${timeoutMs} ms`) };
      }
      onStart?.(waitedMs);
      const answer = await this.#options.handle(task, (event) => onEvent?.(event));
      if (signal?.aborted) return { error: new ZkraftError('prover_aborted', 'proving was cancelled') };
      return 'ok' in answer ? answer : { error: ZkraftError.fromJSON(answer.error) };
    } finally {
      this.#running -= 1;
      done();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}
