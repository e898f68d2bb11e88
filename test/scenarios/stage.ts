/**
 * Where scenarios play: one network for all of them, and the questions that they ask of it.
 *
 * After each scenario the network is well again, and everything that was accepted so far has ended as it should
 * (`settle`); so one that leaves something broken is found at once, and each begins from the same place.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelCredentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type RaftTarget, transferLeadership } from '../../src/cli/raft-calls.ts';
import { type Client, createClient, type Task } from '../../src/client/index.ts';
import type { ZkraftError } from '../../src/common/index.ts';
import { AdminServiceClient, fromServiceError, type WorkerInfo } from '../../src/common/rpc/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type EventRecord, recordedAccounts, verifyProofs } from './accounts.ts';
import { type Health, Network, type NetworkOptions } from './network.ts';
import { COORDINATORS, type PartName } from './parts.ts';
import { SteadyLoad } from './steady-load.ts';
import { makeRequests, type Request, type Submission } from './task-load.ts';

export type CoordinatorName = (typeof COORDINATORS)[number];

export interface Tier {
  readonly isFull: boolean;
  readonly seed: number;
}

export interface Scenario {
  readonly name: string;
  readonly run: (stage: Stage) => Promise<void>;
}

export interface AdminDoor {
  /** As the coordinator itself answers: a redirect is not followed. Rejects with its error. */
  quarantine(workerId: string): Promise<WorkerInfo>;
  release(workerId: string): Promise<WorkerInfo>;
  /** Waits until this coordinator serves as leader. */
  workers(): Promise<WorkerInfo[]>;
  close(): void;
}

const DEPTHS = [4];
const WELL_LIMIT_MS = 90_000;
const LOOK_AGAIN_MS = 100;
const CALL_LIMIT_MS = 15_000;
const REQUESTS_MAX = 20_000;
/** A pace that two workers on a small machine keep up with. */
const EVERY_MS = 200;
const LIKE_CLUSTER_UP = {
  'coordinator-raft-heartbeat-timeout': '1s',
  'coordinator-raft-election-timeout': '1s',
};

export class Stage {
  readonly network: Network;
  readonly isFull: boolean;
  readonly random: SeededRandom;
  readonly abort: AbortController;
  readonly #say: (line: string) => void;
  readonly #requests: Iterator<Request>;
  readonly #submissions: Submission[] = [];
  #settled = 0;
  #loads: SteadyLoad[] = [];

  private constructor(network: Network, abort: AbortController, tier: Tier, say: (line: string) => void) {
    this.network = network;
    this.abort = abort;
    this.isFull = tier.isFull;
    this.random = new SeededRandom(tier.seed);
    this.#requests = makeRequests(this.random, REQUESTS_MAX, DEPTHS, `scenarios-${tier.seed}`)[Symbol.iterator]();
    this.#say = say;
  }

  static async open(tier: Tier, say: (line: string) => void): Promise<Stage> {
    const abort = new AbortController();
    const network = await Stage.network(abort, { gateways: 2 });
    try {
      await network.start();
      const stage = new Stage(network, abort, tier, say);
      // Both workers have the circuit then, as they have in a network that has run for a while.
      await stage.completed(await stage.submitMany(4));
      return stage;
    } catch (error) {
      await network.endAll();
      throw abort.signal.aborted ? abort.signal.reason : error;
    }
  }

  /** One of which nothing runs, and of which nothing is left when this process ends. */
  static async network(abort: AbortController, more: Partial<NetworkOptions>): Promise<Network> {
    const onAccident = (error: Error): void => abort.abort(error);
    const coordinators = { ...LIKE_CLUSTER_UP, ...more.coordinators };
    const network = await Network.prepare({
      depths: DEPTHS,
      onAccident,
      ...more,
      coordinators,
      workers: { 'zkp-backend': 'auto' },
    });
    process.once('exit', () => network.killAll());
    return network;
  }

  /** The first in the smoke tier, the second in the full one. */
  times(smoke: number, full: number): number {
    return this.isFull ? full : smoke;
  }

  say(line: string): void {
    this.#say(line);
  }

  /** Of the gateway, as the SDK speaks to it; with fewer or more tries than it makes by itself. */
  client(retriesMax = 4): Client {
    return createClient({ url: this.network.gatewayUrl, retry: { retriesMax } });
  }

  /** The next one of this run, unlike any other. */
  request(): Request {
    return (this.#requests.next() as { value: Request }).value;
  }

  /** Submits one, and counts it. */
  async submit(client: Client = this.client(), request: Request = this.request()): Promise<string> {
    const { taskId } = await client.submitMerkleTask(request);
    this.#submissions.push({ request, taskIds: new Set([taskId]) });
    return taskId;
  }

  async submitMany(count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < count; i += 1) ids.push(await this.submit());
    return ids;
  }

