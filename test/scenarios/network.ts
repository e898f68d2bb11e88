/**
 * A whole network of separate processes on one machine: PostgreSQL, three coordinators, gateway, two workers.
 *
 * Ports and folders stay the same over restarts, as in production. All is kept in one temp folder, logs too, which
 * `remove` removes; until then it can be looked at.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client as PgClient } from 'pg';
import { writeAuthority, writeCertificate } from '../../src/certs/index.ts';
import { migrate, removePrivatePostgres } from '../../src/store/index.ts';
import { Children } from './child-program.ts';
import { compareStates, statesIn } from './compared-states.ts';
import { COORDINATORS, CommandPart, type Part, type PartName, PostgresPart, ZKRAFT } from './parts.ts';
import { PeerLinks, peerHost } from './peer-links.ts';

export interface NetworkOptions {
  /** Depths that get keys. */
  readonly depths: readonly number[];
  readonly onAccident: (error: Error) => void;
  /** Modules that each coordinator is started with, as URLs: faults inside of it. */
  readonly preload?: readonly string[];
}

/** Short, so that a scenario of minutes sees leases expire; long enough for a machine that has much else to do. */
/** Their states are logged at `debug`, to be compared. */
const LOGS = ['--logging-level', 'debug'];
const TIMES = ['--coordinator-heartbeat-interval', '500ms', '--coordinator-heartbeat-timeout', '4s'];
const QUEUE = ['--coordinator-poll-interval', '500ms', '--coordinator-cleanup-interval', '2s'];
/** The most that can be set: faults are no fault of the tasks, and the scenario strikes far more often than life. */
const ATTEMPTS = ['--coordinator-max-attempts', '100'];
/** Half of the usual: a machine with much else to do, and a scenario that has many elections in it. */
const RAFT_TIMEOUT = '500ms';
const CERTIFICATE_DAYS = 2;
const PEER_NAMES = new URL('./peer-names.mjs', import.meta.url).href;
const HOSTS = ['localhost', '127.0.0.1'];
const QUERY_LIMIT_MS = 5_000;
const HEALTH_LIMIT_MS = 3_000;
const SETUP_LIMIT_MS = 300_000;
/** Two coordinators are started, added, and watched for a while before they vote. */
const FORMED_LIMIT_MS = 90_000;
const LOOK_AGAIN_MS = 100;

/** What a coordinator says of itself. */
export interface Health {
  readonly raft: {
    readonly state: string;
    readonly is_leader: boolean;
    readonly term: number;
    readonly applied_index: number;
  };
  readonly capacity: { readonly used: number };
  readonly outbox: number;
  readonly problems?: readonly { readonly code: string; readonly message: string }[];
}

export class Network {
  readonly dir: string;
  readonly gatewayUrl: string;
  readonly parts: ReadonlyMap<PartName, Part>;
  readonly #postgres: PostgresPart;
  readonly #coordinatorUrls: readonly string[];
  readonly #raftPorts: readonly number[];
  #links: PeerLinks | undefined;
  readonly #depths: readonly number[];
  readonly #children = new Children();

