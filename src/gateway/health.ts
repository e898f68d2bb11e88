/**
 * Whether the gateway can do its work, as two questions.
 *
 * `/health`: does the database answer. `/ready`: also, is there a circuit with keys, without which every submit would
 * be refused; this is what a load balancer asks. (`/livez` is about the process alone, and what restarts must use.)
 *
 * The database is asked at most once in `FRESH_MS`, however often the routes are, and gets `PING_MS` to answer.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkraftError } from '../common/index.ts';
import type { StoreHealth } from '../store/types.ts';
import type { Circuits } from './circuits.ts';

const FRESH_MS = 250;
const PING_MS = 2_000;

export interface Checked {
  /** By name of the part: `ok`, or the code of what is wrong. */
  readonly checks: Readonly<Record<string, string>>;
  readonly error: ZkraftError | undefined;
}

export class HealthChecks {
  readonly #health: StoreHealth;
  readonly #circuits: Circuits;
  #database: { readonly error: Promise<ZkraftError | undefined>; readonly untilMs: number } | undefined;

  constructor(health: StoreHealth, circuits: Circuits) {
    this.#health = health;
    this.#circuits = circuits;
  }

  async health(): Promise<Checked> {
    const error = await this.#askDatabase();
    return { checks: { database: error?.code ?? 'ok' }, error };
  }

  async ready(): Promise<Checked> {
    const { checks, error } = await this.health();
    if (error) return { checks: { ...checks, circuits: 'unknown' }, error };
    const missing = await this.#askCircuits();
    return { checks: { ...checks, circuits: missing?.code ?? 'ok' }, error: missing };
  }

  #askDatabase(): Promise<ZkraftError | undefined> {
    const nowMs = performance.now();
    if (this.#database === undefined || this.#database.untilMs <= nowMs) {
      this.#database = { error: failure(this.#health.ping()), untilMs: nowMs + FRESH_MS };
    }
    return this.#database.error;
  }

  async #askCircuits(): Promise<ZkraftError | undefined> {
    return await failure(
      this.#circuits.list().then((circuits) => {
        if (circuits.length > 0) return;
        throw new ZkraftError('circuit_unavailable', 'no circuit has keys here; run zkraft setup');
      }),
    );
  }
}

/** What `check` rejects with, coded; undefined when it resolves. */
async function failure(check: Promise<void>): Promise<ZkraftError | undefined> {
  const timer = new AbortController();
  const late = sleep(PING_MS, undefined, { signal: timer.signal }).then(() => {
    throw new ZkraftError('database_unavailable', `PostgreSQL did not answer in ${PING_MS / 1_000} s`);
  });
  late.catch(() => {});
  try {
    await Promise.race([check, late]);
    return undefined;
  } catch (thrown) {
    const error = ZkraftError.from(thrown);
    return error.code === 'internal'
      ? new ZkraftError('database_unavailable', 'PostgreSQL cannot be asked; the log of this process has more')
      : error;
  } finally {
    timer.abort();
  }
}
