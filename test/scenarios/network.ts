/**
 * A whole network of separate processes on one machine: PostgreSQL, coordinator, gateway, two workers.
 *
 * Ports and folders stay the same over restarts, as in production. All is kept in one temp folder, logs too, which
 * `remove` removes; until then it can be looked at.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client as PgClient } from 'pg';
import { migrate, removePrivatePostgres } from '../../src/store/index.ts';
import { Children } from './child-program.ts';
import { CommandPart, MAIN, type Part, type PartName, PostgresPart } from './parts.ts';

export interface NetworkOptions {
  /** Depths that get keys. */
  readonly depths: readonly number[];
  readonly onAccident: (error: Error) => void;
}

/** Short, so that a scenario of minutes sees leases expire; long enough for a machine that has much else to do. */
const TIMES = ['--coordinator-heartbeat-interval', '500ms', '--coordinator-heartbeat-timeout', '4s'];
const QUEUE = ['--coordinator-poll-interval', '500ms', '--coordinator-cleanup-interval', '2s'];
/** The most that can be set: faults are no fault of the tasks, and the scenario strikes far more often than life. */
const ATTEMPTS = ['--coordinator-max-attempts', '100'];
const QUERY_LIMIT_MS = 5_000;
const HEALTH_LIMIT_MS = 3_000;
const SETUP_LIMIT_MS = 300_000;

export class Network {
  readonly dir: string;
  readonly gatewayUrl: string;
  readonly parts: ReadonlyMap<PartName, Part>;
  readonly #postgres: PostgresPart;
  readonly #coordinatorUrl: string;
  readonly #depths: readonly number[];
  readonly #children = new Children();

  private constructor(dir: string, ports: readonly number[], options: NetworkOptions) {
    const [grpc = 0, status = 0, http = 0] = ports;
    this.dir = dir;
    this.#depths = options.depths;
    this.gatewayUrl = `http://127.0.0.1:${http}`;
    this.#coordinatorUrl = `http://127.0.0.1:${status}`;
    const watched = (name: string) => ({
      logFile: join(dir, `${name}.log`),
      children: this.#children,
      onAccident: options.onAccident,
    });
    this.#postgres = new PostgresPart({ dir: join(dir, 'postgres'), ...watched('postgres') });
    const database = (): NodeJS.ProcessEnv => ({ DATABASE_URL: this.#postgres.connectionString });
    const service = (name: 'coordinator' | 'gateway', ...args: readonly string[]): Part =>
      new CommandPart({ name, args: [name, ...args], env: database, ...watched(name) });
    const worker = (name: 'worker-1' | 'worker-2'): Part => {
      const files = ['--data-dir', join(dir, name), '--metrics-port', '0', '--zkp-backend', 'snarkjs'];
      const agent = ['--worker-id', name, '--worker-concurrency', '1', '--worker-coordinator-address'];
      const args = ['worker', ...files, ...agent, `127.0.0.1:${grpc}`];
      return new CommandPart({ name, args, ...watched(name) });
    };
    const raft = ['--coordinator-raft-raft-dir', join(dir, 'raft'), '--coordinator-raft-raft-port', '0'];
    const listens = ['--coordinator-grpc-port', String(grpc), '--coordinator-http-port', String(status)];
    // Snapshots in between, so that a restart reads snapshot and log.
    const snapshots = ['--coordinator-raft-snapshot-threshold', '200', '--coordinator-raft-snapshot-interval', '2s'];
    const parts: Part[] = [
      this.#postgres,
      service('coordinator', ...raft, ...listens, ...snapshots, ...TIMES, ...QUEUE, ...ATTEMPTS),
      service('gateway', '--server-port', String(http), '--rate-limit-enabled=false'),
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
    return new Network(dir, await freePorts(3), options);
  }

  /** Makes schema and keys; resolves when all parts are ready. */
  async start(): Promise<void> {
    await this.#postgres.start();
    await migrate({ connectionString: this.#postgres.connectionString }, 'up');
    await this.#makeKeys();
    await this.part('coordinator').start();
    await Promise.all((['gateway', 'worker-1', 'worker-2'] as const).map((name) => this.part(name).start()));
  }

  part(name: PartName): Part {
    const part = this.parts.get(name);
    if (part === undefined) throw new Error(`there is no ${name}`);
    return part;
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
   * Live leases: proofs that workers have in hand. The coordinator is asked, which judges them; while it is away the
   * record in the database counts; undefined when neither answers.
   */
  async proofsInFlight(): Promise<number | undefined> {
    try {
      const answer = await fetch(`${this.#coordinatorUrl}/health`, { signal: AbortSignal.timeout(HEALTH_LIMIT_MS) });
      const health = (await answer.json()) as { capacity: { used: number } };
      return health.capacity.used;
    } catch {
      const count = `SELECT count(*)::int AS live FROM tasks WHERE status IN ('assigned', 'in_progress')`;
      return this.query<{ live: number }>(count).then(
        ([row]) => row?.live,
        () => undefined,
      );
    }
  }

  /** Tasks that were accepted and have not ended. Rejects while the database is away. */
  async openTasks(): Promise<number> {
    const count = `SELECT count(*)::int AS open FROM tasks WHERE status NOT IN ('completed', 'failed', 'cancelled')`;
    const [row] = await this.query<{ open: number }>(count);
    return row?.open ?? 0;
  }

  /** Kills whatever still runs, without waiting: for the exit of this process. */
  killAll(): void {
    this.#children.killAll();
  }

  /** Kills whatever still runs; nothing can be started afterwards. */
  endAll(): Promise<void> {
    return this.#children.endAll();
  }

  /** Ends every part, the database last; each must end cleanly. */
  async stop(): Promise<void> {
    for (const name of ['worker-1', 'worker-2', 'gateway', 'coordinator', 'postgres'] as const) {
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

  /** Removes everything. The parts must have ended. */
  async remove(): Promise<void> {
    await removePrivatePostgres(join(this.dir, 'postgres'));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  async #makeKeys(): Promise<void> {
    const keys = this.#children.start({
      name: 'setup',
      args: [MAIN, 'setup', '--depth', this.#depths.join(','), '--publish', '--data-dir', join(this.dir, 'keys')],
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
