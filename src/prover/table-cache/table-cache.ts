/**
 * Prepared tables on disk, so that a key's preparation (seconds of work, tens of megabytes) is done once a machine.
 *
 * A cache and nothing more: without it everything works, only slower. So nothing here rejects because of a disk. What
 * goes wrong is told to `onTrouble`, and the tables are made anew. A file appears whole and synced, or not at all; of
 * several that write the same one the first wins; one that is damaged is set aside, under a name that is never read, and
 * its place is free. Files that were used longest ago go when the folder would grow beyond its limit. Tables follow
 * from the (public) proving key alone: no secret is in them; files are 0600 and the folder 0700 all the same.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, readdir, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { DIGEST_HEX, makeFolder } from '../../common/index.ts';
import {
  type TableContents,
  TableFile,
  TableFileDamaged,
  type TableKey,
  type TableSection,
  tableFileBytes,
  writeTableFile,
} from './table-file.ts';

export interface TableTrouble {
  /** `damaged`: set aside. `unreadable`, `unwritable`: the system's error. `too-large`: beyond the limit by itself. */
  readonly kind: 'damaged' | 'unreadable' | 'unwritable' | 'too-large';
  readonly path: string;
  /** For a log. */
  readonly message: string;
}

export interface TableCacheOptions {
  /** Made when something is first stored. */
  readonly dir: string;
  /** Of all files in the folder together. Default 2 GiB: some forty circuits of depth 20. */
  readonly bytesMax?: number;
  readonly onTrouble?: (trouble: TableTrouble) => void;
  /** Milliseconds since 1970, by which files are told older from newer. */
  readonly now?: () => number;
}

/** Where each section goes: views of exactly the sections' lengths, of shared memory or not. */
export type TablePlaces = Readonly<Record<string, Uint8Array>>;

const BYTES_MAX = 2 * 1024 * 1024 * 1024;
const LAYOUT = /^[a-z0-9-]{1,40}$/;
const TABLES = '.tables';
const DAMAGED = '.damaged';
const TEMPORARY = '.tmp';
/** A temporary file that nobody has written to for so long was left behind by a process that died. */
const TEMPORARY_AGE_MAX_MS = 3_600_000;

export class TableCache {
  readonly dir: string;
  readonly #bytesMax: number;
  readonly #onTrouble: (trouble: TableTrouble) => void;
  readonly #now: () => number;

  constructor({ dir, bytesMax = BYTES_MAX, onTrouble = () => {}, now = Date.now }: TableCacheOptions) {
    this.dir = dir;
    this.#bytesMax = bytesMax;
    this.#onTrouble = onTrouble;
    this.#now = now;
  }

