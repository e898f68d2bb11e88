/**
 * The accounts at the end of a scenario: what was accepted against what the record holds, and every proof verified.
 *
 * Nothing that the network says of itself is believed: the roots are computed here with circomlibjs's Poseidon, the
 * proofs are fetched over HTTP and verified by snarkjs with the key that the gateway serves, and "once" is counted in
 * the story that the log told.
 */
import { type Client, createClient } from '../../src/client/index.ts';
import { naiveLevels, oraclePoseidon } from '../support/merkle-circuits.ts';
import { snarkjsVerify } from '../support/snarkjs-oracle.ts';
import type { Network } from './network.ts';
import type { Request, Submission } from './task-load.ts';

export interface Accounts {
  readonly completed: number;
  readonly verified: number;
  /** Attempts beyond the first, of all tasks, by why. */
  readonly retries: Readonly<Record<string, number>>;
  readonly attemptsMost: number;
  /** What is wrong, one line each. Empty: all is as promised. */
  readonly wrong: readonly string[];
}

export interface TaskRecord {
  readonly id: string;
  readonly status: string;
  readonly attempt: number;
  readonly error_code: string | null;
}

export interface EventRecord {
  readonly task_id: string;
  readonly kind: string;
  readonly attempt: number;
  readonly code: string | null;
}

export async function settleAccounts(network: Network, submissions: readonly Submission[]): Promise<Accounts> {
  const { tasks, events } = await readRecord(network);
  const wrong = [...accountsOfRecord(tasks, events, submissions)];
  const retries: Record<string, number> = {};
  for (const { kind, code } of events) {
    if (kind === 'retry_scheduled') retries[code ?? 'none'] = (retries[code ?? 'none'] ?? 0) + 1;
  }
  const proofs = await verifyProofs(network.gatewayUrl, submissions);
  return {
    completed: tasks.filter(({ status }) => status === 'completed').length,
    verified: proofs.verified,
    retries,
    attemptsMost: Math.max(0, ...tasks.map(({ attempt }) => attempt)),
    wrong: [...wrong, ...proofs.wrong],
  };
}

/** The record alone; the proofs are left to `verifyProofs`. */
export async function recordedAccounts(network: Network, submissions: readonly Submission[]): Promise<string[]> {
  const { tasks, events } = await readRecord(network);
  return [...accountsOfRecord(tasks, events, submissions)];
}

async function readRecord(network: Network) {
  const tasks = await network.query<TaskRecord>('SELECT id, status, attempt, error_code FROM tasks');
  const events = await network.query<EventRecord>(
    'SELECT task_id, kind, attempt, code FROM task_events ORDER BY epoch, log_index, kind',
  );
  return { tasks, events };
}

/** None lost, none twice, all ended as they should. Pure. */
export function* accountsOfRecord(
  tasks: readonly TaskRecord[],
  events: readonly EventRecord[],
  submissions: readonly Submission[],
): Generator<string> {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const stories = new Map<string, EventRecord[]>(tasks.map(({ id }) => [id, []]));
  for (const event of events) stories.get(event.task_id)?.push(event);
  const accepted = new Set<string>();
  for (const [number, { taskIds }] of submissions.entries()) {
    const [id, ...others] = taskIds;
    if (id === undefined) {
      yield `request ${number} was never accepted`;
      continue;
    }
    if (others.length > 0) yield `request ${number} became ${others.length + 1} tasks: ${[id, ...others].join(', ')}`;
    if (accepted.has(id)) yield `task ${id} stands for two different requests`;
    accepted.add(id);
    const task = byId.get(id);
    if (task === undefined) yield `task ${id} was accepted and is lost`;
    else yield* accountsOfTask(task, stories.get(id) ?? []);
  }
  for (const { id } of tasks) if (!accepted.has(id)) yield `task ${id} was asked for by nobody`;
}

function* accountsOfTask(task: TaskRecord, story: readonly EventRecord[]): Generator<string> {
  const { id, status, attempt } = task;
  const count = (kind: string): number => story.filter((event) => event.kind === kind).length;
  if (status !== 'completed')
    yield `task ${id} is ${status} (${task.error_code ?? 'no code'}) after ${attempt} attempts`;
  if (count('completed') !== 1) yield `task ${id} was completed ${count('completed')} times`;
  if (story.at(-1)?.kind !== 'completed') yield `the story of task ${id} goes on after its end: ${story.at(-1)?.kind}`;
  if (count('assigned') !== attempt) yield `task ${id} counts ${attempt} attempts, its story ${count('assigned')}`;
  if (count('retry_scheduled') !== attempt - 1) {
    yield `task ${id} took ${attempt} attempts, and was sent back to the queue ${count('retry_scheduled')} times`;
  }
}

/** Fetched from the gateway, one for each submission: for what was asked, by snarkjs. */
export async function verifyProofs(
  url: string,
  submissions: readonly Submission[],
): Promise<{ readonly verified: number; readonly wrong: readonly string[] }> {
  const client = createClient({ url });
  const rootOf = await rootOracle();
  const keys = new Map<string, Awaited<ReturnType<Client['verificationKey']>>>();
  const wrong: string[] = [];
  let verified = 0;
  for (const { request, taskIds } of submissions) {
    const [id] = taskIds;
    if (id === undefined) continue;
    const { status, proof, publicSignals, circuitId } = await client.getTask(id);
    if (proof === undefined || publicSignals === undefined) {
      wrong.push(`task ${id} is ${status} and has no proof`);
      continue;
    }
    const expected = [String(rootOf(request)), String(request.externalHash)];
    if (circuitId !== `merkle-${request.depth}`) wrong.push(`task ${id} was proved with ${circuitId}`);
    if (publicSignals.join() !== expected.join())
      wrong.push(`task ${id} proves ${publicSignals.join()}, not ${expected}`);
    const key = keys.get(circuitId) ?? (await client.verificationKey(circuitId));
    keys.set(circuitId, key);
    if (await snarkjsVerify(key as never, expected, proof as never)) verified += 1;
    else wrong.push(`the proof of task ${id} does not verify`);
  }
  return { verified, wrong };
}

/** Roots by circomlibjs, each tree once. */
async function rootOracle(): Promise<(request: Request) => bigint> {
  const hash = await oraclePoseidon();
  const roots = new Map<readonly bigint[], bigint>();
  return ({ leaves, depth }) => {
    const known = roots.get(leaves) ?? naiveLevels(hash, leaves, depth).at(-1)?.[0];
    if (known === undefined) throw new Error('the oracle found no root');
    roots.set(leaves, known);
    return known;
  };
}
