/** Runs a program of PostgreSQL: its words on failure, and its end when we are interrupted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { ZkraftError } from '../../common/index.ts';

export interface ProgramRun {
  readonly child: ChildProcess;
  /** Resolves when it ended well. Rejects with `code` and what it said last, or with `cancelled`. */
  readonly ended: Promise<void>;
}

export interface ProgramOptions {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly code: 'backup_failed' | 'restore_failed';
  /** Completes the message of a failure. */
  readonly remedy: string;
  readonly signal?: AbortSignal | undefined;
}

const SAID_CHARS_MAX = 2_000;
/** After SIGTERM. */
const END_MS_MAX = 5_000;

export function runProgram({ path, args, env, code, remedy, signal }: ProgramOptions): ProgramRun {
  const child = spawn(path, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-SAID_CHARS_MAX);
  });
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
  };
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new ZkraftError(code, `${path} cannot be run: ${error.message}`, { cause: error })),
    );
    child.once('close', (exitCode, killedBy) => {
      // Done, though it was asked to end.
      if (exitCode === 0) resolve();
      else if (signal?.aborted) reject(new ZkraftError('cancelled', 'interrupted'));
      else {
        const why = said.trim() || `it ended with ${exitCode ?? killedBy}`;
        reject(new ZkraftError(code, `${path} failed; ${remedy}. It said:\n${why}`));
      }
    });
  }).finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  });
  // Whoever reads its output first may not be listening yet.
  ended.catch(() => {});
  return { child, ended };
}
