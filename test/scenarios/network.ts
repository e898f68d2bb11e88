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
  /** Two: `gateway-2` is there, too. Default 1. */
  readonly gateways?: 1 | 2;
  /** Settings of all coordinators beside or in place of the usual ones here, by flag. */
  readonly coordinators?: Flags;
  /** The same, of all workers. */
  readonly workers?: Flags;
}

/** Without the dashes: `{ 'metrics-port': '0' }`. */
export type Flags = Readonly<Record<string, string>>;

const COORDINATOR_FLAGS: Flags = {
  // Short, so that a scenario of minutes sees leases expire; long enough for a machine that has much else to do.
  'coordinator-heartbeat-interval': '500ms',
  'coordinator-heartbeat-timeout': '4s',
  'coordinator-poll-interval': '500ms',
  'coordinator-cleanup-interval': '2s',
  // The most that can be set: faults are no fault of the tasks, and the scenario strikes far more often than life.
  'coordinator-max-attempts': '100',
  // Snapshots in between, so that a restart reads snapshot and log, and one that was away long is sent one.
  'coordinator-raft-snapshot-threshold': '200',
  'coordinator-raft-snapshot-interval': '2s',
  // Their states are logged, to be compared.
  'logging-level': 'debug',
};
/** Half of the usual: a machine with much else to do, and a scenario that has many elections in it. */
const RAFT_TIMEOUT = '500ms';
/** Who shows a certificate to whom: coordinators among themselves, and coordinators and workers. */
const AUTHORITIES = ['raft', 'grpc'] as const;
const WORKERS = ['worker-1', 'worker-2'] as const;
const CERTIFICATE_DAYS = 2;
export const PEER_NAMES = new URL('./peer-names.mjs', import.meta.url).href;
const HOSTS = ['localhost', '127.0.0.1'];
const QUERY_LIMIT_MS = 5_000;
const HEALTH_LIMIT_MS = 3_000;
const SETUP_LIMIT_MS = 300_000;
/** Two coordinators are started, added, and watched for a while before they vote. */
const FORMED_LIMIT_MS = 90_000;
const LOOK_AGAIN_MS = 100;

/** Of a coordinator, as it answers to /health. */
export interface Health {
  readonly status: string;
  readonly problems?: readonly { readonly code: string; readonly message: string }[];
  readonly raft: {
    readonly state: string;
    readonly is_leader: boolean;
    readonly leader_address: string;
    readonly term: number;
    readonly commit_index: number;
    readonly applied_index: number;
  };
  readonly workers: { readonly total: number; readonly active: number };
  readonly capacity: { readonly used: number };
  readonly outbox: number;
  readonly state_version: number;
}

export class Network {
  readonly dir: string;
  readonly gatewayUrl: string;
  readonly gatewayUrls: readonly string[];
  readonly parts: ReadonlyMap<PartName, Part>;
  readonly #postgres: PostgresPart;
  readonly #coordinatorUrls: readonly string[];
  readonly #raftPorts: readonly number[];
  #links: PeerLinks | undefined;
  readonly #depths: readonly number[];
  readonly #children = new Children();
  readonly #grpcPorts: readonly number[];
  readonly #flags = new Map<PartName, Flags>();
  readonly #env = new Map<PartName, NodeJS.ProcessEnv>();

