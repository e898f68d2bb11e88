/**
 * One running PostgreSQL: made ready, watched, stopped.
 *
 * It listens on no TCP port, only on a socket in a folder of mode 0700, and trusts whoever gets there. It runs in a
 * session of its own, so that Ctrl-C in a terminal reaches zkraft alone, which then stops it last. A tiny shell holds
 * the reading end of a pipe from us: when we die in whatever way, the pipe closes and the shell stops the server.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { ZkraftError } from '../../common/index.ts';
import { type Account, spawnIdentity } from './account.ts';
import type { Binaries } from './binaries.ts';
import { endLeftover } from './leftover.ts';

export const SUPERUSER = 'zkraft';
export const DATABASE = 'zkraft';
/** Names the socket file only. */
const PORT = 5432;
const READY_MS = 60_000;
const READY_POLL_MS = 40;
const STOP_FAST_MS = 5_000;
const STOP_IMMEDIATE_MS = 3_000;
const LOG_TAIL_BYTES = 2_000;
const LOG_BYTES_MAX = 8 * 1024 * 1024;

/** fsync, full_page_writes and synchronous_commit keep their default, on: an accepted task outlives a power cut. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  port: String(PORT),
  unix_socket_permissions: '0700',
  max_connections: '100',
  shared_buffers: '64MB',
  synchronous_commit: 'on',
  fsync: 'on',
  max_wal_size: '512MB',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'off',
  log_destination: 'stderr',
  // Neither statements nor the rows they failed on: both can hold leaves.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  lc_messages: 'C',
};

const WATCHDOG = `read -r _; [ "$(head -n 1 "$1" 2>/dev/null)" = "$0" ] && kill -INT "$0"`;

export interface ServerProcess {
  readonly pid: number;
  /** Resolves when the server is gone, by our stop or otherwise. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly binaries: Binaries;
  readonly account: Account;
  readonly data: string;
  readonly socketDir: string;
  readonly logFile: string;
  /** False: no fsync anywhere. */
  readonly durable: boolean;
  readonly signal?: AbortSignal | undefined;
}

export function connectionString(socketDir: string, database = DATABASE): string {
  return `postgresql://${SUPERUSER}@/${database}?host=${encodeURIComponent(socketDir)}&port=${PORT}`;
}

/**
 * Makes an empty cluster in `data`, whole or not at all. Rejects with `postgres_failed`, or `cancelled` when the signal
 * fires; no process of it is left then.
 */
export async function initialise(options: ServerOptions): Promise<void> {
  await removeUnfinished(options.data);
  const fresh = `${options.data}.${randomUUID()}`;
  const flags = ['--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions', '--data-checksums'];
  if (!options.durable) flags.push('--no-sync');
  const log = openLog(options.logFile);
  try {
    const child = spawn(
      join(options.binaries.bin, 'initdb'),
      [`--pgdata=${fresh}`, `--username=${SUPERUSER}`, ...flags],
      childOptions(options, log),
    );
    // It has children of its own, all in its group.
    const kill = (): void => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    };
    options.signal?.addEventListener('abort', kill, { once: true });
    const ended = await new Promise<number | string | null>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? code));
    });
    options.signal?.removeEventListener('abort', kill);
    if (options.signal?.aborted) throw new ZkraftError('cancelled', 'the start of PostgreSQL was interrupted');
    if (ended !== 0) throw failure(options, `initdb ended with ${ended}`);
  } catch (error) {
    await removeUnfinished(options.data);
    throw error;
  } finally {
    closeSync(log);
  }
  renameSync(fresh, options.data);
}

