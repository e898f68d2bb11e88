/**
 * The log on LevelDB (`classic-level`), every batch written with `sync: true`.
 *
 * Folder: `identity.json` (who we are, written last when the folder is made), `log/` (LevelDB: `e` + index u64 holds an
 * entry, `m:term` the term), `snapshots/`, `closed.json` (the last index at a clean close). LevelDB may silently drop a
 * damaged tail of its own write-ahead log. What was never acknowledged may go so; for the rest we look twice: the
 * entries form a chain (entry-codec.ts), and neither `closed.json` nor a snapshot may know of a later index than the
 * log. Whatever does not fit is `log_corrupt`: no entry is changed then, and no clean close is noted. LevelDB itself may
 * rewrite its files when it opens them after a crash.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { LogEntry } from '../replicated-log.ts';
import { writeFileDurably } from '../storage/durable-files.ts';
import { decodeEntry, encodeEntry } from './entry-codec.ts';
import { SnapshotFiles } from './snapshot-files.ts';
import type { Identity, LogStorage, Snapshot, StoredLog } from './storage.ts';

const FORMAT_VERSION = 1;
/** Of `../storage`. */
const REPLICATED_VERSION = 2;
const TERM_KEY = Buffer.from('m:term');
const FIRST_ENTRY = entryKey(0);
const PAST_ENTRIES = Buffer.from('f');

function entryKey(index: number): Buffer {
  const key = Buffer.alloc(9);
  key.write('e', 0, 'latin1');
  key.writeBigUInt64BE(BigInt(index), 1);
  return key;
}

const indexOf = (key: Uint8Array): number =>
  Number(Buffer.from(key.buffer, key.byteOffset, key.byteLength).readBigUInt64BE(1));

type Level = ClassicLevel<Uint8Array, Uint8Array>;

export interface LevelStorageOptions {
  readonly dir: string;
  readonly logger: Logger;
  /** Who this folder will belong to, if it is new. Throws when none may be made. */
  readonly mint: () => Identity;
}

export class LevelStorage implements LogStorage {
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #mint: () => Identity;
  readonly #snapshots: SnapshotFiles;
  #level: Level | undefined;
  #firstIndex = 1;
  #lastIndex = 0;
  #lastCrc = 0;
  #isDamaged = false;

  constructor(options: LevelStorageOptions) {
    this.#dir = options.dir;
    this.#logger = options.logger;
    this.#mint = options.mint;
    this.#snapshots = new SnapshotFiles(join(options.dir, 'snapshots'), options.logger);
  }

