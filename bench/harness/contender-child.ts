/**
 * The conductor's end of a contender's process: starts it under a given Node binary, asks for samples, ends it.
 *
 * The process leads a group of its own, and the whole group is killed at the end, so that neither an abort nor a fault
 * leaves anything running that it started in turn.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ZkraftError } from '../../src/common/index.ts';
import { siblingModule, threadExecArgv } from '../../src/prover/pool/index.ts';
import type { ContenderOrder, FromContender, ReadyContender, Sample, ToContender } from './contender.ts';

/** Of what a process wrote to standard error, for the message when it dies. */
const STDERR_CHARS_MAX = 2_000;
/** Closing takes milliseconds; a contender that hangs is killed. */
const END_MS_MAX = 5_000;

export class ContenderChild {
  readonly ready: ReadyContender;
  readonly #process: ContenderProcess;

  private constructor(ready: ReadyContender, process: ContenderProcess) {
    this.ready = ready;
    this.#process = process;
  }

  /**
   * Resolves when it is warm. Rejects with the contender's own error, `file_not_found` when `node` cannot be run,
   * `bench_failed` when it dies, `cancelled` when aborted; nothing is left running then.
   */
  static async start(order: ContenderOrder, node: string, signal?: AbortSignal): Promise<ContenderChild> {
    const process = new ContenderProcess(order, node, signal);
    try {
      return new ContenderChild(await process.next('ready'), process);
    } catch (error) {
      process.kill();
      throw error;
    }
  }

  async sample(sample: number): Promise<Sample> {
    return await this.#process.ask({ kind: 'run', sample }, 'sample');
  }

  async result(): Promise<string | undefined> {
    return (await this.#process.ask({ kind: 'result' }, 'result')).text;
  }

  async end(): Promise<void> {
    await this.#process.end();
  }

  kill(): void {
    this.#process.kill();
  }
}

type Answer<K extends FromContender['kind']> = Extract<FromContender, { kind: K }>;

class ContenderProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #onExit = (): void => this.kill();
  #waiting: { resolve: (message: FromContender) => void; reject: (error: ZkraftError) => void } | undefined;
  #early: FromContender | undefined;
  #broken: ZkraftError | undefined;
  #gone = false;
  #stderr = '';

  constructor(order: ContenderOrder, node: string, signal: AbortSignal | undefined) {
    const file = siblingModule(import.meta.url, 'contender-process');
    const who = `${order.bench} (${order.side})`;
    this.#child = fork(fileURLToPath(file), [JSON.stringify(order)], {
      execPath: node,
      execArgv: threadExecArgv(file),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      detached: true,
    });
    const onAbort = (): void => {
      this.#fail(new ZkraftError('cancelled', 'the bench was cancelled'));
      this.kill();
    };
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_CHARS_MAX);
    });
    this.#child.on('message', (message: FromContender) => {
      if (message.kind === 'failed') this.#fail(ZkraftError.fromJSON(message.error));
      else if (this.#waiting === undefined) this.#early = message;
      else {
        const { resolve } = this.#waiting;
        this.#waiting = undefined;
        resolve(message);
      }
    });
    this.#child.on('error', (cause) => {
      this.#fail(
        new ZkraftError('file_not_found', `${node} cannot be run as Node: ${cause.message}`, { field: 'node', cause }),
      );
    });
    this.#closed = new Promise((resolve) => {
      this.#child.on('close', (code, killedBy) => {
        signal?.removeEventListener('abort', onAbort);
        process.off('exit', this.#onExit);
        this.kill();
        this.#gone = true;
        const how = killedBy === null ? `code ${code}` : killedBy;
        const said = this.#stderr.trim();
        this.#fail(
          new ZkraftError(
            'bench_failed',
            `the process of ${who} under ${node} ended with ${how}${said && `: ${said}`}`,
          ),
        );
        resolve();
      });
    });
    process.on('exit', this.#onExit);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  }

  async ask<K extends FromContender['kind']>(message: ToContender, kind: K): Promise<Answer<K>> {
    if (this.#child.connected) this.#child.send(message, () => {});
    return await this.next(kind);
  }

  async next<K extends FromContender['kind']>(kind: K): Promise<Answer<K>> {
    const message = await new Promise<FromContender>((resolve, reject) => {
      if (this.#early !== undefined) resolve(this.#early);
      else if (this.#broken !== undefined) reject(this.#broken);
      else this.#waiting = { resolve, reject };
      this.#early = undefined;
    });
    if (message.kind === kind) return message as Answer<K>;
    throw new ZkraftError('internal', `a contender answered ${message.kind} and not ${kind}`);
  }

  #fail(error: ZkraftError): void {
    this.#broken ??= error;
    this.#waiting?.reject(this.#broken);
    this.#waiting = undefined;
  }

  async end(): Promise<void> {
    if (this.#child.connected) this.#child.send({ kind: 'end' } satisfies ToContender, () => {});
    const timer = setTimeout(() => this.kill(), END_MS_MAX);
    await this.#closed;
    clearTimeout(timer);
  }

  /** The process and whatever it started. */
  kill(): void {
    const { pid } = this.#child;
    // Once it was buried its number may be another's.
    if (pid === undefined || this.#gone) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The group is gone, or this system has none.
      this.#child.kill('SIGKILL');
    }
  }
}
