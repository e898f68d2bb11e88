/**
 * The leader is stopped at a point of writing a completion into PostgreSQL (failpoint.mjs); the others go on; it runs on.
 *
 * What was seen is returned, for a test to judge: how long anybody waited, and every table of the database before and
 * after the old leader ran on, compared row by row at a time when nothing else writes.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/index.ts';
import type { Network } from './network.ts';
import { type Ending, onNetwork } from './one-network.ts';
import { COORDINATORS } from './parts.ts';
import { request, submitOnce, tableDigests, until, Waits } from './waits.ts';

export type Failpoint = 'before-write' | 'in-transaction';
type Coordinator = (typeof COORDINATORS)[number];

export interface PausedLeaderOptions {
  readonly point: Failpoint;
  /** A second coordinator is paused for so long, too: until then nobody can succeed the leader. */
  readonly aloneMs?: number;
  readonly say: (line: string) => void;
}

export interface PausedLeaderSeen extends Ending {
  readonly waits: Waits;
  /** From the stop of the leader until another leads, and when that was. */
  readonly succeededMs: number;
  readonly ledAtMs: number;
  /** From then until the completion that was under way is a row, and until the next one is. */
  readonly heldMs: number;
  readonly nextMs: number;
  /** A request to cancel the task whose row may be locked, sent when the leader was stopped. */
  readonly cancel: { readonly tookMs: number; readonly status: number | undefined; readonly retryAfter: string | null };
  readonly tasks: readonly { readonly id: string; readonly status: string }[];
  readonly before: Readonly<Record<string, string>>;
  readonly after: Readonly<Record<string, string>>;
  /** Of the old leader, from when it was stopped. */
  readonly oldLog: string;
}

const PRELOAD = [new URL('./failpoint.mjs', import.meta.url).href];
const HELD_LIMIT_MS = 20_000;
const GOES_ON_MS = 1_500;
/** In which a late write would come: the projector tries again within a tenth of a second. */
const LATE_WRITE_MS = 1_500;

export function pauseLeader(options: PausedLeaderOptions): Promise<PausedLeaderSeen> {
  return onNetwork({ preload: PRELOAD, say: options.say }, (network) => pauseOn(network, options));
}

async function pauseOn(network: Network, { point, aloneMs = 0, say }: PausedLeaderOptions) {
  await proveOne(network);
  const leader = await leaderOf(network);
  const [second] = COORDINATORS.filter((name) => name !== leader) as [Coordinator, Coordinator];
  if (aloneMs > 0) network.part(second).pause();
  const file = network.failpointOf(leader);
  const logLength = network.log(leader).length;
  writeFileSync(file, point);
  const { taskId = '' } = await submitOnce(network);
  await until(`${leader} comes to ${point}`, async () => existsSync(`${file}.reached`), 30_000);
  const stoppedMs = performance.now();
  const waits = new Waits(network, taskId);
  const goneOn = await goOn(network, { leader, second, taskId, aloneMs }).finally(() => waits.end());
  const { next, ledAtMs, heldMs, nextMs, cancel } = goneOn;
  say(`${next} leads ${Math.round(ledAtMs - stoppedMs)} ms after ${leader} was stopped ${point}`);
  const client = createClient({ url: network.gatewayUrl });
  const ended = await Promise.all(waits.accepted.map((id) => client.waitForTask(id, { timeoutMs: 60_000 })));
  const tasks = ended.map(({ taskId: id, status }) => ({ id, status }));
  await until('nothing is left to be written', async () => (await network.healthOf(next))?.outbox === 0);
  const before = await tableDigests(network);
  network.part(leader).resume();
  await until(`${leader} has caught up`, async () => {
    const [old, now] = await Promise.all([network.healthOf(leader), network.healthOf(next)]);
    return old?.raft.state === 'Follower' && old.raft.applied_index === now?.raft.applied_index;
  });
  await sleep(LATE_WRITE_MS);
  const after = await tableDigests(network);
  await proveOne(network);
  const oldLog = network.log(leader).slice(logLength);
  return {
    waits,
    succeededMs: Math.round(ledAtMs - stoppedMs),
    ledAtMs,
    heldMs,
    nextMs,
    cancel,
    tasks,
    before,
    after,
    oldLog,
  };
}

/** While the leader is stopped: until another leads, and all goes on. */
async function goOn(
  network: Network,
  { leader, second, taskId, aloneMs }: { leader: Coordinator; second: Coordinator; taskId: string; aloneMs: number },
) {
  const cancelling = cancelled(network, taskId);
  if (aloneMs > 0) {
    await sleep(aloneMs);
    network.part(second).resume();
  }
  const next = await leaderOf(network, leader);
  const ledAtMs = performance.now();
  const sinceMs = (): number => Math.round(performance.now() - ledAtMs);
  const written = 'the completion that was under way is written';
  const [heldMs, nextMs, cancel] = await Promise.all([
    until(written, () => isCompleted(network, taskId), HELD_LIMIT_MS).then(sinceMs),
    nextCompletion(network, taskId).then(sinceMs),
    cancelling,
  ]);
  await sleep(GOES_ON_MS);
  return { next, ledAtMs, heldMs, nextMs, cancel };
}

async function cancelled(network: Network, taskId: string): Promise<PausedLeaderSeen['cancel']> {
  const begunMs = performance.now();
  const url = `${network.gatewayUrl}/api/v1/tasks/${taskId}/cancel`;
  const { status, retryAfter = null } = await request(url, { method: 'POST' });
  return { tookMs: Math.round(performance.now() - begunMs), status, retryAfter };
}

/** Who leads, of all but one. */
function leaderOf(network: Network, but?: Coordinator): Promise<Coordinator> {
  return until('a coordinator leads', async () => {
    const among = COORDINATORS.filter((name) => name !== but);
    const said = await Promise.all(among.map((name) => network.healthOf(name)));
    return among.find((_, i) => said[i]?.raft.is_leader === true);
  });
}

async function isCompleted(network: Network, taskId: string): Promise<boolean> {
  const [row] = await network.query<{ status: string }>('SELECT status FROM tasks WHERE id = $1', [taskId]);
  return row?.status === 'completed';
}

/** Another one than this, completed from now on. */
async function nextCompletion(network: Network, but: string): Promise<void> {
  const count = `SELECT count(*)::int AS completed FROM tasks WHERE status = 'completed' AND id <> $1`;
  const completed = async () => (await network.query<{ completed: number }>(count, [but]))[0]?.completed ?? 0;
  const known = await completed();
  await until('another task is completed', async () => (await completed()) > known);
}

async function proveOne(network: Network): Promise<void> {
  const { taskId = '' } = await submitOnce(network);
  const task = await createClient({ url: network.gatewayUrl }).waitForTask(taskId, { timeoutMs: 60_000 });
  if (task.status !== 'completed') throw new Error(`task ${taskId} ended ${task.status}: ${task.error}`);
}
