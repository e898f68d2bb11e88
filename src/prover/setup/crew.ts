/**
 * A few threads that share a queue of set-up jobs and end with it.
 *
 * Aborting or the first failure ends all threads at once, in the middle of whatever they do, and rejects every job;
 * so does closing.
 */
import { Worker } from 'node:worker_threads';
import { ZkraftError } from '../../common/index.ts';
import { siblingModule, threadExecArgv } from '../pool/index.ts';
import type { Answer, Job, Result } from './thread-jobs.ts';

const THREAD_URL = siblingModule(import.meta.url, 'thread');

interface Pending {
  readonly job: Job;
  readonly resolve: (result: Answer['result']) => void;
  readonly reject: (error: ZkraftError) => void;
}

export class Crew implements AsyncDisposable {
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #queue: Pending[] = [];
  readonly #running = new Map<Worker, Pending>();
  readonly #threads: number;
  readonly #signal: AbortSignal | undefined;
  #failure: ZkraftError | undefined;

  /** At most `threads`; each is started when there is work for it. */
  constructor(threads: number, signal?: AbortSignal) {
    this.#threads = threads;
    this.#signal = signal;
    if (signal?.aborted) this.#failure = cancelled();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The result of the job, run as soon as a thread is free. Jobs are begun in the order of the calls. */
  run<J extends Job>(job: J): Promise<Result<J>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // The thread answers a job of kind J with Result<J>; see thread.ts.
      this.#queue.push({ job, resolve: (result) => resolve(result as Result<J>), reject });
      this.#dispatch();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#fail(new ZkraftError('cancelled', 'the set-up threads were closed'));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  readonly #onAbort = (): void => this.#fail(cancelled());

  #start(): Worker {
    const worker = new Worker(THREAD_URL, { execArgv: threadExecArgv(THREAD_URL) });
    worker.on('message', (answer: Answer) => {
      const pending = this.#running.get(worker);
      this.#running.delete(worker);
      this.#idle.push(worker);
      if (answer.error === undefined) pending?.resolve(answer.result);
      else pending?.reject(ZkraftError.fromJSON(answer.error));
      this.#dispatch();
    });
    worker.on('error', (thrown) => this.#fail(ZkraftError.from(thrown)));
    worker.on('exit', () => this.#fail(new ZkraftError('internal', 'a set-up thread ended by itself')));
    this.#workers.push(worker);
    return worker;
  }

  #dispatch(): void {
    while (this.#idle.length > 0 || this.#workers.length < this.#threads) {
      const pending = this.#queue.shift();
      if (pending === undefined) return;
      const worker = this.#idle.pop() ?? this.#start();
      this.#running.set(worker, pending);
      worker.postMessage(pending.job);
    }
  }

  #fail(error: ZkraftError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const pending of [...this.#queue.splice(0), ...this.#running.values()]) pending.reject(error);
    this.#running.clear();
    for (const worker of this.#workers) void worker.terminate();
  }
}

const cancelled = (): ZkraftError => new ZkraftError('cancelled', 'the set-up was cancelled; nothing was written');