/** Removes clusters whose making was interrupted, after what still works in them has ended. */
async function removeUnfinished(data: string): Promise<void> {
  for (const entry of readdirSync(dirname(data))) {
    if (!entry.startsWith(`${basename(data)}.`)) continue;
    const unfinished = join(dirname(data), entry);
    await endLeftover(unfinished);
    rmSync(unfinished, { recursive: true, force: true, maxRetries: 3 });
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}

/** Starts the server on `data` and resolves once the database `zkraft` takes queries. Rejects with `postgres_failed`. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const log = openLog(options.logFile);
  const settings = {
    ...SETTINGS,
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
    unix_socket_directories: quoteList(options.socketDir),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let child: ChildProcess;
  try {
    child = spawn(join(options.binaries.bin, 'postgres'), ['-D', options.data, ...flags], childOptions(options, log));
  } finally {
    closeSync(log);
  }
  let ended: string | undefined;
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ended = error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      ended = `PostgreSQL ended with ${signal ?? `exit code ${code}`}`;
      resolve();
    });
  });
  const pid = child.pid ?? 0;
  // A child must not keep our event loop alive: whoever forgets to stop it can still exit, and the watchdog acts.
  child.unref();
  const watchdog = pid > 0 ? startWatchdog(options, pid) : undefined;
  void exited.then(() => watchdog?.dismiss());

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= stopChild(child, exited, () => ended !== undefined, options.data);
    return stopping;
  };
  try {
    await waitReady(options, () => ended);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid, exited, stop };
}

function childOptions(options: ServerOptions, log: number) {
  return {
    // PostgreSQL must be able to enter the folder it starts in.
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log] as ['ignore', number, number],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    ...spawnIdentity(options.account),
  };
}

function quoteList(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}

function startWatchdog(options: ServerOptions, pid: number): { dismiss(): void } {
  const shell = spawn('/bin/sh', ['-c', WATCHDOG, String(pid), join(options.data, 'postmaster.pid')], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    ...spawnIdentity(options.account),
  });
  // Without a shell nobody watches; the next start cleans up all the same.
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  (shell.stdin as unknown as { unref?: () => void }).unref?.();
  return { dismiss: () => shell.kill('SIGKILL') };
}

async function waitReady(options: ServerOptions, ended: () => string | undefined): Promise<void> {
  const end = Date.now() + READY_MS;
  let last = 'it never answered';
  while (Date.now() < end) {
    if (options.signal?.aborted) throw new ZkraftError('cancelled', 'the start of PostgreSQL was interrupted');
    const reason = ended();
    if (reason !== undefined) throw failure(options, reason);
    if (existsSync(join(options.socketDir, `.s.PGSQL.${PORT}`))) {
      try {
        await ensureDatabase(options.socketDir);
        return;
      } catch (error) {
        last = (error as Error).message;
      }
    }
    await sleep(READY_POLL_MS);
  }
  throw failure(options, `PostgreSQL was not ready within ${READY_MS / 1000} s (${last})`);
}

async function ensureDatabase(socketDir: string): Promise<void> {
  const client = new Client({
    connectionString: connectionString(socketDir, 'postgres'),
    connectionTimeoutMillis: 5_000,
  });
  // An error after the connection broke: the query that runs rejects as well.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end().catch(() => {});
  }
}

async function stopChild(
  child: ChildProcess,
  exited: Promise<void>,
  isGone: () => boolean,
  data: string,
): Promise<void> {
  for (const [signal, limitMs] of [
    ['SIGINT', STOP_FAST_MS],
    ['SIGQUIT', STOP_IMMEDIATE_MS],
    ['SIGKILL', STOP_IMMEDIATE_MS],
  ] as const) {
    if (isGone()) break;
    child.kill('SIGCONT');
    child.kill(signal);
    await within(exited, limitMs);
  }
  // After a kill, server processes can outlive the first of them for a moment.
  await endLeftover(data);
}

/** Waits for `exited`, at most `limitMs`. The child is unreferenced: the timer keeps this process here meanwhile. */
async function within(exited: Promise<void>, limitMs: number): Promise<void> {
  const timer = new AbortController();
  await Promise.race([exited, sleep(limitMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}

function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

function failure(options: ServerOptions, reason: string): ZkraftError {
  const tail = logTail(options.logFile);
  const remedy = tail.includes('could not look up effective user ID')
    ? 'this process runs under a user id that has no name: add one to /etc/passwd, or set DATABASE_URL'
    : `see ${options.logFile}, or set DATABASE_URL to a server of yours`;
  return new ZkraftError('postgres_failed', `${reason}; ${remedy}. Its log ends with:\n${tail}`);
}

function logTail(path: string): string {
  try {
    return readFileSync(path).subarray(-LOG_TAIL_BYTES).toString('utf8').trim();
  } catch {
    return '(no log)';
  }
}