  async completed(ids: readonly string[]): Promise<Task[]> {
    const tasks = await Promise.all(ids.map((id) => this.client(20).waitForTask(id, { timeoutMs: WELL_LIMIT_MS })));
    for (const { taskId, status, error } of tasks) assert.equal(status, 'completed', `${taskId}: ${error}`);
    return tasks;
  }

  /** Tasks from now on, through all gateways, until `endLoad`. */
  steadyLoad(everyMs = EVERY_MS): SteadyLoad {
    const { signal } = this.abort;
    const load = new SteadyLoad({
      requests: this.#requests,
      urls: this.network.gatewayUrls,
      everyMs,
      openTasks: () => this.network.openTasks(),
      signal,
    });
    this.#loads.push(load);
    return load;
  }

  async endLoad(load: SteadyLoad) {
    this.#loads = this.#loads.filter((one) => one !== load);
    const { submissions, summary } = await load.end();
    this.#submissions.push(...submissions);
    return { ...summary, ids: submissions.flatMap(({ taskIds }) => [...taskIds]) };
  }

  /** What a coordinator says of itself; undefined when it does not answer. */
  async health(name: CoordinatorName): Promise<Health | undefined> {
    return (await this.network.health())[COORDINATORS.indexOf(name)];
  }

  /** Looks until it is so, and returns what was found; rejects when an accident happened or the time is over. */
  async until<T>(
    what: string,
    look: () => Promise<T | undefined | false>,
    limitMs = WELL_LIMIT_MS,
    network = this.network,
  ): Promise<T> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      this.abort.signal.throwIfAborted();
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (performance.now() > endMs) {
        const states = (await network.health()).map((one) => JSON.stringify(one));
        throw new Error(`waited ${limitMs} ms until ${what}; the coordinators say\n${states.join('\n')}`);
      }
      await sleep(LOOK_AGAIN_MS);
    }
  }

  /** The one that leads, once it can do its work; of those that are not left out. */
  async leader(but: readonly PartName[] = []): Promise<CoordinatorName> {
    return await this.until('one leads', async () => {
      const found = (await this.network.health()).findIndex(
        (one, i) => one?.raft.is_leader === true && !but.includes(COORDINATORS[i] as PartName),
      );
      return COORDINATORS[found];
    });
  }

  /** The others, the first of the list first. */
  async followers(): Promise<CoordinatorName[]> {
    const leader = await this.leader();
    return COORDINATORS.filter((name) => name !== leader);
  }

  /** Everything runs, all coordinators vote and have applied the same, and the workers are known. */
  async well(): Promise<void> {
    await this.until('all is well', async () => {
      const all = await this.network.health();
      const [term] = all.map((one) => one?.raft.term);
      const applied = all.map((one) => one?.raft.applied_index ?? -1);
      const isOne = all.filter((one) => one?.raft.is_leader === true).length === 1;
      const isSame = all.every((one) => one?.status === 'healthy' && one.raft.term === term);
      const areIn = all.every((one) => ['Leader', 'Follower'].includes(one?.raft.state ?? ''));
      const workers = all.find((one) => one?.raft.is_leader === true)?.workers;
      // Under load the last entries are always on their way.
      const isLevel = Math.max(...applied) - Math.min(...applied) <= (this.#loads.length > 0 ? 50 : 2);
      return isOne && isSame && areIn && isLevel && workers?.total === 2 && workers.active === 2;
    });
  }

  /** Well again, all that was accepted has ended as it should, and its proofs verify. */
  async settle(): Promise<void> {
    for (const load of this.#loads.splice(0)) await this.endLoad(load);
    this.network.mendLinks();
    for (const part of this.network.parts.values()) if (!part.isRunning) await part.start();
    await this.until('all tasks have ended', async () => (await this.network.openTasks().catch(() => 1)) === 0);
    await this.well();
    const wrong = await recordedAccounts(this.network, this.#submissions);
    const fresh = this.#submissions.slice(this.#settled);
    const proofs = await verifyProofs(this.network.gatewayUrl, fresh);
    assert.deepEqual([...wrong, ...proofs.wrong], []);
    assert.equal(proofs.verified, fresh.length);
    this.#settled = this.#submissions.length;
  }

  /** How many tasks there were by now; each has one proof, which verified. */
  get settled(): number {
    return this.#settled;
  }

  /** Of tasks: when each was completed, by the leader's clock, in epoch milliseconds. */
  async completionTimes(ids: readonly string[]): Promise<number[]> {
    const rows = await this.network.query<{ ms: string }>(
      'SELECT extract(epoch FROM completed_at) * 1000 AS ms FROM tasks WHERE id = ANY($1) AND completed_at IS NOT NULL',
      [ids],
    );
    return rows.map(({ ms }) => Number(ms));
  }

  async story(taskId: string): Promise<EventRecord[]> {
    return await this.network.query<EventRecord>(
      'SELECT task_id, kind, attempt, code FROM task_events WHERE task_id = $1 ORDER BY epoch, log_index, kind',
      [taskId],
    );
  }

  /** A number of a coordinator's metrics, over all labels; 0 when it is not there. */
  async metric(name: CoordinatorName, metric: string): Promise<number> {
    const text = await (await fetch(`${this.network.coordinatorUrl(name)}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** As `zkraft raft transfer` does it. */
  async transferLeadership(to: CoordinatorName): Promise<void> {
    await transferLeadership(this.raftTarget(await this.leader()), to);
    await this.until(`${to} leads`, async () => (await this.health(to))?.raft.is_leader);
  }

  raftTarget(name: CoordinatorName): RaftTarget {
    const read = (file: string): string => this.#certificate('raft', file);
    const identity = { cert: read(`${name}.crt`), key: read(`${name}.key`), ca: read('ca.crt') };
    return { address: this.network.raftAddress(name), security: { mode: 'mutual-tls', ...identity } };
  }

  /** The operators' door of one coordinator, with its own certificate. */
  admin(name: CoordinatorName): AdminDoor {
    const read = (file: string): Buffer => Buffer.from(this.#certificate('grpc', file));
    const credentials = ChannelCredentials.createSsl(read('ca.crt'), read(`${name}.key`), read(`${name}.crt`));
    const client = new AdminServiceClient(this.network.grpcAddress(name), credentials);
    type Done<T> = (error: ServiceError | null, answer: T) => void;
    const call = <T>(start: (done: Done<T>) => void): Promise<T> =>
      new Promise((resolve, reject) => {
        start((error, answer) => (error === null ? resolve(answer) : reject(fromServiceError(error))));
      });
    type One = { readonly worker: WorkerInfo | undefined };
    const one = async (start: (done: Done<One>) => void): Promise<WorkerInfo> =>
      (await call(start)).worker as WorkerInfo;
    const none = new Metadata();
    const by = () => ({ deadline: Date.now() + CALL_LIMIT_MS });
    return {
      quarantine: (workerId) => one((done) => client.quarantineWorker({ workerId }, none, by(), done)),
      release: (workerId) => one((done) => client.releaseWorker({ workerId }, none, by(), done)),
      workers: () =>
        this.until(`${name} serves as leader`, async () => {
          const asked = call<{ workers: WorkerInfo[] }>((done) =>
            client.listWorkers({ pageSize: 100, afterWorkerId: '' }, none, by(), done),
          );
          return await asked.then(
            ({ workers }) => workers,
            (error: ZkraftError) => {
              if (error.code === 'not_leader') return undefined;
              throw error;
            },
          );
        }),
      close: () => client.close(),
    };
  }

  log(name: PartName): string {
    return this.network.log(name);
  }

  /** Terms in which more than one coordinator led. There is never one. */
  termsLedTwice(): string[] {
    const led = new Map<number, Set<string>>();
    for (const name of COORDINATORS) {
      for (const line of this.log(name).split('\n')) {
        if (!line.includes('"raft role"') || !line.includes('"leader"')) continue;
        const { role, term } = JSON.parse(line) as { role?: string; term: number };
        if (role === 'leader') led.set(term, new Set([...(led.get(term) ?? []), name]));
      }
    }
    assert.ok(led.size > 0, 'the logs tell of no leader');
    return [...led].flatMap(([term, names]) => (names.size > 1 ? [`term ${term}: ${[...names].join(', ')}`] : []));
  }

  /** Ends all; what the logs tell must be as promised. */
  async close(keep: boolean): Promise<void> {
    try {
      if (keep) return;
      await this.network.stop();
      // Of a program of an earlier release, which was to refuse.
      const faults = this.network.faultsLogged().filter((line) => !line.includes('"code":"upgrade_needed"'));
      assert.deepEqual(faults, []);
      const { compared, wrong } = this.network.comparedStates();
      assert.deepEqual(wrong, []);
      assert.ok(compared > 0, 'no state was compared');
      this.say(`${this.settled} tasks in all, ${compared} states compared`);
      assert.deepEqual(this.termsLedTwice(), []);
    } finally {
      await this.network.endAll();
      if (keep) this.say(`logs and data are kept in ${this.network.dir}`);
      else await this.network.remove();
    }
  }

  #certificate(authority: 'raft' | 'grpc', file: string): string {
    return readFileSync(join(this.network.dir, 'certs', authority, file), 'utf8');
  }
}

/** As `what` says, of figures in milliseconds. */
export function figures(ms: readonly number[]): string {
  const sorted = [...ms].map(Math.round).sort((a, b) => a - b);
  const at = (part: number): number | undefined =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  return sorted.length <= 5
    ? `${sorted.join(', ')} ms`
    : `${sorted.length} times, median ${at(0.5)} ms, p90 ${at(0.9)} ms, most ${sorted.at(-1)} ms`;
}