  private constructor(dir: string, ports: readonly number[], options: NetworkOptions) {
    const [http = 0, http2 = 0, ...others] = ports;
    const portsOf = (i: number) => others.slice(3 * i, 3 * i + 3) as [number, number, number];
    this.dir = dir;
    this.#depths = options.depths;
    this.gatewayUrl = `http://127.0.0.1:${http}`;
    this.gatewayUrls = [http, http2].slice(0, options.gateways ?? 1).map((port) => `http://127.0.0.1:${port}`);
    this.#coordinatorUrls = COORDINATORS.map((_, i) => `http://127.0.0.1:${portsOf(i)[1]}`);
    const watched = (name: string) => ({
      logFile: join(dir, `${name}.log`),
      children: this.#children,
      onAccident: options.onAccident,
    });
    this.#postgres = new PostgresPart({ dir: join(dir, 'postgres'), ...watched('postgres') });
    const database = (): NodeJS.ProcessEnv => ({ DATABASE_URL: this.#postgres.connectionString });
    const gateway = (name: 'gateway' | 'gateway-2', port: number): Part => {
      const args = () => ['gateway', '--server-port', String(port), '--rate-limit-enabled=false'];
      return new CommandPart({ name, args, env: database, ...watched(name) });
    };
    const certs = (authority: (typeof AUTHORITIES)[number], name: string) => {
      const folder = join(dir, 'certs', authority);
      return { ca: join(folder, 'ca.crt'), cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
    };
    const envOf = (name: PartName): NodeJS.ProcessEnv => this.#env.get(name) ?? {};
    this.#grpcPorts = COORDINATORS.map((_, i) => portsOf(i)[0]);
    this.#raftPorts = COORDINATORS.map((_, i) => portsOf(i)[2]);
    const peers = COORDINATORS.map((name, i) => `${name}=${peerHost(i + 1)}:${portsOf(i)[2]}`).join();
    const coordinator = (name: (typeof COORDINATORS)[number], i: number): Part => {
      const [grpc, status, raft] = portsOf(i).map(String) as [string, string, string];
      const [peer, service] = [certs('raft', name), certs('grpc', name)];
      const settings = (): Flags => ({
        ...COORDINATOR_FLAGS,
        'coordinator-id': name,
        'coordinator-grpc-port': grpc,
        'coordinator-http-port': status,
        'coordinator-raft-raft-port': raft,
        'coordinator-raft-raft-dir': join(dir, name),
        'coordinator-raft-peers': peers,
        'coordinator-raft-heartbeat-timeout': RAFT_TIMEOUT,
        'coordinator-raft-election-timeout': RAFT_TIMEOUT,
        'coordinator-raft-tls-enabled': 'true',
        'coordinator-raft-cert-file': peer.cert,
        'coordinator-raft-key-file': peer.key,
        'coordinator-raft-ca-file': peer.ca,
        'coordinator-tls-cert-file': service.cert,
        'coordinator-tls-key-file': service.key,
        'coordinator-tls-client-ca-file': service.ca,
        ...options.coordinators,
        ...this.#flags.get(name),
      });
      const args = () => ['coordinator', ...flagsOf(settings())];
      const names = {
        NODE_OPTIONS: [PEER_NAMES, ...(options.preload ?? [])].map((url) => `--import ${url}`).join(' '),
        SCENARIO_NODE: String(i + 1),
        SCENARIO_FAILPOINT: this.failpointOf(name),
      };
      return new CommandPart({
        name,
        args,
        env: () => ({ ...database(), ...names, ...envOf(name) }),
        ...watched(name),
      });
    };
    const worker = (name: (typeof WORKERS)[number]): Part => {
      const shown = certs('grpc', name);
      const settings = (): Flags => ({
        'data-dir': join(dir, name),
        'metrics-port': '0',
        'zkp-backend': 'snarkjs',
        'worker-id': name,
        'worker-concurrency': '1',
        'worker-coordinator-address': COORDINATORS.map((one) => this.grpcAddress(one)).join(),
        'worker-tls-ca-file': shown.ca,
        'worker-tls-cert-file': shown.cert,
        'worker-tls-key-file': shown.key,
        ...options.workers,
        ...this.#flags.get(name),
      });
      return new CommandPart({ name, args: () => ['worker', ...flagsOf(settings())], ...watched(name) });
    };
    const parts: Part[] = [
      this.#postgres,
      ...COORDINATORS.map(coordinator),
      gateway('gateway', http),
      ...(options.gateways === 2 ? [gateway('gateway-2', http2)] : []),
      ...WORKERS.map(worker),
    ];
    this.parts = new Map(parts.map((part) => [part.name, part]));
  }

  /** A network of which nothing runs yet. */
  static async prepare(options: NetworkOptions): Promise<Network> {
    const dir = mkdtempSync(join(tmpdir(), 'zkraft-scenario-'));
    // So that root's PostgreSQL, which runs under another account, can keep its data right here.
    chmodSync(dir, 0o755);
    return new Network(dir, await freePorts(2 + 3 * COORDINATORS.length), options);
  }

  /** Makes schema and keys; resolves when all parts are ready. */
  async start(): Promise<void> {
    await this.#postgres.start();
    await migrate({ connectionString: this.#postgres.connectionString }, 'up');
    await this.#makeKeys();
    await this.#makeCertificates();
    this.#links = await PeerLinks.open(this.#raftPorts);
    await Promise.all(COORDINATORS.map((name) => this.part(name).start()));
    const others = [...this.parts.values()].filter(({ isRunning }) => !isRunning);
    await Promise.all(others.map((part) => part.start()));
    await this.untilFormed();
  }

  /** PostgreSQL and the coordinators alone; they may not come together. */
  async startCoordinators(): Promise<void> {
    await this.#postgres.start();
    await migrate({ connectionString: this.#postgres.connectionString }, 'up');
    await this.#makeCertificates();
    this.#links = await PeerLinks.open(this.#raftPorts);
    await Promise.all(COORDINATORS.map((name) => this.part(name).start()));
  }

  get postgres(): PostgresPart {
    return this.#postgres;
  }

  /** Arms a point in this coordinator, if it is preloaded (failpoint.mjs). */
  failpointOf(name: PartName): string {
    return join(this.dir, `${name}.failpoint`);
  }

  get connectionString(): string {
    return this.#postgres.connectionString;
  }

  /** From its next start on: settings in place of the usual ones, and environment beside the usual one. */
  setUp(name: PartName, flags: Flags, env: NodeJS.ProcessEnv = {}): void {
    this.#flags.set(name, flags);
    this.#env.set(name, env);
  }

  /** Where workers and operators reach a coordinator. */
  grpcAddress(name: (typeof COORDINATORS)[number]): string {
    return `127.0.0.1:${this.#grpcPorts[COORDINATORS.indexOf(name)]}`;
  }

  /** Where `zkraft raft` reaches it. */
  raftAddress(name: (typeof COORDINATORS)[number]): string {
    return `127.0.0.1:${this.#raftPorts[COORDINATORS.indexOf(name)]}`;
  }

  coordinatorUrl(name: (typeof COORDINATORS)[number]): string {
    return this.#coordinatorUrls[COORDINATORS.indexOf(name)] ?? '';
  }

  /** Its pid, and what it said when it was ready. */
  command(name: Exclude<PartName, 'postgres'>): CommandPart {
    return this.part(name) as CommandPart;
  }

  part(name: PartName): Part {
    const part = this.parts.get(name);
    if (part === undefined) throw new Error(`there is no ${name}`);
    return part;
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
    const leader = (await this.health()).find((one) => one?.raft.is_leader === true);
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
    const gateways = [...this.parts.keys()].filter((name) => name.startsWith('gateway'));
    for (const name of [...WORKERS, ...gateways, ...COORDINATORS, 'postgres'] as const) await this.part(name).stop();
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
    const logs = COORDINATORS.map((name) => this.log(name));
    return compareStates(logs.flatMap(statesIn));
  }

  log(name: PartName): string {
    return readFileSync(join(this.dir, `${name}.log`), 'utf8');
  }

  /** Removes everything. The parts must have ended. */
  async remove(): Promise<void> {
    await removePrivatePostgres(join(this.dir, 'postgres'));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  /** What each coordinator says of itself; undefined for one that does not answer. */
  async health(): Promise<(Health | undefined)[]> {
    return await Promise.all(COORDINATORS.map((name) => this.healthOf(name)));
  }

  async healthOf(name: (typeof COORDINATORS)[number]): Promise<Health | undefined> {
    const asked = fetch(`${this.coordinatorUrl(name)}/health`, { signal: AbortSignal.timeout(HEALTH_LIMIT_MS) });
    return (await asked.then((answer) => answer.json()).catch(() => undefined)) as Health | undefined;
  }

  /** Until a majority would survive the loss of any of them. */
  async untilFormed(): Promise<void> {
    const endMs = performance.now() + FORMED_LIMIT_MS;
    for (;;) {
      const all = await this.health();
      const states = all.map((one) => (one?.raft.leader_address === '' ? 'Waiting' : one?.raft.state));
      if (states.filter((state) => state === 'Follower').length === 2 && states.includes('Leader')) break;
      if (performance.now() > endMs) throw new Error(`the coordinators are ${states.join(', ')}`);
      await sleep(LOOK_AGAIN_MS);
    }
    if (this.#links?.carried === 0) throw new Error('the coordinators speak past their links: nothing could be cut');
  }

  async #makeCertificates(): Promise<void> {
    for (const authority of AUTHORITIES) {
      const dir = join(this.dir, 'certs', authority);
      const writing = { dir, force: false, days: CERTIFICATE_DAYS, now: new Date() };
      await writeAuthority(`scenario ${authority}`, writing);
      const shown = authority === 'raft' ? COORDINATORS : [...COORDINATORS, ...WORKERS];
      for (const name of shown) await writeCertificate(name, HOSTS, writing);
    }
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

const flagsOf = (flags: Flags): string[] => Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);

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
