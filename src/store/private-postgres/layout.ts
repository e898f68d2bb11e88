/**
 * Where the private database of a data folder lies, and the note that says so: `<dir>/postgres.json`.
 *
 * Normally in `<dir>/server`. When PostgreSQL's account cannot get there (root's clone with mode 0700), in a folder
 * of its own under /var/lib/zkraft or the temp folder. That folder has a random part in its name and is found through
 * the note only: whoever removes the data folder begins anew, and never meets an old database under a new log.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, isAbsolute, join } from 'node:path';
import { ZkraftError } from '../../common/index.ts';
import { type Account, canEnter } from './account.ts';
import { serverProcesses } from './leftover.ts';

const NOTE_FILE = 'postgres.json';
const MACHINE_ROOT = '/var/lib/zkraft';
/** sun_path holds 104 bytes on macOS and 108 on Linux; the socket's own name takes 14 of them. */
const SOCKET_DIR_BYTES_MAX = 88;
const SOCKET_DIR_PREFIX = 'zkraft-pg-';

/** What `<dir>/postgres.json` holds. */
export interface Note {
  readonly version: 1;
  /** Folder that holds the data; `server` means the one inside the data folder, so that the folder may be moved. */
  readonly place: string;
  readonly uid: number;
  readonly socket_dir?: string;
  readonly binaries?: string;
  readonly postgres_version?: string;
}

export interface Layout {
  readonly dir: string;
  /** Owned by the account, mode 0700. */
  readonly place: string;
  readonly data: string;
  /** False: the place is outside `dir` and needs a lock of its own. */
  readonly insideDir: boolean;
}

const INSIDE = 'server';
/** In a place outside the data folder: which data folder it was made for. */
const ORIGIN_FILE = 'origin';
const PLACE_NAME = /^[0-9a-f]{12}-[0-9a-f]{12}$/;

export function readNote(dir: string): Note | undefined {
  const path = join(dir, NOTE_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ZkraftError('postgres_failed', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    const note = JSON.parse(text) as Partial<Note>;
    const placed = note.place === INSIDE || (typeof note.place === 'string' && isAbsolute(note.place));
    if (note.version === 1 && placed && Number.isSafeInteger(note.uid)) return note as Note;
  } catch {
    // Told below, like any other text that is no note.
  }
  throw new ZkraftError(
    'postgres_failed',
    `${path} is damaged: move the data folder away to begin with an empty database`,
    { field: 'data_dir' },
  );
}

export function writeNote(layout: Layout, note: Omit<Note, 'version' | 'place'>): void {
  const path = join(layout.dir, NOTE_FILE);
  const full: Note = { version: 1, place: layout.insideDir ? INSIDE : layout.place, ...note };
  writeFileSync(`${path}.new`, `${JSON.stringify(full, undefined, 2)}\n`, { mode: 0o644 });
  renameSync(`${path}.new`, path);
}

/** The layout that the note names, or a new place that the account owns. */
export function chooseLayout(dir: string, account: Account, note: Note | undefined): Layout {
  if (note) return recordedLayout(dir, account, note);
  const reasons: string[] = [];
  for (const root of [dir, ...machineRoots()]) {
    try {
      return newLayout(dir, root, account);
    } catch (error) {
      reasons.push(`${root}: ${(error as Error).message}`);
    }
  }
  throw new ZkraftError(
    'postgres_failed',
    `no folder was found where ${account.name} can keep the database; give it one, or set DATABASE_URL (${reasons.join('; ')})`,
    { field: 'data_dir' },
  );
}

function recordedLayout(dir: string, account: Account, note: Note): Layout {
  const insideDir = note.place === INSIDE;
  const place = insideDir ? join(dir, INSIDE) : note.place;
  if (!existsSync(place)) {
    throw new ZkraftError(
      'postgres_failed',
      `the database that ${join(dir, NOTE_FILE)} points to is gone (${place}): bring it back, or move the data folder away to begin with an empty one`,
      { field: 'data_dir' },
    );
  }
  if (!canEnter(account, place)) {
    throw new ZkraftError(
      'postgres_failed',
      `${account.name}, who owns the database in ${place}, can no longer enter that folder: give back the search permission (chmod o+x) on the folders above it`,
      { field: 'data_dir' },
    );
  }
  return { dir, place, data: join(place, 'data'), insideDir };
}

function newLayout(dir: string, root: string, account: Account): Layout {
  const insideDir = root === dir;
  if (!insideDir && root === MACHINE_ROOT) openMachineRoot();
  if (!insideDir) sweep(root);
  if (!canEnter(account, root)) throw new Error(`${account.name} cannot enter it`);
  const label = createHash('sha256').update(dir).digest('hex').slice(0, 12);
  const place = join(root, insideDir ? INSIDE : `${label}-${randomBytes(6).toString('hex')}`);
  mkdirSync(place, { recursive: insideDir, mode: 0o700 });
  try {
    giveTo(account, place);
    if (!canEnter(account, place)) throw new Error('the file system keeps no owners');
    if (!insideDir) writeFileSync(join(place, ORIGIN_FILE), dir);
  } catch (error) {
    rmSync(place, { recursive: true, force: true });
    throw error;
  }
  return { dir, place, data: join(place, 'data'), insideDir };
}

/**
 * Removes places that were made for data folders in a temp folder which are gone by now. A data folder elsewhere may
 * have been moved rather than removed, so its database is never touched.
 */
function sweep(root: string): void {
  for (const entry of readdirSync(root)) {
    if (!PLACE_NAME.test(entry)) continue;
    const place = join(root, entry);
    try {
      const origin = readFileSync(join(place, ORIGIN_FILE), 'utf8');
      const disposable = tempRoots().some((temp) => origin.startsWith(`${temp}/`));
      if (!disposable || existsSync(origin) || serverProcesses(join(place, 'data')).length > 0) continue;
      rmSync(place, { recursive: true, force: true });
    } catch {
      // Not ours to read or to remove.
    }
  }
}

/** Makes the folder the account's alone. */
export function giveTo(account: Account, folder: string): void {
  if (account.other) chownSync(folder, account.uid, account.gid);
  chmodSync(folder, 0o700);
}

function machineRoots(): string[] {
  return [MACHINE_ROOT, ...tempRoots()];
}

function tempRoots(): string[] {
  return [...new Set([tmpdir(), '/tmp', '/var/tmp'])]
    .filter((folder) => existsSync(folder))
    .map((f) => realpathSync(f));
}

/** Makes /var/lib/zkraft; refuses one that another account could have prepared. */
function openMachineRoot(): void {
  mkdirSync(MACHINE_ROOT, { recursive: true, mode: 0o755 });
  const { uid, mode } = statSync(MACHINE_ROOT);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) throw new Error('it is not ours alone to write');
}

