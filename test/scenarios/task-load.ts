/**
 * The tasks of a scenario and the client that submits them: the SDK, over HTTP, through whatever happens to the gateway.
 *
 * Tasks are let in little by little (`letIn`), so that faults from the first to the last meet proofs in flight. Every
 * answer that named a task is kept by what was asked: a request that was tried again, because its answer was lost or
 * came late, must be the same task. Some requests are sent twice on purpose.
 */
import { createClient, type MerkleTaskRequest } from '../../src/client/index.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { pick } from './fault-plan.ts';

export interface Request extends MerkleTaskRequest {
  readonly leaves: readonly bigint[];
  readonly depth: number;
  readonly externalHash: bigint;
  /** Always given, so that a `fresh` request sent twice is one task, too. */
  readonly idempotencyKey?: string;
}

export interface Submission {
  readonly request: Request;
  /** Every id that an answer to it named. */
  readonly taskIds: ReadonlySet<string>;
}

export interface LoadCounts {
  /** HTTP requests that asked for a task. */
  readonly tries: number;
  /** Those that brought no answer: refused, cut, or late. */
  readonly unanswered: number;
  /** Those that were told to try again. */
  readonly refused: number;
  readonly sentTwice: number;
  /** Tasks whose end a client waited for with long-polls all along. */
  readonly waitedFor: number;
}

const SUBMITTERS = 4;
const TRY_LIMIT_MS = 5_000;
const RETRY = { retriesMax: 1_000, initialMs: 100, capMs: 1_000 };
const TREES = 25;
const LEAVES_MAX = 12;
const LEAF_BELOW = 1n << 250n;
const FRESH_ONE_IN = 10;
const TWICE_ONE_IN = 5;
const WAITED_FOR_ONE_IN = 10;
/** Of a task's end, faults included. */
const WAIT_LIMIT_MS = 20 * 60_000;

/** Different ones, over a few trees and the given depths. `name` begins their idempotency keys. */
export function makeRequests(
  random: SeededRandom,
  count: number,
  depths: readonly number[],
  name = 'chaos',
): Request[] {
  const trees = Array.from({ length: TREES }, () => {
    const depth = pick(random, depths);
    const leafCount = 1 + random.below(Math.min(LEAVES_MAX, 2 ** depth));
    return { depth, leaves: Array.from({ length: leafCount }, () => 1n + random.bigintBelow(LEAF_BELOW)) };
  });
  return Array.from({ length: count }, (_, i) => {
    const { depth, leaves } = pick(random, trees);
    const fresh = random.below(FRESH_ONE_IN) === 0;
    return {
      depth,
      leaves,
      leafIndex: random.below(leaves.length),
      // No two alike: what is the same task is then known by what was asked.
      externalHash: BigInt(i) * 1_000_003n,
      priority: random.below(3),
      ...(fresh ? { fresh, idempotencyKey: `${name}-${i}` } : {}),
    };
  });
}

export class TaskLoad {
  readonly #requests: readonly Request[];
  readonly #random: SeededRandom;
  readonly #url: string;
  readonly #signal: AbortSignal;
  readonly #taskIds: readonly Set<string>[];
  #let = 0;
  #isOver = false;
  #next = 0;
  #wake: (() => void)[] = [];
  readonly #waits: Promise<void>[] = [];
  readonly #counts = { tries: 0, unanswered: 0, refused: 0, sentTwice: 0, waitedFor: 0 };

  constructor(options: { requests: readonly Request[]; random: SeededRandom; url: string; signal: AbortSignal }) {
    this.#requests = options.requests;
    this.#random = options.random;
    this.#url = options.url;
    this.#signal = options.signal;
    this.#taskIds = this.#requests.map(() => new Set<string>());
    this.#signal.addEventListener('abort', () => this.#wakeAll(), { once: true });
  }

  get counts(): LoadCounts {
    return this.#counts;
  }

  get submissions(): readonly Submission[] {
    const asked = this.#requests.slice(0, this.#isOver ? this.#let : this.#requests.length);
    return asked.map((request, i) => ({ request, taskIds: this.#taskIds[i] ?? new Set() }));
  }

  /** Lets tasks in until `count` of them are submitted. */
  letIn(count: number): void {
    this.#let = Math.max(this.#let, Math.min(count, this.#requests.length));
    this.#wakeAll();
  }

  /** One more. */
  letInOne(): void {
    if (!this.#isOver) this.letIn(this.#let + 1);
  }

  /** No more are let in than were by now. */
  end(): void {
    this.#isOver = true;
    this.#wakeAll();
  }

  /**
   * Resolves when every request was answered with a task, and those that somebody waits for have ended. Rejects when
   * one was refused for good, or ended otherwise than completed.
   */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: SUBMITTERS }, () => this.#submitter()));
    await Promise.all(this.#waits);
  }

  async #submitter(): Promise<void> {
    while (this.#next < this.#requests.length) {
      this.#signal.throwIfAborted();
      if (this.#next >= this.#let) {
        if (this.#isOver) return;
        await new Promise<void>((resolve) => this.#wake.push(resolve));
        continue;
      }
      const number = this.#next++;
      const twice = this.#random.below(TWICE_ONE_IN) === 0;
      const taskId = await this.#submit(number);
      if (number % WAITED_FOR_ONE_IN === 0) this.#wait(taskId);
      if (!twice) continue;
      this.#counts.sentTwice += 1;
      await this.#submit(number);
    }
  }

  async #submit(number: number): Promise<string> {
    const request = this.#requests[number];
    const ids = this.#taskIds[number];
    if (request === undefined || ids === undefined) throw new Error(`there is no request ${number}`);
    const client = createClient({
      url: this.#url,
      timeoutMs: TRY_LIMIT_MS,
      retry: RETRY,
      fetch: (input, init) => this.#counted(ids, () => fetch(input, init)),
    });
    const { taskId } = await client.submitMerkleTask(request, { signal: this.#signal });
    ids.add(taskId);
    return taskId;
  }

  #wait(taskId: string): void {
    const client = createClient({ url: this.#url, retry: RETRY });
    const wait = client.waitForTask(taskId, { timeoutMs: WAIT_LIMIT_MS, signal: this.#signal }).then((task) => {
      this.#counts.waitedFor += 1;
      if (task.status !== 'completed') throw new Error(`task ${taskId} ended ${task.status}: ${task.error}`);
    });
    wait.catch(() => {});
    this.#waits.push(wait);
  }

  /** What the gateway answered counts, whether the client came to read it or not. */
  async #counted(ids: Set<string>, send: () => Promise<Response>): Promise<Response> {
    this.#counts.tries += 1;
    try {
      const answer = await send();
      const body = await answer.text();
      if (answer.ok) ids.add((JSON.parse(body) as { task_id: string }).task_id);
      else this.#counts.refused += 1;
      return new Response(body, { status: answer.status, headers: answer.headers });
    } catch (error) {
      this.#counts.unanswered += 1;
      throw error;
    }
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
