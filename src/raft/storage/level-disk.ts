/**
 * A `Disk` that is a folder: LevelDB (`classic-level`) in `log/`, every batch with `sync: true`, beside it the small
 * files and `end.mark`.
 *
 * LevelDB holds a lock on its folder for as long as it is open, which keeps a second process out. When it opens after a
 * crash it rewrites its own files, and drops what it finds damaged at the end of its write-ahead log without a word;
 * that is what the chain and the mark above are for.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { makeFolder, ZkraftError } from '../../common/index.ts';
import type { Disk, DiskPut, KeyRange } from './disk.ts';
import { syncDir, writeFileDurably } from './durable-files.ts';
import { MARK_BYTES, MARK_SLOT_BYTES } from './end-mark.ts';
import { checkTables } from './level-preflight.ts';

const ENGINE_FOLDER = 'log';
const MARK_FILE = 'end.mark';
/** Keys and values that one step of an iteration brings over from the engine. */
const SCAN_HIGH_WATER_BYTES = 256 * 1024;

type Level = ClassicLevel<string, Uint8Array>;

export class LevelDisk implements Disk {
  readonly where: string;
  #level: Level | undefined;
  #mark: FileHandle | undefined;

  constructor(dir: string) {
    this.where = dir;
  }

  async isEmpty(): Promise<boolean> {
    return !existsSync(join(this.where, ENGINE_FOLDER)) && !existsSync(join(this.where, MARK_FILE));
  }

  async open(mayCreate: boolean): Promise<void> {
    await makeFolder(this.where, 0o700);
    const folder = join(this.where, ENGINE_FOLDER);
    if (!mayCreate && !existsSync(folder)) {
      throw new ZkraftError('log_corrupt', `its folder ${ENGINE_FOLDER}/ is missing`);
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await checkTables(folder);
    // Values are mostly proofs and digests, which do not compress; and raw blocks are checked by our own checksums.
    const level: Level = new ClassicLevel<string, Uint8Array>(folder, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      createIfMissing: mayCreate,
      compression: false,
    });
    try {
      await level.open();
    } catch (error) {
      throw this.#openFailure(error);
    }
    this.#level = level;
    try {
      await syncDir(this.where);
      const path = join(this.where, MARK_FILE);
      if (existsSync(path)) this.#mark = await open(path, 'r+');
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async readFile(name: string): Promise<Uint8Array | undefined> {
    const path = join(this.where, name);
    return existsSync(path) ? await readFile(path) : undefined;
  }

  writeFile(name: string, bytes: Uint8Array): Promise<void> {
    return writeFileDurably(join(this.where, name), bytes);
  }

  get(key: string): Uint8Array | undefined {
    return this.#db.getSync(key);
  }

  async *scan(range: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    yield* this.#db.iterator({ ...range, highWaterMarkBytes: SCAN_HIGH_WATER_BYTES });
  }

  async write(puts: readonly DiskPut[]): Promise<void> {
    const operations = puts.map(({ key, value }) =>
      value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value },
    );
    await this.#db.batch(operations, { sync: true });
  }

  async clear(range: KeyRange): Promise<void> {
    await this.#db.clear(range);
  }

  async readMarks(): Promise<readonly [Uint8Array, Uint8Array] | undefined> {
    const mark = this.#mark;
    if (mark === undefined) return undefined;
    const read = async (slot: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(MARK_BYTES);
      const { bytesRead } = await mark.read(bytes, 0, MARK_BYTES, slot * MARK_SLOT_BYTES);
      return bytes.subarray(0, bytesRead);
    };
    return [await read(0), await read(1)];
  }

  async writeMark(slot: 0 | 1, bytes: Uint8Array, sync: boolean): Promise<void> {
    if (this.#mark === undefined) {
      this.#mark = await open(join(this.where, MARK_FILE), 'w+', 0o600);
      await syncDir(this.where);
    }
    const { bytesWritten } = await this.#mark.write(bytes, 0, bytes.length, slot * MARK_SLOT_BYTES);
    if (bytesWritten !== bytes.length) throw new Error(`${MARK_FILE}: wrote ${bytesWritten} of ${bytes.length} bytes`);
    if (sync) await this.#mark.sync();
  }

  async close(): Promise<void> {
    const [level, mark] = [this.#level, this.#mark];
    this.#level = undefined;
    this.#mark = undefined;
    await mark?.close();
    await level?.close();
  }

  get #db(): Level {
    if (this.#level === undefined) throw new ZkraftError('internal', 'the log storage is not open');
    return this.#level;
  }

  #openFailure(error: unknown): Error {
    const cause = error instanceof Error ? error.cause : undefined;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code !== 'LEVEL_LOCKED')
      return new Error(cause instanceof Error ? cause.message : String(error), { cause: error });
    return new ZkraftError(
      'already_running',
      `${this.where} is in use by another process; stop it, or give this node a raft directory of its own`,
      { field: 'raft_dir', cause: error },
    );
  }
}
