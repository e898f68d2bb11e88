/** Clusters of nodes in processes of their own, with certificates, on loopback. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Applied, CommandOptions, KvReplica, Member, NodeStatus, PeerStatus } from '../../src/raft/index.ts';
import { type Authority, makeAuthority } from './certificates.ts';

export interface ChildOptions {
  readonly dir: string;
  readonly name: string;
  readonly raftAddress: string;
  readonly bootstrap: boolean;
  /** Paths of PEM files. */
  readonly files: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly heartbeatTimeoutMs: number;
  readonly electionTimeoutMs: number;
  readonly snapshotThreshold?: number;
  readonly trailingEntries?: number;
  readonly promoteInTouchMs?: number;
}

export type ChildRequest =
  | { readonly ask: 'status' | 'peers' | 'open-session' | 'read-index' | 'hash' }
  | { readonly ask: 'propose'; readonly data: Uint8Array; readonly options?: CommandOptions }
  /** What the node has, which may be old. */
  | { readonly ask: 'get'; readonly key: string }
  | { readonly ask: 'add'; readonly address: string }
  | { readonly ask: 'promote' | 'remove'; readonly name: string }
  | { readonly ask: 'transfer'; readonly name?: string }
  | { readonly ask: 'load'; readonly proposers: number; readonly durationMs: number };

export interface ChildAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

const CHILD = fileURLToPath(new URL('./raft-node-child.ts', import.meta.url));
const STARTS_WITHIN_MS = 30_000;

export class ChildNode {
  readonly options: ChildOptions;
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #waiting = new Map<number, (answer: ChildAnswer) => void>();
  #next = 1;
  #isGone = false;