  private constructor(dir: string, ports: readonly number[], options: NetworkOptions) {
    const [http = 0, ...others] = ports;
    const portsOf = (i: number) => others.slice(3 * i, 3 * i + 3) as [number, number, number];
    this.dir = dir;
    this.#depths = options.depths;
    this.gatewayUrl = `http://127.0.0.1:${http}`;
    this.#coordinatorUrls = COORDINATORS.map((_, i) => `http://127.0.0.1:${portsOf(i)[1]}`);
    const watched = (name: string) => ({
      logFile: join(dir, `${name}.log`),
      children: this.#children,
      onAccident: options.onAccident,
    });
    this.#postgres = new PostgresPart({ dir: join(dir, 'postgres'), ...watched('postgres') });
    const database = (): NodeJS.ProcessEnv => ({ DATABASE_URL: this.#postgres.connectionString });
    const gateway = ['gateway', '--server-port', String(http), '--rate-limit-enabled=false'];
    this.#raftPorts = COORDINATORS.map((_, i) => portsOf(i)[2]);
    const peers = COORDINATORS.map((name, i) => `${name}=${peerHost(i + 1)}:${portsOf(i)[2]}`).join();
    // Snapshots in between, so that a restart reads snapshot and log, and one that was away long is sent one.
    const snapshots = ['--coordinator-raft-snapshot-threshold', '200', '--coordinator-raft-snapshot-interval', '2s'];
    const coordinator = (name: (typeof COORDINATORS)[number], i: number): Part => {
      const [grpc, status, raft] = portsOf(i).map(String) as [string, string, string];
      const certs = join(dir, 'certs');
      const settings = {
        'coordinator-id': name,
        'coordinator-grpc-port': grpc,
        'coordinator-http-port': status,
        'coordinator-raft-raft-port': raft,
        'coordinator-raft-raft-dir': join(dir, name),
        'coordinator-raft-peers': peers,
        'coordinator-raft-heartbeat-timeout': RAFT_TIMEOUT,
        'coordinator-raft-election-timeout': RAFT_TIMEOUT,
        'coordinator-raft-tls-enabled': 'true',
        'coordinator-raft-cert-file': join(certs, `${name}.crt`),
        'coordinator-raft-key-file': join(certs, `${name}.key`),
        'coordinator-raft-ca-file': join(certs, 'ca.crt'),
      };
      const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, value]);
      const args = ['coordinator', ...flags, ...snapshots, ...TIMES, ...QUEUE, ...ATTEMPTS, ...LOGS];
      const names = { SCENARIO_NODE: String(i + 1), SCENARIO_FAILPOINT: this.failpointOf(name) };
      const imports = [PEER_NAMES, ...(options.preload ?? [])].map((url) => `--import ${url}`).join(' ');
      const env = () => ({ ...database(), ...names, NODE_OPTIONS: imports });
      return new CommandPart({ name, args, env, ...watched(name) });
    };
    const worker = (name: 'worker-1' | 'worker-2'): Part => {
      const files = ['--data-dir', join(dir, name), '--metrics-port', '0', '--zkp-backend', 'snarkjs'];
      const agent = ['--worker-id', name, '--worker-concurrency', '1', '--worker-coordinator-address'];
      const args = ['worker', ...files, ...agent, COORDINATORS.map((_, i) => `127.0.0.1:${portsOf(i)[0]}`).join()];
      return new CommandPart({ name, args, ...watched(name) });
    };
    const parts: Part[] = [
      this.#postgres,
      ...COORDINATORS.map(coordinator),
      new CommandPart({ name: 'gateway', args: gateway, env: database, ...watched('gateway') }),
      worker('worker-1'),
      worker('worker-2'),
    ];
    this.parts = new Map(parts.map((part) => [part.name, part]));
  }

  /** A network of which nothing runs yet. */
  static async prepare(options: NetworkOptions): Promise<Network> {
    const dir = mkdtempSync(join(tmpdir(), 'zkraft-scenario-'));
    // So that root's PostgreSQL, which runs under another account, can keep its data right here.
    chmodSync(dir, 0o755);
    return new Network(dir, await freePorts(1 + 3 * COORDINATORS.length), options);
  }

