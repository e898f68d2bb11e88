/**
 * Who does set-up jobs: a few threads that share a queue and end with it, or the caller's own thread.
 *
 * Aborting or the first failure ends all threads at once, in the middle of whatever they do, and rejects every job;
 * so does closing. The caller's own thread looks at the signal between jobs, and lets others run there.
 */
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ZkraftError } from '../../common/index.ts';
import { siblingModule, threadExecArgv } from '../pool/index.ts';
import { JobRunner } from './job-runner.ts';
import type { Answer, Job, Result, ThreadKernels } from './thread-jobs.ts';

const THREAD_URL = siblingModule(import.meta.url, 'thread');

export interface Jobs extends AsyncDisposable {
  /** The result of the job. Jobs are begun in the order of the calls. */
  run<J extends Job>(job: J): Promise<Result<J>>;
  /** Nobody works any more when it resolves; jobs that are not done are rejected. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a thread is given when it starts. */
export type Equip = () => ThreadKernels;

interface Pending {
  readonly job: Job;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: ZkraftError) => void;
}

export class Crew implements Jobs {
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #queue: Pending[] = [];
  readonly #running = new Map<Worker, Pending>();
  readonly #threads: number;
  readonly #equip: Equip;
  readonly #signal: AbortSignal | undefined;
  #failure: ZkraftError | undefined;

  /** At most `threads`; each is started when there is work for it. */
  constructor(threads: number, equip: Equip, signal?: AbortSignal) {
    this.#threads = threads;
    this.#equip = equip;
    this.#signal = signal;
    if (signal?.aborted) this.#failure = cancelled();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  run<J extends Job>(job: J): Promise<Result<J>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // The thread answers a job of kind J with Result<J>; see job-runner.ts.
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
    const worker = new Worker(THREAD_URL, { workerData: this.#equip(), execArgv: threadExecArgv(THREAD_URL) });
    worker.on('message', (answer: Answer) => {
      const pending = this.#running.get(worker);
      this.#running.delete(worker);
      this.#idle.push(worker);
      if (answer.result !== undefined) pending?.resolve(answer.result);
      else if (answer.error !== undefined) pending?.reject(ZkraftError.fromJSON(answer.error));
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

/** Jobs on the caller's own thread, one after the other. */
export class OwnThread implements Jobs {
  readonly #runner: JobRunner;
  readonly #signal: AbortSignal | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  static async create(equipped: ThreadKernels, signal?: AbortSignal): Promise<OwnThread> {
    return new OwnThread(await JobRunner.create(equipped), signal);
  }

  private constructor(runner: JobRunner, signal: AbortSignal | undefined) {
    this.#runner = runner;
    this.#signal = signal;
  }

  run<J extends Job>(job: J): Promise<Result<J>> {
    const done = this.#last.then(async () => {
      await setImmediate();
      if (this.#closed || this.#signal?.aborted) throw cancelled();
      return (await this.#runner.run(job)) as Result<J>;
    });
    // Whoever asked hears of the failure; the next job looks for itself whether to go on.
    this.#last = done.catch(() => {
      this.#closed = true;
    });
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}

const cancelled = (): ZkraftError => new ZkraftError('cancelled', 'the set-up was cancelled; nothing was written');
