/**
 * A network of real processes over a real PostgreSQL: a coordinator, a gateway, two workers, each started as an operator
 * starts it, on ports and folders that stay the same over restarts.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, zkraft } from '../support/cli.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { answer, freePort, type Part, ProcessPart, processTree, signalAll } from './part.ts';

export const WORKERS = ['worker-1', 'worker-2'] as const;
const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

export interface TestNetwork {
  readonly gatewayUrl: string;
  readonly databaseUrl: string;
  readonly parts: readonly Part[];
  /** Proofs that are being made at this moment, as the workers say. */
  proofsInFlight(): Promise<number>;
  close(): Promise<void>;
}

class PostgresPart implements Part {
  readonly name = 'postgres';
  readonly #server: TestPostgres;
  constructor(server: TestPostgres) {
    this.#server = server;
  }
  async kill(): Promise<void> {
    await this.#server.kill();
  }
  async pause(ms: number): Promise<void> {
    const pids = processTree(this.#server.pid());
    signalAll(pids, 'SIGSTOP');
    await sleep(ms);
    signalAll(pids, 'SIGCONT');
  }
  /** Its own orderly end belongs to `start`, which ends what runs first. */
  async stop(): Promise<void> {}
  async start(): Promise<void> {
    await this.#server.restart();
  }
}

export async function startTestNetwork(depth: number): Promise<TestNetwork> {
  const dir = mkdtempSync(join(tmpdir(), 'zkraft-scenario-'));
  const closers: (() => Promise<void>)[] = [async () => rmSync(dir, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const closer of closers.toReversed()) await closer();
  };
  try {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.stop());
    const databaseUrl = await postgres.createDatabase();
    const env = { DATABASE_URL: databaseUrl, ZKRAFT_DATA_DIR: join(dir, 'data') };
    const setup = await zkraft(
      ['setup', '--depth', String(depth), '--publish', '--data-dir', join(dir, 'data'), '--json'],
      env,
    );
    if (setup.code !== 0) throw new Error(`zkraft setup ended with ${setup.code}: ${setup.stdout}${setup.stderr}`);

    const ports = { grpc: await freePort(), coordinator: await freePort(), gateway: await freePort() };
    const part = (name: string, port: number, args: readonly string[]): ProcessPart => {
      const folder = join(dir, name);
      mkdirSync(folder, { recursive: true });
      return new ProcessPart({
        name,
        args: [MAIN, ...args, '--logging-level', 'info', '--logging-format', 'json'],
        env,
        logFile: join(dir, `${name}.log`),
        livezUrl: `http://127.0.0.1:${port}/livez`,
      });
    };
    const coordinator = part('coordinator', ports.coordinator, [
      'coordinator',
      ...['--coordinator-grpc-port', String(ports.grpc), '--coordinator-http-port', String(ports.coordinator)],
      ...['--coordinator-raft-raft-dir', join(dir, 'coordinator', 'raft')],
      ...['--coordinator-heartbeat-interval', '500ms', '--coordinator-heartbeat-timeout', '4s'],
      ...['--coordinator-stale-task-timeout', '20s', '--coordinator-task-timeout', '60s'],
      ...['--coordinator-poll-interval', '500ms', '--coordinator-cleanup-interval', '1s'],
      // A fault costs an attempt; here there are more of them than a service sees in a year.
      ...['--coordinator-max-attempts', '100'],
    ]);
    const gateway = part('gateway', ports.gateway, [
      ...['gateway', '--server-port', String(ports.gateway), '--rate-limit-enabled', 'false'],
    ]);
    const workerPorts = await Promise.all(WORKERS.map(() => freePort()));
    const workers = WORKERS.map((name, i) =>
      part(name, workerPorts[i] as number, [
        ...['worker', '--worker-id', name, '--worker-concurrency', '1'],
        ...['--worker-coordinator-address', `127.0.0.1:${ports.grpc}`],
        ...['--metrics-port', String(workerPorts[i]), '--data-dir', join(dir, name)],
      ]),
    );
    for (const one of [coordinator, gateway, ...workers]) {
      closers.push(() => one.kill());
      await one.start();
    }
    return {
      gatewayUrl: `http://127.0.0.1:${ports.gateway}`,
      databaseUrl,
      parts: [coordinator, gateway, ...workers, new PostgresPart(postgres)],
      proofsInFlight: async () => {
        const answers = await Promise.all(
          workerPorts.map((port) => answer(`http://127.0.0.1:${port}/health`, {}, 1_000)),
        );
        return answers.reduce((sum, one) => sum + Number(one?.body.running ?? 0), 0);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