  /** Makes schema and keys; resolves when all parts are ready. */
  async start(): Promise<void> {
    await this.#postgres.start();
    await migrate({ connectionString: this.#postgres.connectionString }, 'up');
    await this.#makeKeys();
    await this.#makeCertificates();
    this.#links = await PeerLinks.open(this.#raftPorts);
    await Promise.all(COORDINATORS.map((name) => this.part(name).start()));
    await Promise.all((['gateway', 'worker-1', 'worker-2'] as const).map((name) => this.part(name).start()));
    await this.#untilFormed();
  }

  part(name: PartName): Part {
    const part = this.parts.get(name);
    if (part === undefined) throw new Error(`there is no ${name}`);
    return part;
  }

  get postgres(): PostgresPart {
    return this.#postgres;
  }

  /** Arms a point in this coordinator, if it is preloaded (failpoint.mjs). */
  failpointOf(name: PartName): string {
    return join(this.dir, `${name}.failpoint`);
  }

  logOf(name: PartName): string {
    return readFileSync(join(this.dir, `${name}.log`), 'utf8');
  }

  /** Of a coordinator's HTTP face. */
  urlOf(name: PartName): string {
    return this.#coordinatorUrls[(COORDINATORS as readonly PartName[]).indexOf(name)] ?? '';
  }

  /** What this coordinator says of itself; undefined when it does not answer. */
  async health(name: PartName): Promise<Health | undefined> {
    const answer = await fetch(`${this.urlOf(name)}/health`, { signal: AbortSignal.timeout(HEALTH_LIMIT_MS) }).catch(
      () => undefined,
    );
    return (await answer?.json().catch(() => undefined)) as Health | undefined;
  }

  /** Cuts a coordinator off from the others; workers, gateway and database still reach it. */
  cutOff(name: PartName): void {
    this.#links?.cut(1 + (COORDINATORS as readonly PartName[]).indexOf(name));
  }

  mendLinks(): void {
    this.#links?.mend();
  }

  /** Runs one statement over a connection of its own; rejects when the database does not answer in time. */
  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = new PgClient({
      connectionString: this.#postgres.connectionString,
      connectionTimeoutMillis: QUERY_LIMIT_MS,
      query_timeout: QUERY_LIMIT_MS,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query(text, [...values])).rows as Row[];
    } finally {
      // A paused server would not say goodbye.
      void client.end().catch(() => {});
    }
  }

  /**
   * Live leases: proofs that workers have in hand. The coordinator that leads is asked, which judges them; while nobody
   * does the record in the database counts; undefined when that does not answer either.
   */
  async proofsInFlight(): Promise<number | undefined> {
    const leader = (await this.#health()).find((one) => one?.raft.is_leader === true);
    if (leader !== undefined) return leader.capacity.used;
    const count = `SELECT count(*)::int AS live FROM tasks WHERE status IN ('assigned', 'in_progress')`;
    return this.query<{ live: number }>(count).then(
      ([row]) => row?.live,
      () => undefined,
    );
  }

  /** Tasks that were accepted and have not ended. Rejects while the database is away. */
  async openTasks(): Promise<number> {
    const count = `SELECT count(*)::int AS open FROM tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')`;
    const [row] = await this.query<{ open: number }>(count);
    return row?.open ?? 0;
  }

  /** Kills whatever still runs, without waiting: for the exit of this process. */
  killAll(): void {
    this.#links?.close();
    this.#children.killAll();
  }

  /** Kills whatever still runs; nothing can be started afterwards. */
  endAll(): Promise<void> {
    this.#links?.close();
    return this.#children.endAll();
  }

  /** Ends every part, the database last; each must end cleanly. */
  async stop(): Promise<void> {
    for (const name of ['worker-1', 'worker-2', 'gateway', ...COORDINATORS, 'postgres'] as const) {
      await this.part(name).stop();
    }
  }

  /** Lines of the parts' logs that tell of a fault of ours: fatal, or an error without a code of its own. */
  faultsLogged(): string[] {
    return readdirSync(this.dir)
      .filter((name) => name.endsWith('.log') && name !== 'postgres.log')
      .flatMap((name) =>
        readFileSync(join(this.dir, name), 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('{') && /"level":"fatal"|"code":"internal"/.test(line))
          .map((line) => `${name}: ${line}`),
      );
  }

  /** What the coordinators logged of their states: the same at the same index, or something is wrong. */
  comparedStates(): { readonly compared: number; readonly wrong: readonly string[] } {
    return compareStates(COORDINATORS.map((name) => this.logOf(name)).flatMap(statesIn));
  }

  /** Removes everything. The parts must have ended. */
  async remove(): Promise<void> {
    await removePrivatePostgres(join(this.dir, 'postgres'));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  /** What each coordinator says of itself; undefined for one that does not answer. */
  async #health(): Promise<(Health | undefined)[]> {
    return await Promise.all(COORDINATORS.map((name) => this.health(name)));
  }

  /** Until a majority would survive the loss of any of them. */
  async #untilFormed(): Promise<void> {
    const endMs = performance.now() + FORMED_LIMIT_MS;
    for (;;) {
      const states = (await this.#health()).map((one) => one?.raft.state);
      if (states.filter((state) => state === 'Follower').length === 2 && states.includes('Leader')) break;
      if (performance.now() > endMs) throw new Error(`the coordinators are ${states.join(', ')}`);
      await sleep(LOOK_AGAIN_MS);
    }
    if (this.#links?.carried === 0) throw new Error('the coordinators speak past their links: nothing could be cut');
  }

  async #makeCertificates(): Promise<void> {
    const writing = { dir: join(this.dir, 'certs'), force: false, days: CERTIFICATE_DAYS, now: new Date() };
    await writeAuthority('scenario', writing);
    for (const name of COORDINATORS) await writeCertificate(name, HOSTS, writing);
  }

  async #makeKeys(): Promise<void> {
    const keys = this.#children.start({
      name: 'setup',
      args: [...ZKRAFT, 'setup', '--depth', this.#depths.join(','), '--publish', '--data-dir', join(this.dir, 'keys')],
      env: { DATABASE_URL: this.#postgres.connectionString },
      logFile: join(this.dir, 'setup.log'),
    });
    const { code } = await keys.endWithin(SETUP_LIMIT_MS);
    if (code !== 0) throw new Error(`the keys could not be made${keys.logTail()}`);
  }
}

/** Below the ports that the system gives out by itself, so that nobody takes one while its owner is down. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < 1_000; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  if (ports.length < count) throw new Error(`no ${count} free ports between 20000 and 32000`);
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
