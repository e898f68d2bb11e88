/** One process of a network under test, on a fixed port, that can be killed, paused and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Part {
  readonly name: string;
  kill(): Promise<void>;
  pause(ms: number): Promise<void>;
  /** As an operator would: SIGTERM, and SIGKILL when it does not end in time. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const STOP_LIMIT_MS = 40_000;
const READY_LIMIT_MS = 60_000;

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface ProcessOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Answers 200 once the process lives. */
  readonly livezUrl: string;
}

export class ProcessPart implements Part {
  readonly name: string;
  readonly #options: ProcessOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async start(): Promise<void> {
    const { args, env, logFile, livezUrl } = this.#options;
    const child = spawn(process.execPath, [...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => appendFileSync(logFile, chunk));
    this.#ended = new Promise((done) => child.once('exit', () => done()));
    await until(`${this.name} lives`, READY_LIMIT_MS, async () => {
      if (child.exitCode !== null) throw new Error(`${this.name} ended with ${child.exitCode}; see ${logFile}`);
      return (await answer(livezUrl))?.status === 200;
    });
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  async pause(ms: number): Promise<void> {
    this.#child?.kill('SIGSTOP');
    await sleep(ms);
    this.#child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    const limit = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_LIMIT_MS);
    this.#child?.kill('SIGTERM');
    await this.#ended;
    clearTimeout(limit);
  }
}

/** The process and all that it has started, by the system's list: pausing PostgreSQL means pausing its backends too. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const tree = [pid];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] as number) ?? []));
  return tree;
}

export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  }
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Undefined when there was none: refused, reset or too late. */
export async function answer(url: string, init: RequestInit = {}, limitMs = 5_000): Promise<Answer | undefined> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(limitMs) });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {} };
  } catch {
    return undefined;
  }
}

export async function until(what: string, limitMs: number, condition: () => Promise<boolean>): Promise<void> {
  const begunAtMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - begunAtMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(100);
  }
}