  /**
   * Reads the tables of `key` into the places that `place` names for them, a place for every section, and gives what
   * was stored beside them; undefined when they are not there, or not as they were written: then the places hold
   * anything, and the tables must be made. `place` may give nothing for a file it has no use for; what it throws
   * passes through.
   */
  async load(
    key: TableKey,
    place: (contents: TableContents) => TablePlaces | undefined,
  ): Promise<TableContents | undefined> {
    const path = this.#path(key);
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) this.#tell('unreadable', path, error);
      return undefined;
    }
    try {
      const file = await TableFile.open(handle, key);
      const contents = { meta: file.meta, sectionBytes: file.sectionBytes };
      const places = place(contents);
      if (places === undefined) return undefined;
      for (const name of file.sectionBytes.keys()) {
        const into = places[name];
        if (into === undefined) throw new RangeError(`no place was given for the section ${name}`);
        await file.read(name, into);
      }
      const usedAt = this.#now() / 1000;
      // On a folder that cannot be written to, it is only used without being remembered.
      await handle.utimes(usedAt, usedAt).catch(() => {});
      return contents;
    } catch (error) {
      if (error instanceof TableFileDamaged) {
        await this.#setAside(path, error);
        return undefined;
      }
      if (!isSystemError(error)) throw error;
      this.#tell('unreadable', path, error);
      return undefined;
    } finally {
      await handle.close().catch(() => {});
    }
  }

  /**
   * Keeps the tables under `key`: true when they are there afterwards, whoever wrote them. `meta` is JSON. Sections must
   * not change before the promise resolves; at most 256, with different names.
   */
  async store(key: TableKey, meta: unknown, sections: readonly TableSection[]): Promise<boolean> {
    const path = this.#path(key);
    const bytes = tableFileBytes(key, meta, sections);
    if (bytes > this.#bytesMax) {
      const message = `the tables have ${bytes} bytes, and the limit of the folder is ${this.#bytesMax}`;
      this.#onTrouble({ kind: 'too-large', path, message });
      return false;
    }
    const temporary = join(this.dir, `${randomUUID()}${TEMPORARY}`);
    try {
      if (await exists(path)) return true;
      await makeFolder(this.dir, 0o700);
      await this.#makeRoom(bytes);
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await writeTableFile(handle, key, meta, sections);
        await handle.sync();
      } finally {
        await handle.close();
      }
      const usedAt = this.#now() / 1000;
      await utimes(temporary, usedAt, usedAt);
      await nameOnce(temporary, path);
      await syncFolder(this.dir);
      return true;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#tell('unwritable', path, error);
      return false;
    } finally {
      await unlink(temporary).catch(() => {});
    }
  }

  #path({ zkeyDigest, layout, version }: TableKey): string {
    if (!DIGEST_HEX.test(zkeyDigest)) throw new RangeError('a zkey digest is 64 lower-case hex digits');
    if (!LAYOUT.test(layout)) throw new RangeError(`the layout ${layout} is not 1 to 40 of [a-z0-9-]`);
    if (!Number.isSafeInteger(version) || version < 0)
      throw new RangeError(`the version ${version} is no whole number`);
    return join(this.dir, `${zkeyDigest}.${layout}.${version}${TABLES}`);
  }

  async #setAside(path: string, damage: TableFileDamaged): Promise<void> {
    // One of a name is kept, for whoever wants to know what happened to the disk.
    await rename(path, `${path}${DAMAGED}`).catch(() => unlink(path).catch(() => {}));
    const message = `${path} is damaged and was set aside; its tables are made again: ${damage.message}`;
    this.#onTrouble({ kind: 'damaged', path, message });
  }

  /** Removes what was left behind, then the damaged, then the files used longest ago, until `bytes` more fit. */
  async #makeRoom(bytes: number): Promise<void> {
    const files: { path: string; bytes: number; usedAtMs: number; damaged: boolean }[] = [];
    for (const name of await readdir(this.dir)) {
      if (![TABLES, DAMAGED, TEMPORARY].some((ending) => name.endsWith(ending))) continue;
      const path = join(this.dir, name);
      const found = await stat(path).catch(() => undefined);
      if (!found?.isFile()) continue;
      if (name.endsWith(TEMPORARY) && this.#now() - found.mtimeMs > TEMPORARY_AGE_MAX_MS) {
        await unlink(path).catch(() => {});
      } else if (!name.endsWith(TEMPORARY)) {
        files.push({ path, bytes: found.size, usedAtMs: found.mtimeMs, damaged: name.endsWith(DAMAGED) });
      }
    }
    files.sort((a, b) => Number(b.damaged) - Number(a.damaged) || a.usedAtMs - b.usedAtMs);
    let total = files.reduce((sum, file) => sum + file.bytes, bytes);
    for (const file of files) {
      if (total <= this.#bytesMax) break;
      // Whoever reads it at the moment keeps it: the name goes, the open file stays.
      if (
        await unlink(file.path).then(
          () => true,
          () => false,
        )
      )
        total -= file.bytes;
    }
  }

  #tell(kind: TableTrouble['kind'], path: string, error: unknown): void {
    this.#onTrouble({ kind, path, message: error instanceof Error ? error.message : String(error) });
  }
}

/** Gives the file its name unless another has it. File systems without hard links get a rename: equal files by name. */
async function nameOnce(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].some((code) => hasCode(error, code))) throw error;
    await rename(temporary, path);
  }
}

/** Makes names in the folder survive a power failure. Not every file system can. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === code;

/** With a name such as ENOSPC: of the system, not of the caller. */
const isSystemError = (error: unknown): boolean =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
