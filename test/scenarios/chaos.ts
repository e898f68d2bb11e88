/**
 * Many tasks while every part of the network is killed, paused and restarted, in turn and then at random: whether all of
 * them end, none is lost, none is completed twice, and every proof verifies with snarkjs and the key that is served.
 *
 * The schedule follows from the seed. Tasks are handed in as faults go by, so that there is always something to lose;
 * before each fault it waits, for a while, until a proof is being made. A submission that got no answer is sent again
 * as it was, as a client would, and must be the same task.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { groth16 } from 'snarkjs';
import { SeededRandom } from '../support/seeded-random.ts';
import type { TestNetwork } from './network.ts';
import { answer, type Part, until } from './part.ts';

const KINDS = ['kill', 'pause', 'restart'] as const;
type Kind = (typeof KINDS)[number];
const DEPTH = 4;
const LEAVES = ['11', '22', '33', '44', '55'];
/** Tasks handed in beyond what faults have gone by. */
const AHEAD = 24;
const IN_FLIGHT_LIMIT_MS = 8_000;
const END_LIMIT_MS = 300_000;

export interface ChaosOptions {
  readonly tasks: number;
  readonly faults: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly faults: Readonly<Record<string, number>>;
  readonly faultsInFlight: number;
  readonly accepted: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly completions: number;
  readonly completedTwice: readonly string[];
  readonly lost: readonly string[];
  readonly uninvited: readonly string[];
  readonly unverified: readonly string[];
  readonly retriedSubmissions: number;
  readonly changedIds: readonly string[];
  readonly attemptsMax: number;
  readonly seconds: number;
}

export const CHAOS_DEPTH = DEPTH;

export async function runChaos(network: TestNetwork, options: ChaosOptions): Promise<ChaosReport> {
  const begunAtMs = performance.now();
  const random = new SeededRandom(options.seed);
  const progress = { faultsDone: 0, stopped: false };
  const submitting = submitAll(network, options, progress);
  // Whatever goes wrong first is what is told.
  submitting.catch(() => {
    progress.stopped = true;
  });

  const faults: Record<string, number> = {};
  let faultsInFlight = 0;
  const turns = network.parts.flatMap((part) => KINDS.map((kind) => [part, kind] as const));
  for (let i = 0; i < options.faults && !progress.stopped; i++) {
    const [part, kind] =
      turns[i] ??
      ([network.parts[random.below(network.parts.length)], KINDS[random.below(KINDS.length)]] as [Part, Kind]);
    await sleep(100 + random.below(900));
    const inFlight = await proofsWithin(network, IN_FLIGHT_LIMIT_MS);
    if (inFlight > 0) faultsInFlight += 1;
    await strike(part, kind, random);
    progress.faultsDone += 1;
    faults[`${kind} ${part.name}`] = (faults[`${kind} ${part.name}`] ?? 0) + 1;
    options.say(`fault ${i + 1} of ${options.faults}: ${kind} ${part.name}, ${inFlight} proofs in flight`);
  }
  const submitted = await submitting;
  return {
    faults,
    faultsInFlight,
    ...submitted.counts,
    ...(await reckon(network, submitted.ids, options)),
    seconds: Math.round((performance.now() - begunAtMs) / 1_000),
  };
}

async function proofsWithin(network: TestNetwork, limitMs: number): Promise<number> {
  for (const begunAtMs = performance.now(); ; await sleep(20)) {
    const proofs = await network.proofsInFlight();
    if (proofs > 0 || performance.now() - begunAtMs > limitMs) return proofs;
  }
}

async function strike(part: Part, kind: Kind, random: SeededRandom): Promise<void> {
  if (kind === 'pause') {
    // Shorter and longer than the coordinator waits for heartbeats.
    await part.pause(500 + random.below(6_000));
    return;
  }
  if (kind === 'kill') {
    await part.kill();
    await sleep(random.below(2_500));
  } else {
    await part.stop();
  }
  await part.start();
}

interface Submitted {
  readonly ids: ReadonlyMap<string, string>;
  readonly counts: { readonly accepted: number; readonly retriedSubmissions: number; readonly changedIds: string[] };
}