  constructor(options: ChildOptions) {
    this.options = options;
    this.process = fork(CHILD, [JSON.stringify(options)], {
      // Nodes are dialled by address, and their certificates are held against names.
      execArgv: ['--import', 'tsx', '--disable-warning=DEP0123'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.exited = new Promise((resolve) => {
      this.process.on('exit', (code) => {
        this.#isGone = true;
        for (const [id, settle] of this.#waiting)
          settle({ id, error: { code: 'gone', message: 'the process is gone' } });
        this.#waiting.clear();
        resolve(code);
      });
    });
    this.process.on('message', (answer: ChildAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  get name(): string {
    return this.options.name;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  ready(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} did not start`)), STARTS_WITHIN_MS);
      this.#waiting.set(0, ({ error }) => {
        clearTimeout(timer);
        if (error === undefined) resolve(undefined);
        else reject(new Error(error.message));
      });
    });
  }

  ask<T>(request: ChildRequest): Promise<T> {
    if (this.#isGone) return Promise.reject(Object.assign(new Error('the process is gone'), { code: 'gone' }));
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value as T);
        else reject(Object.assign(new Error(error.message), { code: error.code }));
      });
      this.process.send({ id, request }, (error) => {
        if (error !== null) this.#waiting.get(id)?.({ id, error: { code: 'gone', message: error.message } });
      });
    });
  }

  /** As a client of the map sees it. An answer that is lost with the process is `internal`: it may have been applied. */
  get replica(): KvReplica {
    return {
      node: {
        propose: (data, options = {}) => this.ask<Applied<string>>({ ask: 'propose', data, options }),
        openSession: () => this.ask<number>({ ask: 'open-session' }),
        readIndex: () => this.ask<number>({ ask: 'read-index' }),
      },
      machine: { get: (key) => this.ask<string>({ ask: 'get', key }) },
    };
  }

  status(): Promise<NodeStatus> {
    return this.ask({ ask: 'status' });
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

export interface ProcessBedOptions {
  readonly timeoutMs: number;
  readonly snapshotThreshold?: number;
  readonly trailingEntries?: number;
}

export class ProcessBed {
  readonly root = mkdtempSync(join(tmpdir(), 'raft-processes-'));
  readonly nodes = new Map<string, ChildNode>();
  readonly #options: ProcessBedOptions;
  readonly #authority: Authority;
  readonly #known = new Map<string, ChildOptions>();

  constructor(options: ProcessBedOptions) {
    this.#options = options;
    this.#authority = makeAuthority(this.root, 'cluster');
  }

  dir(name: string): string {
    return join(this.root, name);
  }

  /** Again under the same name: on the same folder, at the same address. */
  async start(name: string, bootstrap = false): Promise<ChildNode> {
    const known = this.#known.get(name) ?? (await this.#choose(name, bootstrap));
    this.#known.set(name, known);
    const node = new ChildNode(known);
    this.nodes.set(name, node);
    await node.ready();
    return node;
  }

  /** With the name and certificate of one, at the address of another, which does not run, on a folder of its own. */
  async stranger(name: string, at: string, folder: string, bootstrap = false): Promise<ChildNode> {
    const [own, place] = [this.#known.get(name), this.#known.get(at)];
    if (own === undefined || place === undefined) throw new Error(`${name} or ${at} was never started`);
    const { raftAddress } = place;
    const node = new ChildNode({ ...own, raftAddress, bootstrap, dir: this.dir(folder) });
    this.nodes.set(folder, node);
    await node.ready();
    return node;
  }

  /** The first bootstraps; the others are added and promoted. */
  async cluster(names: readonly string[]): Promise<void> {
    const [first = '', ...others] = names;
    const leader = await this.start(first, true);
    for (const name of others) {
      const node = await this.start(name);
      await retried(() => leader.ask<Member>({ ask: 'add', address: node.options.raftAddress }));
      await retried(() => leader.ask({ ask: 'promote', name }));
    }
    await this.agree(names.length);
  }

  /** Until every running node knows that many members. */
  async agree(members: number): Promise<void> {
    await eventually(async () => {
      const all = await Promise.all(this.running().map((node) => node.status().catch(() => undefined)));
      return all.every((status) => status?.peers === members);
    });
  }

  running(): ChildNode[] {
    return [...this.nodes.values()].filter((node) => !node.isGone);
  }

  async leader(but: readonly string[] = []): Promise<ChildNode> {
    let found: ChildNode | undefined;
    await eventually(async () => {
      const asked = this.running().filter(({ name }) => !but.includes(name));
      const states = await Promise.all(
        asked.map(async (node) => ({ node, status: await node.status().catch(() => undefined) })),
      );
      found = states.find(({ status }) => status?.state === 'Leader')?.node;
      return found !== undefined;
    });
    return found as ChildNode;
  }

  /** Of any of them, chosen by the client. */
  replicas(): KvReplica[] {
    return this.running().map(({ replica }) => replica);
  }

  /** Until all running nodes have the same state. */
  async converge(): Promise<void> {
    await eventually(async () => {
      const hashes = await Promise.all(this.running().map((node) => node.ask<string>({ ask: 'hash' })));
      return new Set(hashes).size === 1;
    });
  }

  peers(node: ChildNode): Promise<readonly PeerStatus[]> {
    return node.ask({ ask: 'peers' });
  }

  async close(): Promise<void> {
    await Promise.all(this.running().map((node) => node.kill()));
    rmSync(this.root, { recursive: true, force: true });
  }

  async #choose(name: string, bootstrap: boolean): Promise<ChildOptions> {
    const { timeoutMs, ...more } = this.#options;
    const pair = this.#authority.issue(name);
    return {
      dir: this.dir(name),
      name,
      raftAddress: `127.0.0.1:${await freePort()}`,
      bootstrap,
      files: { ...pair, ca: this.#authority.cert },
      heartbeatTimeoutMs: timeoutMs,
      electionTimeoutMs: timeoutMs,
      promoteInTouchMs: 100,
      ...more,
    };
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function eventually(holds: () => Promise<boolean>, withinMs = 30_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`did not come true within ${withinMs} ms`);
    await pause(5);
  }
}

export async function retried<T>(work: () => Promise<T>, withinMs = 30_000): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > end) throw error;
      await pause(20);
    }
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
