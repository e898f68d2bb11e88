/** Submits tasks over HTTP, as a client does: at a given rate, or as quickly as they are proved. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEPTH, LEAVES_PER_TREE, type Statement } from './statements.ts';

export interface SubmitOrder {
  readonly seconds: number;
  /** Tasks a second; undefined: as many as are proved, with `pendingMax` under way. */
  readonly rate: number | undefined;
  readonly pendingMax: number;
  /** The end, however many seconds are left. */
  readonly tasksMax: number | undefined;
}

export interface SubmitFigures {
  readonly submitted: number;
  /** How often each answer came; `error` for none. */
  readonly answers: Readonly<Record<string, number>>;
  /** From when a task was due to be sent until its answer was read. */
  readonly latenciesMs: readonly number[];
}

const CONNECTIONS = 32;
const LOOK_MS = 2;
const ANSWER_MS_MAX = 30_000;
/** A sample of the latencies is as good as all of millions. */
const LATENCIES_MAX = 200_000;

export class Submitter {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  readonly #url: URL;
  readonly #bodies: readonly Buffer[];
  readonly #proved: () => number;
  #accepted = 0;

  constructor(gatewayUrl: string, statements: readonly Statement[], proved: () => number) {
    this.#url = new URL('/api/v1/tasks/merkle', gatewayUrl);
    this.#proved = proved;
    this.#bodies = statements.flatMap(({ leaves }) =>
      Array.from({ length: LEAVES_PER_TREE }, (_, leaf_index) =>
        Buffer.from(JSON.stringify({ leaves, leaf_index, depth: DEPTH, fresh: true })),
      ),
    );
  }

  get pending(): number {
    return this.#accepted - this.#proved();
  }

  /** Tasks that were begun before this are not counted as under way. */
  restart(): void {
    this.#accepted = this.#proved();
  }

  async run(order: SubmitOrder): Promise<SubmitFigures> {
    const answers: Record<string, number> = {};
    const latenciesMs: number[] = [];
    let submitted = 0;
    const endMs = performance.now() + order.seconds * 1_000;
    const isOver = (): boolean => performance.now() >= endMs || submitted >= (order.tasksMax ?? Infinity);
    const submit = async (dueMs: number): Promise<void> => {
      submitted += 1;
      const answer = await this.#post(this.#bodies[submitted % this.#bodies.length] ?? Buffer.alloc(0));
      answers[answer] = (answers[answer] ?? 0) + 1;
      if (answer === '202') this.#accepted += 1;
      if (latenciesMs.length < LATENCIES_MAX) latenciesMs.push(performance.now() - dueMs);
    };
    if (order.rate === undefined) {
      const lane = async (): Promise<void> => {
        while (!isOver()) {
          if (this.pending >= order.pendingMax) await sleep(LOOK_MS);
          else await submit(performance.now());
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, lane));
    } else {
      const begunMs = performance.now();
      const running = new Set<Promise<void>>();
      while (!isOver()) {
        for (;;) {
          const dueMs = begunMs + (submitted * 1_000) / order.rate;
          if (dueMs > performance.now() || isOver()) break;
          const one = submit(dueMs).finally(() => running.delete(one));
          running.add(one);
        }
        await sleep(LOOK_MS);
      }
      await Promise.all(running);
    }
    return { submitted, answers, latenciesMs };
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Its status, or `error`. */
  #post(body: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const sent = request(
        this.#url,
        {
          agent: this.#agent,
          method: 'POST',
          timeout: ANSWER_MS_MAX,
          headers: { 'content-type': 'application/json', 'content-length': body.length },
        },
        (answer) => {
          answer.resume();
          answer.on('end', () => resolve(String(answer.statusCode)));
          answer.on('error', () => resolve('error'));
        },
      );
      sent.on('timeout', () => sent.destroy());
      sent.on('error', () => resolve('error'));
      sent.end(body);
    });
  }
}