/** Where a copy of the package's programs goes: shared on the machine where that is possible, else beside the data. */
export function copyRoot(layout: Layout, account: Account): string {
  if (!account.other) return layout.place;
  try {
    openMachineRoot();
    if (canEnter(account, MACHINE_ROOT)) return MACHINE_ROOT;
  } catch {
    // Beside the data, then.
  }
  return layout.place;
}

/** A folder for the socket: the account's alone, its path short enough. Left-overs of an earlier run are removed. */
export function openSocketDir(layout: Layout, account: Account, note: Note | undefined): string {
  if (note?.socket_dir !== undefined) closeSocketDir(note.socket_dir);
  const inPlace = join(layout.place, 'socket');
  if (Buffer.byteLength(inPlace) <= SOCKET_DIR_BYTES_MAX) {
    mkdirSync(inPlace, { recursive: true, mode: 0o700 });
    giveTo(account, inPlace);
    return inPlace;
  }
  for (const root of tempRoots()) {
    if (Buffer.byteLength(root) > SOCKET_DIR_BYTES_MAX - SOCKET_DIR_PREFIX.length - 7 || !canEnter(account, root))
      continue;
    const made = mkdtempSync(join(root, SOCKET_DIR_PREFIX));
    giveTo(account, made);
    return made;
  }
  throw new ZkraftError(
    'postgres_failed',
    `the path of ${layout.place} is too long for a socket, and no temp folder can hold it: choose a data folder with a shorter path`,
    { field: 'data_dir' },
  );
}

/** Removes a socket folder that lies in a temp folder; one beside the data stays. */
export function closeSocketDir(socketDir: string): void {
  if (basename(socketDir).startsWith(SOCKET_DIR_PREFIX)) rmSync(socketDir, { recursive: true, force: true });
}

/** Major version of the data that lies there; undefined when there is none. */
export function dataMajor(layout: Layout): number | undefined {
  let text: string;
  try {
    text = readFileSync(join(layout.data, 'PG_VERSION'), 'utf8').trim();
  } catch {
    return undefined;
  }
  return Number.parseInt(text, 10);
}
