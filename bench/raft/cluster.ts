/** Three nodes in processes of their own, on loopback, with certificates of an authority that is made for the run. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZkraftError } from '../../src/common/index.ts';

export interface NodeOrder {
  readonly dir: string;
  readonly name: string;
  readonly raftAddress: string;
  readonly bootstrap: boolean;
  readonly timeoutMs: number;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

export type NodeRequest =
  | { readonly ask: 'status' | 'marks' | 'hash' }
  | { readonly ask: 'add'; readonly address: string }
  | { readonly ask: 'promote'; readonly name: string }
  | { readonly ask: 'transfer' }
  | { readonly ask: 'writing'; readonly on: boolean }
  | { readonly ask: 'load'; readonly proposers: number; readonly durationMs: number };

export interface NodeAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** What the writer of a node has seen, in milliseconds of the wall clock, which all processes share. */
export interface Marks {
  readonly leads: boolean;
  readonly term: number;
  readonly firstOfTermMs: number | undefined;
  readonly lastMs: number | undefined;
}

const NODE = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './node-process.ts' : './node-process.js', import.meta.url),
);
const WITHIN_MS = 60_000;
const NAMES = ['a', 'b', 'c'] as const;

export class NodeProcess {
  readonly order: NodeOrder;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: NodeAnswer) => void>();
  readonly #exited: Promise<void>;
  #next = 1;
  isGone = false;

  constructor(order: NodeOrder) {
    this.order = order;
    this.#child = fork(NODE, [JSON.stringify(order)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, '--disable-warning=DEP0123'],
    });
    this.#child.on('message', (answer: NodeAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.on('exit', () => {
        this.isGone = true;
        for (const [id, settle] of this.#waiting) settle({ id, error: 'the node is gone' });
        resolve();
      });
    });
  }

  ready(): Promise<unknown> {
    return this.#answer(0);
  }

  ask<T>(request: NodeRequest): Promise<T> {
    const id = this.#next++;
    const answer = this.#answer(id);
    this.#child.send({ id, request }, () => {});
    return answer as Promise<T>;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.isGone) return reject(new ZkraftError('bench_failed', 'the node is gone'));
      this.#waiting.set(id, ({ value, error }) => {
        if (error === undefined) resolve(value);
        else reject(new ZkraftError('bench_failed', error));
      });
    });
  }
}

export class BenchCluster {
  readonly #root = mkdtempSync(join(tmpdir(), 'zkraft-bench-raft-'));
  readonly #timeoutMs: number;
  readonly nodes = new Map<string, NodeProcess>();
  readonly #orders = new Map<string, NodeOrder>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  async start(): Promise<void> {
    const ca = makeAuthority(this.#root);
    for (const name of NAMES) {
      const { certFile, keyFile } = issue(this.#root, name);
      this.#orders.set(name, {
        dir: join(this.#root, name),
        name,
        raftAddress: `127.0.0.1:${await freePort()}`,
        bootstrap: name === 'a',
        timeoutMs: this.#timeoutMs,
        certFile,
        keyFile,
        caFile: ca,
      });
    }
    const first = await this.startNode('a');
    for (const name of NAMES.slice(1)) {
      const node = await this.startNode(name);
      await again(() => first.ask({ ask: 'add', address: node.order.raftAddress }));
      await again(() => first.ask({ ask: 'promote', name }));
    }
  }

  async startNode(name: string): Promise<NodeProcess> {
    const order = this.#orders.get(name);
    if (order === undefined) throw new ZkraftError('bench_failed', `there is no node ${name}`);
    const node = new NodeProcess(order);
    this.nodes.set(name, node);
    await node.ready();
    return node;
  }

  running(): NodeProcess[] {
    return [...this.nodes.values()].filter(({ isGone }) => !isGone);
  }

  marks(): Promise<{ readonly node: NodeProcess; readonly marks: Marks }[]> {
    return Promise.all(this.running().map(async (node) => ({ node, marks: await node.ask<Marks>({ ask: 'marks' }) })));
  }

  /** One that leads in the highest term, and that all running nodes follow. */
  async leader(): Promise<NodeProcess> {
    return await again(async () => {
      const all = await this.marks();
      const term = Math.max(...all.map(({ marks }) => marks.term));
      const found = all.find(({ marks }) => marks.leads && marks.term === term);
      if (found === undefined) throw new ZkraftError('bench_failed', 'no node leads');
      return found.node;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.running().map((node) => node.kill()));
    rmSync(this.#root, { recursive: true, force: true });
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Until it works. */
export async function again<T>(work: () => Promise<T>, everyMs = 20): Promise<T> {
  const endMs = performance.now() + WITHIN_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await pause(everyMs);
    }
  }
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function openssl(dir: string, args: readonly string[]): void {
  try {
    execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  } catch (cause) {
    throw new ZkraftError('bench_failed', 'bench raft makes its certificates with openssl, which did not run', {
      cause,
    });
  }
}

function makeAuthority(dir: string): string {
  openssl(dir, ['req', '-x509', ...EC, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=bench']);
  return join(dir, 'ca.crt');
}

function issue(dir: string, name: string): { readonly certFile: string; readonly keyFile: string } {
  writeFileSync(join(dir, `${name}.ext`), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl(dir, ['req', '-new', ...EC, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`]);
  const signer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', `${name}.ext`];
  openssl(dir, ['x509', '-req', '-in', `${name}.csr`, ...signer, '-out', `${name}.crt`, '-days', '2']);
  return { certFile: join(dir, `${name}.crt`), keyFile: join(dir, `${name}.key`) };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