  async open(): Promise<StoredLog> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const known = await this.#readIdentity();
    const minted = known ?? this.#mint();
    await this.#openLevel(known === undefined);
    try {
      const identity = known ?? (await this.#create(minted));
      await this.#snapshots.open();
      await this.#findBounds();
      await this.#checkClosed();
      const term = await this.#db.get(TERM_KEY);
      if (term === undefined || term.length !== 8) throw this.#corrupt('the term is missing');
      await rm(this.#closedPath, { force: true });
      return {
        identity,
        term: Number(Buffer.from(term.buffer, term.byteOffset, 8).readBigUInt64BE(0)),
        firstIndex: this.#firstIndex,
        lastIndex: this.#lastIndex,
      };
    } catch (error) {
      await this.#db.close();
      throw error;
    }
  }

  async setTerm(term: number): Promise<void> {
    const value = Buffer.alloc(8);
    value.writeBigUInt64BE(BigInt(term), 0);
    await this.#db.put(TERM_KEY, value, { sync: true });
  }

  async append(entries: readonly LogEntry[]): Promise<void> {
    let crc = this.#lastCrc;
    const operations = entries.map((entry) => {
      const encoded = encodeEntry(entry, crc);
      crc = encoded.crc;
      return { type: 'put' as const, key: entryKey(entry.index), value: encoded.bytes };
    });
    await this.#db.batch(operations, { sync: true });
    this.#lastIndex += entries.length;
    this.#lastCrc = crc;
  }

  async *read(fromIndex: number): AsyncIterable<LogEntry> {
    if (fromIndex < this.#firstIndex && fromIndex <= this.#lastIndex) {
      throw this.#corrupt(`entries ${fromIndex} to ${this.#firstIndex - 1} are needed, but were compacted`);
    }
    let expected = fromIndex;
    let chain: number | undefined;
    for await (const [key, value] of this.#db.iterator({ gte: entryKey(fromIndex), lt: PAST_ENTRIES })) {
      const index = indexOf(key);
      if (index !== expected) throw this.#corrupt(`entry ${expected} is missing`);
      const { entry, crc, previousCrc } = this.#decode(index, value);
      if (chain !== undefined && previousCrc !== chain)
        throw this.#corrupt(`entry ${index} does not follow its predecessor`);
      chain = crc;
      expected += 1;
      yield entry;
    }
    if (expected !== this.#lastIndex + 1) throw this.#corrupt(`entry ${expected} is missing`);
  }

  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    await this.#snapshots.save(snapshot);
  }

  async newestSnapshot(): Promise<Snapshot | undefined> {
    try {
      return await this.#snapshots.newest();
    } catch (error) {
      throw this.#corrupt(ZkraftError.from(error).message);
    }
  }

  oldestSnapshotIndex(): number {
    return this.#snapshots.oldestIndex;
  }

  async compact(index: number): Promise<void> {
    if (index < this.#firstIndex) return;
    // Without sync: entries that a power cut brings back do no harm, they still fit the chain.
    await this.#db.clear({ gte: entryKey(this.#firstIndex), lte: entryKey(index) });
    this.#firstIndex = index + 1;
  }

  async close(): Promise<void> {
    if (this.#isDamaged) return await this.#db.close();
    const closed = Buffer.from(JSON.stringify({ version: FORMAT_VERSION, lastIndex: this.#lastIndex }));
    try {
      await writeFileDurably(this.#closedPath, closed);
    } catch (error) {
      this.#logger.warn({ err: error }, 'could not note the clean close; the log itself is whole');
    }
    await this.#db.close();
  }

  get #identityPath(): string {
    return join(this.#dir, 'identity.json');
  }

  get #closedPath(): string {
    return join(this.#dir, 'closed.json');
  }

  async #readIdentity(): Promise<Identity | undefined> {
    if (!existsSync(this.#identityPath)) return undefined;
    try {
      const json = JSON.parse(await readFile(this.#identityPath, 'utf8')) as Partial<Identity> & { version?: number };
      const { clusterId, nodeId, incarnationId } = json;
      if (json.version === REPLICATED_VERSION) {
        throw new ZkraftError(
          'config_invalid',
          `${this.#dir} holds the log of a node of several, which this coordinator does not read; name another raft directory`,
          { field: 'coordinator.raft.raft_dir' },
        );
      }
      if (json.version !== FORMAT_VERSION) throw new Error(`has format ${json.version}`);
      if (!clusterId || !nodeId || !incarnationId) throw new Error('lacks an id');
      return { clusterId, nodeId, incarnationId };
    } catch (error) {
      if (error instanceof ZkraftError) throw error;
      throw this.#corrupt(`identity.json cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  get #db(): Level {
    if (this.#level === undefined) throw new ZkraftError('internal', 'the log storage is not open');
    return this.#level;
  }

  async #openLevel(isNew: boolean): Promise<void> {
    // Not made before: a ClassicLevel begins to open, and to lock, as soon as it is constructed.
    const level: Level = new ClassicLevel<Uint8Array, Uint8Array>(join(this.#dir, 'log'), {
      keyEncoding: 'view',
      valueEncoding: 'view',
      createIfMissing: isNew,
    });
    try {
      await level.open();
      this.#level = level;
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
      if (code === 'LEVEL_LOCKED') {
        throw new ZkraftError(
          'already_running',
          `${this.#dir} is in use by another coordinator; stop it, or give this one a raft directory of its own`,
          { field: 'raft_dir', cause: error },
        );
      }
      throw this.#corrupt(cause instanceof Error ? cause.message : String(error));
    }
  }

  /** A folder without identity is new, or its making was cut off before anything was acknowledged. */
  async #create(identity: Identity): Promise<Identity> {
    for await (const _ of this.#db.keys({ gte: FIRST_ENTRY, lt: PAST_ENTRIES, limit: 1 })) {
      throw this.#corrupt('identity.json is missing, but there are entries');
    }
    if (existsSync(join(this.#dir, 'snapshots')) && (await readdir(join(this.#dir, 'snapshots'))).length > 0) {
      throw this.#corrupt('identity.json is missing, but there are snapshots');
    }
    await this.setTerm(0);
    await writeFileDurably(
      this.#identityPath,
      Buffer.from(`${JSON.stringify({ version: FORMAT_VERSION, ...identity }, null, 2)}\n`),
    );
    return identity;
  }

  async #findBounds(): Promise<void> {
    const range = { gte: FIRST_ENTRY, lt: PAST_ENTRIES, limit: 1 };
    const base = this.#snapshots.newestIndex;
    this.#firstIndex = base + 1;
    this.#lastIndex = base;
    let found = false;
    for await (const key of this.#db.keys(range)) this.#firstIndex = indexOf(key);
    for await (const [key, value] of this.#db.iterator({ ...range, reverse: true })) {
      found = true;
      this.#lastIndex = indexOf(key);
      this.#lastCrc = this.#decode(this.#lastIndex, value).crc;
    }
    if (this.#lastIndex < base || (!found && base > 0)) {
      throw this.#corrupt(`a snapshot reaches entry ${base}, but the log ends before it`);
    }
  }

  async #checkClosed(): Promise<void> {
    if (!existsSync(this.#closedPath)) return;
    let lastIndex: unknown;
    try {
      lastIndex = (JSON.parse(await readFile(this.#closedPath, 'utf8')) as { lastIndex?: unknown }).lastIndex;
    } catch {
      throw this.#corrupt('closed.json cannot be read');
    }
    if (lastIndex !== this.#lastIndex) {
      throw this.#corrupt(`it was closed at entry ${String(lastIndex)}, but now ends at ${this.#lastIndex}`);
    }
  }

  #decode(index: number, value: Uint8Array): ReturnType<typeof decodeEntry> {
    try {
      return decodeEntry(index, value);
    } catch (error) {
      throw this.#corrupt(ZkraftError.from(error).message);
    }
  }

  #corrupt(why: string): ZkraftError {
    this.#isDamaged = true;
    return new ZkraftError(
      'log_corrupt',
      `the replicated log in ${this.#dir} is damaged: ${why}. No entry was changed. Restore this folder from a backup; ` +
        'or, if the loss of what was decided but not yet in the database is acceptable, move the folder away and start ' +
        'afresh with a database that is adopted anew (finished tasks in PostgreSQL are kept)',
      { field: 'raft_dir' },
    );
  }
}
