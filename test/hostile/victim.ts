/** Starts what is attacked (see victim-child.ts), and asks how it bears it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { CoordinatorOptions } from '../../src/coordinator/index.ts';
import type { GatewayOptions } from '../../src/gateway/index.ts';

/** Options that are plain numbers, flags and texts, so that they pass to another process as JSON. */
type Plain<T> = { readonly [K in keyof T as NonNullable<T[K]> extends number | boolean | string ? K : never]?: T[K] };

export interface VictimOptions {
  readonly role: 'coordinator' | 'gateway';
  readonly connectionString: string;
  readonly artifactsDir: string;
  readonly logDir?: string;
  readonly coordinator?: Plain<CoordinatorOptions>;
  /** `keyed`: asks for API keys of the database. */
  readonly gateway?: Plain<GatewayOptions> & Pick<Partial<GatewayOptions>, 'rateLimit' | 'cors'> & { keyed?: boolean };
}

export interface Vitals {
  readonly rssBytes: number;
  /** The longest that its event loop was held up since the last time it was asked. */
  readonly heldUpMs: number;
}

export interface Victim {
  readonly ports: Readonly<Record<string, number>>;
  /** Rejects when the process is dead. */
  vitals(): Promise<Vitals>;
  stop(): Promise<void>;
}

const START_MS = 60_000;
const ANSWER_MS = 20_000;
/** A flood that is kept in memory ends the process, and so the test. */
const HEAP_MB = 256;

export async function startVictim(options: VictimOptions): Promise<Victim> {
  const child = fork(join(import.meta.dirname, 'victim-child.ts'), [JSON.stringify(options)], {
    execArgv: ['--import', 'tsx', `--max-old-space-size=${HEAP_MB}`],
  });
  const { ports } = await answerOf<{ ports: Record<string, number> }>(child, START_MS);
  return {
    ports,
    vitals: async () => {
      const answer = answerOf<Vitals>(child, ANSWER_MS);
      child.send('vitals');
      return await answer;
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

function answerOf<T>(child: ChildProcess, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => done(() => reject(new Error(`no word in ${limitMs} ms`))), limitMs);
    const onMessage = (message: unknown): void => done(() => resolve(message as T));
    const onExit = (code: number | null, signal: string | null): void =>
      done(() => reject(new Error(`it ended: ${code ?? signal}`)));
    const done = (settle: () => void): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      settle();
    };
    child.once('message', onMessage);
    child.once('exit', onExit);
  });
}
