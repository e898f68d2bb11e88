/** The network that is measured: `zkraft cluster up`'s own processes, without its workers, and what each of them uses. */

import { createServer } from 'node:net';
import { join } from 'node:path';
import { writeCertificate } from '../../src/certs/index.ts';
import { ZkraftError } from '../../src/common/index.ts';
import { createLogger } from '../../src/common/logging/index.ts';
import { launchCluster, type RunningCluster } from '../../src/launch/index.ts';
import { BenchDatabase } from './database.ts';
import { Load } from './load.ts';
import { DEPTH, proveStatements } from './statements.ts';
import { type Usage, usageOf, usageOfFamily } from './usage.ts';

export interface NetworkOptions {
  readonly dir: string;
  readonly workersMax: number;
  readonly main: { readonly command: string; readonly args: readonly string[] };
  readonly signal: AbortSignal;
  readonly onStage: (stage: string) => void;
}

/** Proofs that each worker may have under way. */
const SLOTS = 16;
const COORDINATORS = 3;
/** Below what systems give out by themselves. */
const PORTS = { first: 21_000, last: 30_000, block: 60 } as const;
const LEADER_MS_MAX = 30_000;
const LOOK_MS = 50;
const CERTIFICATE_DAYS = 2;

export class BenchNetwork {
  readonly #cluster: RunningCluster;
  readonly database: BenchDatabase;
  readonly load: Load;
  readonly #serverPid: number | undefined;

  private constructor(cluster: RunningCluster, database: BenchDatabase, load: Load, serverPid: number | undefined) {
    this.#cluster = cluster;
    this.database = database;
    this.load = load;
    this.#serverPid = serverPid;
  }

  static async start({ dir, workersMax, main, signal, onStage }: NetworkOptions): Promise<BenchNetwork> {
    const first = await freeBlock();
    const cluster = await launchCluster({
      dir,
      coordinators: COORDINATORS,
      workers: 0,
      workerConcurrency: 1,
      ports: { gateway: first, grpc: first + 10, http: first + 20, raft: first + 30, worker: first + 40 },
      raftTimeout: '1s',
      depths: [DEPTH],
      // One address sends all there is.
      settings: { gateway: { rate_limit: { enabled: false } } },
      main,
      logger: createLogger({ level: 'warn', format: 'console', output: 'stderr' }),
      signal,
      onProgress: (_, stage) => onStage(stage),
    });
    let database: BenchDatabase | undefined;
    try {
      onStage('making proofs');
      const statements = await proveStatements(join(dir, 'artifacts'), signal);
      onStage('starting clients and workers');
      const certs = join(dir, 'certs', 'grpc');
      const workers = await Promise.all(
        Array.from({ length: workersMax }, async (_, i) => {
          const name = `bench-${i + 1}`;
          const making = { dir: certs, force: false, now: new Date(), days: CERTIFICATE_DAYS };
          const { certFile, keyFile } = await writeCertificate(name, ['localhost'], making);
          return { name, certFile, keyFile, caFile: join(certs, 'ca.crt') };
        }),
      );
      database = await BenchDatabase.open(cluster.databaseUrl);
      const coordinators = Array.from({ length: COORDINATORS }, (_, i) => `127.0.0.1:${first + 10 + i}`);
      const { gatewayUrl } = cluster;
      const load = await Load.start({ dir, gatewayUrl, coordinators, slots: SLOTS, workers, statements });
      return new BenchNetwork(cluster, database, load, await database.serverPid());
    } catch (error) {
      await database?.close();
      await cluster.close();
      throw error;
    }
  }

  /** By name: coordinators, gateway, postgres, and the load itself. Those that are down, or unknown here, are left out. */
  usage(): ReadonlyMap<string, Usage> {
    const used = new Map<string, Usage>();
    const note = (name: string, usage: Usage | undefined): void => void (usage && used.set(name, usage));
    for (const { name } of this.#cluster.processes) note(name, usageOf(this.#cluster.pidOf(name) ?? 0));
    if (this.#serverPid !== undefined) note('postgres', usageOfFamily(this.#serverPid));
    note('load', usageOf(this.load.pid));
    return used;
  }

  async leader(): Promise<{ readonly name: string; readonly pid: number }> {
    const endMs = performance.now() + LEADER_MS_MAX;
    while (performance.now() < endMs) {
      for (const { name, url, kind } of this.#cluster.processes) {
        const pid = this.#cluster.pidOf(name);
        if (kind === 'coordinator' && pid !== undefined && (await leads(url))) return { name, pid };
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    throw new ZkraftError('bench_failed', `no coordinator has led for ${LEADER_MS_MAX} ms`);
  }

  async close(): Promise<void> {
    await this.load.close();
    await this.database.close();
    await this.#cluster.close();
  }
}

async function leads(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(1_000) });
    const { raft } = (await answer.json()) as { raft?: { is_leader?: boolean } };
    return raft?.is_leader === true;
  } catch {
    return false;
  }
}

async function freeBlock(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const blocks = Math.floor((PORTS.last - PORTS.first) / PORTS.block);
    const first = PORTS.first + PORTS.block * Math.floor(Math.random() * blocks);
    const free = await Promise.all(Array.from({ length: PORTS.block }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new ZkraftError('port_in_use', `no ${PORTS.block} free ports in a row from ${PORTS.first} to ${PORTS.last}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
