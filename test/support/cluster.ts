/** `zkraft cluster up` as a user runs it: three coordinators, two workers, a gateway, PostgreSQL, each its own process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { removePrivatePostgres } from '../../src/store/index.ts';
import { ROOT, zkraft } from './cli.ts';

export interface ClusterProcess {
  readonly name: string;
  readonly kind: 'coordinator' | 'gateway' | 'worker';
  readonly pid?: number;
  readonly url: string;
  readonly health: string;
  readonly doing: string;
}

export interface ClusterAnswer {
  readonly leader?: string;
  readonly processes: readonly ClusterProcess[];
}

const PORTS = 80;
const START_LIMIT_MS = 120_000;

export class ClusterUnderTest {
  readonly dir = mkdtempSync(join(tmpdir(), 'zkraft-cluster-'));
  readonly firstPort: number;
  #child: ChildProcess | undefined;
  #said: string[] = [];
  #exited: Promise<number | null> = Promise.resolve(null);
  gatewayUrl = '';

  private constructor(firstPort: number) {
    this.firstPort = firstPort;
  }

  static async start(...more: readonly string[]): Promise<ClusterUnderTest> {
    const cluster = new ClusterUnderTest(await freeBlock());
    await cluster.up(...more);
    return cluster;
  }

  async up(...more: readonly string[]): Promise<void> {
    const args = ['cluster', 'up', '--json', '--dir', this.dir, '--first-port', String(this.firstPort), ...more];
    const child = spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#said = [];
    child.stderr.on('data', (chunk: Buffer) => this.#said.push(chunk.toString()));
    this.#exited = new Promise((done) => child.on('exit', (code) => done(code)));
    await new Promise<void>((ready, fail) => {
      const timer = setTimeout(() => fail(new Error(`not ready in time:\n${this.#said.join('')}`)), START_LIMIT_MS);
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.#said.push(`${line}\n`);
        const event = JSON.parse(line.startsWith('{"') ? line : '{}') as Record<string, string>;
        if (event.event !== 'ready') return;
        clearTimeout(timer);
        this.gatewayUrl = event.gateway_url as string;
        ready();
      });
      void this.#exited.then((code) =>
        fail(new Error(`zkraft cluster up ended with ${code}:\n${this.#said.join('')}`)),
      );
    });
  }

  async status(): Promise<ClusterAnswer & { readonly code: number | null }> {
    const { code, json } = await zkraft(['cluster', 'status', '--dir', this.dir, '--json']);
    return { ...(json() as unknown as ClusterAnswer), code };
  }

  /** Until all processes are well, one of them leads, and workers are known to it. */
  async healthy(withinMs = 30_000): Promise<ClusterAnswer> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      const status = await this.status();
      if (status.code === 0 && status.leader !== undefined) return status;
      if (performance.now() > endMs) throw new Error(`not healthy: ${JSON.stringify(status, null, 1)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async leader(): Promise<ClusterProcess & { readonly pid: number }> {
    const { leader, processes } = await this.healthy();
    const found = processes.find(({ name }) => name === leader);
    if (found?.pid === undefined) throw new Error('nobody leads');
    return { ...found, pid: found.pid };
  }

  /** Kills the one that keeps the others. */
  async killKeeper(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** As Ctrl-C does. The exit code. */
  async stop(): Promise<number | null> {
    this.#child?.kill('SIGINT');
    return await this.#exited;
  }

  async remove(): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) await this.stop();
    await removePrivatePostgres(join(this.dir, 'postgres'));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** The first of a block below the ports that the system gives out by itself. */
async function freeBlock(): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const first = 15_000 + PORTS * Math.floor(Math.random() * 200);
    const ports = Array.from({ length: PORTS }, (_, i) => first + i);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new Error('no block of free ports');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
