/**
 * A private, real PostgreSQL for one data folder, with nothing to configure. See README.md.
 */
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Logger, ZkraftError } from '../../common/index.ts';
import { silentLogger } from '../../common/logging/index.ts';
import { chooseAccount } from './account.ts';
import { findBinaries } from './binaries.ts';
import { type DirLock, lockDir } from './dir-lock.ts';
import { chooseLayout, closeSocketDir, copyRoot, dataMajor, openSocketDir, readNote, writeNote } from './layout.ts';
import { endLeftover } from './leftover.ts';
import { connectionString, initialise, type ServerOptions, startServer } from './server-process.ts';

export interface PrivatePostgresOptions {
  /** The data folder; made when absent. */
  readonly dir: string;
  readonly logger?: Logger;
  /** Interrupts the start; the promise rejects with `cancelled`. It does not stop a server that has started. */
  readonly signal?: AbortSignal;
  /** False: no fsync, so that all may be lost when the machine goes down: for tests. Default true. */
  readonly durable?: boolean;
  /** Overrides where the npm package's native folder is looked for: for tests. */
  readonly nativeDir?: string;
}

export interface PrivatePostgres {
  /** Of the database `zkraft`, over a unix socket. */
  readonly connectionString: string;
  readonly pid: number;
  readonly dir: string;
  /** Where the data lies; outside `dir` when PostgreSQL's account cannot reach it. */
  readonly place: string;
  /** Such as 18.4. */
  readonly version: string;
  /** Resolves when the server is gone, by `stop` or by an accident. Waiting for it keeps no process alive. */
  readonly exited: Promise<void>;
  /** Fast shutdown, then harder; resolves once no process of the server is left. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts the private PostgreSQL of `dir`, making its cluster the first time. A server that an earlier, killed run left
 * behind is stopped first. Rejects with `already_running`, `postgres_missing`, `postgres_failed` or `cancelled`.
 */
export async function startPrivatePostgres(options: PrivatePostgresOptions): Promise<PrivatePostgres> {
  const { signal, logger = silentLogger, durable = true } = options;
  if (process.platform === 'win32') {
    throw new ZkraftError('postgres_missing', 'on Windows set DATABASE_URL to a PostgreSQL server, or use WSL');
  }
  const dir = openDir(options.dir);
  const locks: DirLock[] = [await lockDir(dir)];
  const releaseAll = (): void => {
    for (const lock of locks.toReversed()) lock.release();
  };
  try {
    const note = readNote(dir);
    const account = chooseAccount(note?.uid);
    const layout = chooseLayout(dir, account, note);
    if (!note) writeNote(layout, { uid: account.uid });
    if (!layout.insideDir) locks.push(await lockDir(layout.place));
    if ((await endLeftover(layout.data)) === 'stopped') logger.warn({ dir }, 'stopped a PostgreSQL of an earlier run');

    const major = dataMajor(layout);
    const binaries = findBinaries({
      account,
      dataMajor: major,
      copyRoot: copyRoot(layout, account),
      ...(options.nativeDir === undefined ? {} : { nativeDir: options.nativeDir }),
    });
    const socketDir = openSocketDir(layout, account, note);
    writeNote(layout, {
      uid: account.uid,
      socket_dir: socketDir,
      binaries: binaries.bin,
      postgres_version: binaries.version,
    });
    const logFile = join(dir, 'postgres.log');
    const serverOptions: ServerOptions = { binaries, account, data: layout.data, socketDir, logFile, durable, signal };
    try {
      throwIfAborted(signal);
      if (major === undefined) await initialise(serverOptions);
      const server = await startServer(serverOptions);
      logger.info({ dir, place: layout.place, version: binaries.version, pid: server.pid }, 'private PostgreSQL runs');
      let stopping: Promise<void> | undefined;
      const stop = async (): Promise<void> => {
        await server.stop();
        closeSocketDir(socketDir);
        releaseAll();
      };
      return {
        connectionString: connectionString(socketDir),
        pid: server.pid,
        dir,
        place: layout.place,
        version: binaries.version,
        exited: server.exited,
        stop: () => {
          stopping ??= stop();
          return stopping;
        },
      };
    } catch (error) {
      closeSocketDir(socketDir);
      throw error;
    }
  } catch (error) {
    releaseAll();
    if (signal?.aborted)
      throw new ZkraftError('cancelled', 'the start of PostgreSQL was interrupted', { cause: error });
    if (error instanceof ZkraftError) throw error;
    throw new ZkraftError('postgres_failed', `PostgreSQL could not be started: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Removes the private database of `dir`, wherever it lies, for good. `already_running` while somebody uses it. */
export async function removePrivatePostgres(dir: string): Promise<void> {
  const folder = openDir(dir);
  const lock = await lockDir(folder);
  try {
    const note = readNote(folder);
    if (!note) return;
    const layout = chooseLayout(folder, chooseAccount(note.uid), note);
    await endLeftover(layout.data);
    if (note.socket_dir !== undefined) closeSocketDir(note.socket_dir);
    rmSync(layout.place, { recursive: true, force: true });
    for (const file of ['postgres.json', 'postgres.log', 'postgres.log.1']) rmSync(join(folder, file), { force: true });
  } finally {
    lock.release();
  }
}

export interface PostgresBinaries {
  /** Such as 18.4. */
  readonly version: string;
  readonly source: string;
}

/** What `startPrivatePostgres` would run for a new folder; undefined when there is nothing. */
export async function describePostgresBinaries(): Promise<PostgresBinaries | undefined> {
  try {
    const account = chooseAccount(undefined);
    const { version, bin, origin } = findBinaries({ account, dataMajor: undefined, copyRoot: undefined });
    return { version, source: origin === 'embedded' ? `npm (${bin})` : bin };
  } catch {
    return undefined;
  }
}

function openDir(dir: string): string {
  try {
    mkdirSync(dir, { recursive: true });
    return realpathSync(resolve(dir));
  } catch (error) {
    throw new ZkraftError('postgres_failed', `the data folder ${dir} cannot be made: ${(error as Error).message}`, {
      field: 'data_dir',
      cause: error,
    });
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ZkraftError('cancelled', 'the start of PostgreSQL was interrupted');
}