/** External hash by task id. */
async function submitAll(
  network: TestNetwork,
  { tasks, faults }: ChaosOptions,
  progress: { readonly faultsDone: number; readonly stopped: boolean },
): Promise<Submitted> {
  const ids = new Map<string, string>();
  const changedIds: string[] = [];
  let retriedSubmissions = 0;
  for (let i = 0; i < tasks; i++) {
    while (i > AHEAD + (tasks * progress.faultsDone) / faults) await sleep(50);
    const externalHash = String(1_000 + i);
    const body = JSON.stringify({
      leaves: LEAVES,
      leaf_index: i % LEAVES.length,
      depth: DEPTH,
      external_hash: externalHash,
    });
    const headers = { 'content-type': 'application/json' };
    const send = () => answer(`${network.gatewayUrl}/api/v1/tasks/merkle`, { method: 'POST', body, headers });
    let taskId: string | undefined;
    await until(`task ${i} is accepted`, END_LIMIT_MS, async () => {
      const said = await send();
      if (said?.status === 200 || said?.status === 202) taskId = String(said.body.task_id);
      else retriedSubmissions += 1;
      if (said !== undefined && said.status >= 400 && said.status !== 429 && said.status < 500) {
        throw new Error(`task ${i} was refused: ${JSON.stringify(said.body)}`);
      }
      return taskId !== undefined;
    });
    // Every tenth again at once: the same request is the same task.
    if (i % 10 === 0) {
      const again = await send();
      if (again?.status === 202 || (again?.status === 200 && again.body.task_id !== taskId))
        changedIds.push(String(taskId));
    }
    ids.set(taskId as string, externalHash);
  }
  return { ids, counts: { accepted: ids.size, retriedSubmissions, changedIds } };
}

interface Row {
  readonly id: string;
  readonly status: string;
  readonly attempt: number;
  readonly completions: number;
}

async function reckon(
  network: TestNetwork,
  ids: ReadonlyMap<string, string>,
  { say }: ChaosOptions,
): Promise<Omit<ChaosReport, 'faults' | 'faultsInFlight' | 'seconds' | keyof Submitted['counts']>> {
  const client = new Client({ connectionString: network.databaseUrl });
  await client.connect();
  try {
    for (let open = Number.POSITIVE_INFINITY; open > 0; ) {
      const before = open;
      await until(`one of ${before} tasks ends`, END_LIMIT_MS, async () => {
        const { rows } = await client.query<{ open: number }>(
          `SELECT count(*)::int AS open FROM tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')`,
        );
        open = rows[0]?.open ?? open;
        return open < before;
      });
    }
    const { rows } = await client.query<Row>(
      `SELECT id, status, attempt, (SELECT count(*)::int FROM task_events e WHERE e.task_id = t.id AND e.kind = 'completed') AS completions
       FROM tasks t`,
    );
    const statuses: Record<string, number> = {};
    for (const { status } of rows) statuses[status] = (statuses[status] ?? 0) + 1;
    say(`all have ended: ${JSON.stringify(statuses)}; verifying`);
    const found = new Set(rows.map(({ id }) => id));
    return {
      statuses,
      completions: rows.reduce((sum, row) => sum + row.completions, 0),
      completedTwice: rows.filter((row) => row.completions > 1).map(({ id }) => id),
      lost: [...ids.keys()].filter((id) => !found.has(id)),
      uninvited: rows.filter(({ id }) => !ids.has(id)).map(({ id }) => id),
      unverified: await unverified(network, ids),
      attemptsMax: Math.max(...rows.map(({ attempt }) => attempt)),
    };
  } finally {
    await client.end();
  }
}

/** Those whose proof is not there, is about something else, or is refused by snarkjs. */
async function unverified(network: TestNetwork, ids: ReadonlyMap<string, string>): Promise<string[]> {
  const bad: string[] = [];
  const key = await answer(`${network.gatewayUrl}/api/v1/circuits/merkle-${DEPTH}/verification-key`);
  let root: string | undefined;
  for (const [id, externalHash] of ids) {
    const task = await answer(`${network.gatewayUrl}/api/v1/tasks/${id}`, {}, 20_000);
    const signals = (task?.body.public_signals ?? []) as string[];
    root ??= signals[0];
    const about = signals.length === 2 && signals[0] === root && signals[1] === externalHash;
    const proof = task?.body.proof as Parameters<typeof groth16.verify>[2];
    if (!about || !(await groth16.verify(key?.body, signals, proof))) bad.push(id);
  }
  return bad;
}
