/**
 * Clients that go on while something is struck, and how long each of them waits: submits, looks at a task over HTTP, looks
 * at a row over SQL; and, seen by PostgreSQL itself, how long statements have waited for locks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Network } from './network.ts';
import { COORDINATORS } from './parts.ts';

export type WaitKind = 'submit' | 'status' | 'row' | 'lock';

export interface Wait {
  readonly kind: WaitKind;
  /** By `performance.now()`. */
  readonly begunMs: number;
  readonly tookMs: number;
  /** HTTP status, of submits and looks at a task; 0 when there was no answer. */
  readonly status?: number;
  readonly retryAfter?: string | null;
  readonly taskId?: string;
}

const EACH_MS = 150;
/** A task each time, all of which are proved in the end. */
const SUBMIT_EACH_MS = 500;
const ANSWER_LIMIT_MS = 15_000;
const LEAVES = ['11', '12', '13'];
/** Of the depth that scenarios of the database have keys for. */
export const DEPTH = 2;

const LOCK_WAITS = `
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) * 1000, 0)::float8 AS longest
FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Lock'`;

/** One request for a new task, without trying again. */
export async function submitOnce(network: Network): Promise<Wait> {
  const begunMs = performance.now();
  const body = JSON.stringify({ leaves: LEAVES, leaf_index: 1, depth: DEPTH, fresh: true });
  const headers = { 'content-type': 'application/json' };
  const answer = await request(`${network.gatewayUrl}/api/v1/tasks/merkle`, { method: 'POST', headers, body });
  return { kind: 'submit', begunMs, tookMs: performance.now() - begunMs, ...answer };
}

export async function request(
  url: string,
  init: RequestInit = {},
): Promise<Pick<Wait, 'status' | 'retryAfter' | 'taskId'>> {
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    const { task_id: taskId } = (await answer.json()) as { readonly task_id?: string };
    const told = { status: answer.status, retryAfter: answer.headers.get('retry-after') };
    return taskId === undefined ? told : { ...told, taskId };
  } catch {
    return { status: 0, retryAfter: null };
  }
}

export class Waits {
  readonly all: Wait[] = [];
  /** Looks over SQL that came to nothing. */
  readonly failed: string[] = [];
  readonly #over = new AbortController();
  readonly #loops: Promise<void>[];

  /** `taskId`: the one that is looked at. */
  constructor(network: Network, taskId: string) {
    this.#loops = [
      this.#loop('submit', () => submitOnce(network)),
      this.#loop('status', () => request(`${network.gatewayUrl}/api/v1/tasks/${taskId}`)),
      this.#loop('row', async () => {
        await network.query('SELECT status FROM tasks WHERE id = $1', [taskId]);
        return {};
      }),
      this.#loop('lock', async () => {
        const [row] = await network.query<{ longest: number }>(LOCK_WAITS);
        return { tookMs: row?.longest ?? 0 };
      }),
    ];
  }

  /** Ends when the requests under way have. */
  async end(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#loops);
  }

  /** Ids of what was accepted. */
  get accepted(): string[] {
    return this.all.flatMap(({ kind, status, taskId }) =>
      kind === 'submit' && status === 202 && taskId !== undefined ? [taskId] : [],
    );
  }

  /** The longest of a kind that ended after `sinceMs`, counted from then on. */
  longest(kind: WaitKind, sinceMs = 0): number {
    const waits = this.all.filter((wait) => wait.kind === kind && wait.begunMs + wait.tookMs >= sinceMs);
    return Math.round(Math.max(0, ...waits.map(({ begunMs, tookMs }) => tookMs - Math.max(0, sinceMs - begunMs))));
  }

  async #loop(kind: WaitKind, look: () => Promise<Partial<Wait>>): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      const begunMs = performance.now();
      try {
        const found = await look();
        this.all.push({ kind, begunMs, tookMs: performance.now() - begunMs, ...found });
      } catch (error) {
        this.failed.push(`${kind}: ${(error as Error).message}`);
      }
      await sleep(kind === 'submit' ? SUBMIT_EACH_MS : EACH_MS, undefined, { signal }).catch(() => {});
    }
  }
}

/** Resolves with what `look` finds, as soon as it finds something; rejects after `limitMs`, naming `what`. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  limitMs = 60_000,
  eachMs = 25,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`not so after ${limitMs} ms: ${what}`);
    await sleep(eachMs);
  }
}

/** A digest of each table: what is in the database, row by row, in any order. */
export async function tableDigests(network: Network): Promise<Record<string, string>> {
  const tables = await network.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname`,
  );
  const digests: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await network.query<{ digest: string }>(
      `SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) AS digest FROM "${name}" AS t`,
    );
    digests[name] = row?.digest ?? '';
  }
  return digests;
}

/** Ids of the tasks whose proofs coordinators accepted after `sinceMs` (epoch), by their logs. */
export function acceptedProofs(network: Network, sinceMs: number): string[] {
  const lines = COORDINATORS.flatMap((name) => network.log(name).split('\n'));
  const accepted = lines
    .filter((line) => line.includes('"proof verified and accepted"'))
    .map((line) => JSON.parse(line) as { readonly time: string | number; readonly task_id: string })
    .filter(({ time }) => new Date(time).getTime() > sinceMs);
  return [...new Set(accepted.map(({ task_id: id }) => id))];
}

const WORKERS = ['worker-1', 'worker-2'] as const;
const REPORTS_ARRIVE_MS = 150;

/** Pauses the workers at a moment when they have proofs in hand. */
export async function holdProofs(network: Network): Promise<void> {
  await until('proofs are under way', async () => {
    if (((await network.proofsInFlight()) ?? 0) === 0) return false;
    for (const name of WORKERS) network.part(name).pause();
    await sleep(REPORTS_ARRIVE_MS);
    if (((await network.proofsInFlight()) ?? 0) > 0) return true;
    releaseProofs(network);
    return false;
  });
}

export function releaseProofs(network: Network): void {
  for (const name of WORKERS) network.part(name).resume();
}

/** Until each worker has proved something, and so has all the files that it needs. */
export function workersWarm(network: Network): Promise<boolean> {
  const proved = `SELECT count(DISTINCT worker_id)::int AS workers FROM tasks WHERE status = 'completed'`;
  return until('both workers have proved something', async () => {
    const [row] = await network.query<{ workers: number }>(proved);
    return row?.workers === WORKERS.length;
  });
}
