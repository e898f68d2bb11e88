/**
 * Keeps a few hundred tasks pending until all are done, and times what is scheduled.
 *
 * Tasks go in through the gateway's store, in waves: a new one whenever fewer than `PENDING_MIN` are left. Most have the
 * usual priority and wait their turn, so their wait says how long the queue is and nothing else. Each fiftieth is
 * urgent and goes before all of them: its time from the beginning of its insert to its assignment is the latency of
 * scheduling.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskStore } from '../../src/store/index.ts';
import { nthTask, type Statements } from './statements.ts';

export const PENDING_MIN = 400;
export const WAVE_TASKS = 400;
const INSERTS_AT_ONCE = 8;
const URGENT_EACH = 50;
const URGENT = 9;
const USUAL = 5;
/** Nothing completed for so long: something is stuck. */
const STALL_MS = 60_000;
const LOOK_MS = 5;

export interface LoadOptions {
  readonly store: Pick<TaskStore, 'insert'>;
  readonly statements: Statements;
  readonly tasks: number;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #begunMs = new Map<string, number>();
  /** Assigned before the insert was answered. */
  readonly #early = new Map<string, number>();
  #latenciesMs: number[] = [];
  #inserted = 0;
  #completed = 0;
  #failure: Error | undefined;
  #lastMs = performance.now();

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get completed(): number {
    return this.#completed;
  }

  assigned(taskId: string): void {
    const nowMs = performance.now();
    const begunMs = this.#begunMs.get(taskId);
    if (begunMs === undefined) this.#early.set(taskId, nowMs);
    else if (begunMs > 0) this.#latenciesMs.push(nowMs - begunMs);
    this.#begunMs.delete(taskId);
  }

  done(): void {
    this.#completed += 1;
    this.#lastMs = performance.now();
  }

  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Latencies of urgent tasks since the last call, in milliseconds. */
  takeLatencies(): number[] {
    const taken = this.#latenciesMs;
    this.#latenciesMs = [];
    return taken;
  }

  /** Inserts until all are in; rejects when something failed. Run it beside `reach`. */
  async feed(): Promise<void> {
    const { tasks } = this.#options;
    while (this.#inserted < tasks) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#inserted - this.#completed >= PENDING_MIN) {
        await sleep(LOOK_MS);
        continue;
      }
      const first = this.#inserted;
      const last = Math.min(tasks, first + WAVE_TASKS);
      let next = first;
      const lane = async (): Promise<void> => {
        while (next < last) {
          const n = next;
          next += 1;
          await this.#insert(n);
        }
      };
      await Promise.all(Array.from({ length: INSERTS_AT_ONCE }, lane));
    }
  }

  /** Resolves once `count` tasks are completed; rejects when something failed, or nothing moved for a minute. */
  async reach(count: number): Promise<void> {
    while (this.#completed < count) {
      if (this.#failure !== undefined) throw this.#failure;
      if (performance.now() - this.#lastMs > STALL_MS) {
        throw new Error(`no task was completed for ${STALL_MS} ms, after ${this.#completed}`);
      }
      await sleep(LOOK_MS);
    }
  }

  async #insert(n: number): Promise<void> {
    const { store, statements } = this.#options;
    const isUrgent = n % URGENT_EACH === 0;
    const begunMs = performance.now();
    const { task, created } = await store.insert(nthTask(statements, n, isUrgent ? URGENT : USUAL));
    if (!created) throw new Error(`task ${n} was there before: the tasks are not different`);
    this.#inserted += 1;
    const earlyMs = this.#early.get(task.id);
    this.#early.delete(task.id);
    if (earlyMs === undefined) this.#begunMs.set(task.id, isUrgent ? begunMs : 0);
    else if (isUrgent) this.#latenciesMs.push(earlyMs - begunMs);
  }
}
