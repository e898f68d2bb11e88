/** The process of clients and workers as the bench sees it. */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ZkraftError } from '../../src/common/index.ts';
import type { Statement } from './statements.ts';
import type { SubmitFigures, SubmitOrder } from './submitter.ts';

export interface LoadOrder {
  readonly dir: string;
  readonly gatewayUrl: string;
  /** host:port of each coordinator. */
  readonly coordinators: readonly string[];
  readonly slots: number;
  readonly workers: readonly {
    readonly name: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly caFile: string;
  }[];
  readonly statements: readonly Statement[];
}

export type LoadRequest =
  | { readonly ask: 'workers'; readonly count: number }
  | { readonly ask: 'submit'; readonly order: SubmitOrder }
  | { readonly ask: 'progress' | 'restart' | 'close' };

export interface LoadAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const SCRIPT = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './load-process.ts' : './load-process.js', import.meta.url),
);

export class Load {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: LoadAnswer) => void>();
  readonly #exited: Promise<void>;
  #next = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (answer: LoadAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#exited = new Promise((resolve) => {
      child.on('exit', () => {
        for (const [id, settle] of this.#waiting) settle({ id, error: 'the process of clients and workers ended' });
        this.#waiting.clear();
        resolve();
      });
    });
  }

  static async start(order: LoadOrder): Promise<Load> {
    const file = join(order.dir, 'load.json');
    writeFileSync(file, JSON.stringify(order), { mode: 0o600 });
    const child = fork(SCRIPT, [file], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: process.execArgv });
    const load = new Load(child);
    await load.#answer(0);
    return load;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves once so many are started; none is ever taken away. */
  workers(count: number): Promise<unknown> {
    return this.#ask({ ask: 'workers', count });
  }

  async submit(order: SubmitOrder): Promise<SubmitFigures> {
    return (await this.#ask({ ask: 'submit', order })) as SubmitFigures;
  }

  async progress(): Promise<{ readonly proved: number; readonly pending: number }> {
    return (await this.#ask({ ask: 'progress' })) as { proved: number; pending: number };
  }

  restart(): Promise<unknown> {
    return this.#ask({ ask: 'restart' });
  }

  async close(): Promise<void> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 30_000);
    await this.#ask({ ask: 'close' }).catch(() => this.#child.kill('SIGKILL'));
    await this.#exited;
    clearTimeout(late);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #ask(request: LoadRequest): Promise<unknown> {
    const id = this.#next++;
    const answer = this.#answer(id);
    if (this.#child.connected) this.#child.send({ id, request }, () => {});
    else this.#waiting.get(id)?.({ id, error: 'the process of clients and workers ended' });
    return answer;
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ value, error }) =>
        error === undefined ? resolve(value) : reject(new ZkraftError('bench_failed', error)),
      );
    });
  }
}
