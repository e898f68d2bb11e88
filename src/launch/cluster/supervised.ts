/**
 * One process of the cluster, kept running: one that ends by itself is started again, after a rest that grows while it
 * does not last.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, ZkraftError } from '../../common/index.ts';

export interface SupervisedOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** What it says beside its events is appended here. */
  readonly logFile: string;
  readonly logger: Logger;
  /** Called after each start, the first too. */
  readonly started: () => void;
}

const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 60_000;
const REST_MS_MIN = 500;
const REST_MS_MAX = 10_000;
/** Whoever ran for so long has recovered. */
const LASTED_MS = 30_000;
/** Of the error table: wrong input, which another start does not mend. */
const EXIT_WRONG_INPUT = 2;

export class Supervised {
  readonly #options: SupervisedOptions;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  /** Resolves when it is ready for the first time; rejects with `cluster_failed` when it ends before. */
  async start(): Promise<void> {
    const { name, logFile } = this.#options;
    const { ready, ended } = this.#spawn();
    const stopped = new Promise<false>((resolve) => {
      this.#stop.signal.addEventListener('abort', () => resolve(false), { once: true });
    });
    const isReady = await Promise.race([ready.then(() => true), ended.then(() => false), stopped, late(READY_MS_MAX)]);
    if (isReady !== true) {
      if (!this.#stop.signal.aborted) this.#child?.kill('SIGKILL');
      throw new ZkraftError('cluster_failed', `${name} did not become ready; ${logFile} says why`);
    }
    this.#running = this.#keepRunning(ended).catch((error: unknown) => {
      this.#options.logger.error({ process: name, err: error }, 'could not be started again');
    });
  }

  /** Asks it to end, and waits for that. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#child?.kill('SIGTERM');
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS_MAX);
    await Promise.all([this.#running, this.#ended]);
    clearTimeout(timer);
  }

  async #keepRunning(first: Promise<number | null>): Promise<void> {
    const { name, logger } = this.#options;
    let ended = first;
    let restMs = REST_MS_MIN;
    let startedMs = performance.now();
    for (;;) {
      const code = await ended;
      if (this.#stop.signal.aborted) return;
      if (code === EXIT_WRONG_INPUT) {
        logger.error({ process: name }, 'ended, for its settings are wrong; it is not started again');
        return;
      }
      restMs = performance.now() - startedMs > LASTED_MS ? REST_MS_MIN : Math.min(REST_MS_MAX, restMs * 2);
      logger.warn({ process: name, exit_code: code, again_in_ms: restMs }, 'ended by itself');
      await sleep(restMs, undefined, { signal: this.#stop.signal }).catch(() => {});
      if (this.#stop.signal.aborted) return;
      startedMs = performance.now();
      ({ ended } = this.#spawn());
    }
  }

  #spawn(): { readonly ready: Promise<void>; readonly ended: Promise<number | null> } {
    const { command, args, env, logFile } = this.#options;
    const log = openSync(logFile, 'a', 0o600);
    try {
      // In a group of its own: Ctrl-C is for whoever keeps it, which then stops it in its turn.
      this.#child = spawn(command, [...args], { env, detached: true, stdio: ['ignore', 'pipe', log] });
    } finally {
      closeSync(log);
    }
    const child = this.#child;
    const ended = new Promise<number | null>((resolve) => {
      child.once('exit', (code) => resolve(code));
      child.once('error', () => resolve(null));
    });
    const ready = new Promise<void>((resolve) => {
      if (child.stdout === null) return;
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('{') && line.includes('"event":"ready"')) resolve();
      });
    });
    this.#ended = ended;
    this.#options.started();
    return { ready, ended };
  }
}

const late = (ms: number): Promise<undefined> => sleep(ms, undefined, { ref: false });
