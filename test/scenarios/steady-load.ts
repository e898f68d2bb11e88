/**
 * Tasks at a steady pace, as clients behind a load balancer send them, whatever is struck meanwhile; every single answer
 * is kept.
 *
 * Each request is sent until it is accepted: where nobody listens, or the connection breaks, the next gateway is tried at
 * once, as a balancer does, and with one gateway the same one a moment later. An answer that says to try again is obeyed.
 * Any other answer is `unexpected`, and a scenario demands that there is none.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { submitBody } from '../../src/client/wire.ts';
import type { Request, Submission } from './task-load.ts';

export interface SteadyLoadOptions {
  readonly requests: Iterator<Request>;
  /** Of the gateways. */
  readonly urls: readonly string[];
  readonly everyMs: number;
  /** Tasks that have not ended; while there are too many, no more are sent: the machine is slower than the pace. */
  readonly openTasks: () => Promise<number>;
  readonly signal: AbortSignal;
}

export interface LoadSummary {
  readonly accepted: number;
  /** Answers of 503 with Retry-After, each obeyed. */
  readonly toldToWait: number;
  /** Connections that were refused or broke off, by the gateway's place in the list. */
  readonly unconnected: readonly number[];
  /** The longest that one request was on its way, from first to last try. */
  readonly slowestMs: number;
}

const TRY_LIMIT_MS = 10_000;
const REQUEST_LIMIT_MS = 60_000;
const AGAIN_MS = 150;
/** Retry-After counts whole seconds; a scenario has less time than a user. */
const RETRY_AFTER_MS_MAX = 1_000;
const ON_THEIR_WAY_MAX = 64;
const OPEN_MAX = 30;
const COUNT_AGAIN_MS = 500;

export class SteadyLoad {
  readonly #options: SteadyLoadOptions;
  readonly #submissions: Submission[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #unexpected: string[] = [];
  readonly #unconnected: number[];
  readonly #timers: readonly NodeJS.Timeout[];
  #isTooFast = false;
  #toldToWait = 0;
  #slowestMs = 0;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
    this.#unconnected = options.urls.map(() => 0);
    this.#timers = [
      setInterval(() => this.#next(), options.everyMs),
      setInterval(() => void this.#count(), COUNT_AGAIN_MS),
    ];
    options.signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** Those that were accepted by now. */
  get accepted(): number {
    return this.#submissions.filter(({ taskIds }) => taskIds.size > 0).length;
  }

  /** Sends no more, and waits until all that was sent is accepted. Rejects with what was answered otherwise. */
  async end(): Promise<{ readonly submissions: readonly Submission[]; readonly summary: LoadSummary }> {
    this.#stop();
    await Promise.all(this.#running);
    if (this.#unexpected.length > 0) throw new Error(`clients were answered:\n${this.#unexpected.join('\n')}`);
    const summary = {
      accepted: this.accepted,
      toldToWait: this.#toldToWait,
      unconnected: this.#unconnected,
      slowestMs: Math.round(this.#slowestMs),
    };
    return { submissions: this.#submissions, summary };
  }

  #stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** A database that is away holds nobody up: what clients are told then is what is to be seen. */
  async #count(): Promise<void> {
    this.#isTooFast = (await this.#options.openTasks().catch(() => 0)) > OPEN_MAX;
  }

  #next(): void {
    if (this.#isTooFast || this.#running.size >= ON_THEIR_WAY_MAX) return;
    const { value, done } = this.#options.requests.next() as IteratorResult<Request, undefined>;
    if (done === true || value === undefined) return;
    const taskIds = new Set<string>();
    this.#submissions.push({ request: value, taskIds });
    const sent = this.#send(value, taskIds).catch((error: unknown) => void this.#unexpected.push(String(error)));
    this.#running.add(sent);
    void sent.finally(() => this.#running.delete(sent));
  }

  async #send(request: Request, taskIds: Set<string>): Promise<void> {
    const { urls, signal } = this.#options;
    const begunMs = performance.now();
    for (let at = this.#submissions.length % urls.length; ; ) {
      signal.throwIfAborted();
      if (performance.now() - begunMs > REQUEST_LIMIT_MS) throw new Error(`not accepted within ${REQUEST_LIMIT_MS} ms`);
      const answer = await this.#post(urls[at] ?? '', request);
      if (answer === undefined) {
        this.#unconnected[at] = (this.#unconnected[at] ?? 0) + 1;
        at = (at + 1) % urls.length;
        if (urls.length === 1) await sleep(AGAIN_MS);
        continue;
      }
      const { status, retryAfter, body } = answer;
      if (status === 200 || status === 202) {
        taskIds.add((JSON.parse(body) as { task_id: string }).task_id);
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - begunMs);
        return;
      }
      if (status !== 503 || retryAfter === null) throw new Error(`${status}, retry-after ${retryAfter}: ${body}`);
      this.#toldToWait += 1;
      await sleep(Math.min(RETRY_AFTER_MS_MAX, Number(retryAfter) * 1_000));
    }
  }

  /** Undefined when there was no answer. */
  async #post(url: string, request: Request) {
    const { idempotencyKey } = request;
    try {
      const response = await fetch(`${url}/api/v1/tasks/merkle`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        },
        body: JSON.stringify(submitBody(request)),
        signal: AbortSignal.timeout(TRY_LIMIT_MS),
      });
      return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.text() };
    } catch {
      return undefined;
    }
  }
}
