/**
 * Snapshots as files: `snapshot-<index, 16 digits>.bin`, the two newest kept.
 *
 * `"ZKSN" | version u8 | index u64 | term u64 | length u64 | SHA-256 of all before and the state | state`. The checksum
 * is verified before a byte of the state is used. A damaged newest file is passed over for the one before it, since
 * the log still holds all entries after that one; it is never deleted, so that it can be looked at.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, sha256, ZkraftError } from '../../common/index.ts';
import { syncDir, writeFileDurably } from '../storage/durable-files.ts';
import type { Snapshot } from './storage.ts';

const MAGIC = Buffer.from('ZKSN');
const VERSION = 1;
const PREFIX_BYTES = 29;
const HEADER_BYTES = PREFIX_BYTES + 32;
const NAME = /^snapshot-(\d{16})\.bin$/;
export const SNAPSHOTS_KEPT = 2;

export function encodeSnapshot(snapshot: Snapshot): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + snapshot.state.length);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt8(VERSION, 4);
  bytes.writeBigUInt64BE(BigInt(snapshot.index), 5);
  bytes.writeBigUInt64BE(BigInt(snapshot.term), 13);
  bytes.writeBigUInt64BE(BigInt(snapshot.state.length), 21);
  bytes.set(snapshot.state, HEADER_BYTES);
  bytes.set(sha256(bytes.subarray(0, PREFIX_BYTES), snapshot.state), PREFIX_BYTES);
  return bytes;
}

/** Throws `log_corrupt` unless every byte is as it was written. */
export function decodeSnapshot(bytes: Buffer, name: string): Snapshot {
  const damaged = (why: string) => new ZkraftError('log_corrupt', `${name} ${why}`, { field: name });
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) throw damaged('is no snapshot');
  if (bytes.readUInt8(4) !== VERSION) throw damaged(`has format ${bytes.readUInt8(4)}; this version reads ${VERSION}`);
  const state = bytes.subarray(HEADER_BYTES);
  const digest = sha256(bytes.subarray(0, PREFIX_BYTES), state);
  if (bytes.readBigUInt64BE(21) !== BigInt(state.length)) throw damaged('is cut short');
  if (!Buffer.from(digest).equals(bytes.subarray(PREFIX_BYTES, HEADER_BYTES))) throw damaged('fails its checksum');
  return {
    index: Number(bytes.readBigUInt64BE(5)),
    term: Number(bytes.readBigUInt64BE(13)),
    state: Uint8Array.from(state),
  };
}

export class SnapshotFiles {
  readonly #dir: string;
  readonly #logger: Logger;
  /** Indices of the files, ascending. */
  #indices: number[] = [];

  constructor(dir: string, logger: Logger) {
    this.#dir = dir;
    this.#logger = logger;
  }

  async open(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const names = await readdir(this.#dir);
    this.#indices = names
      .map((name) => NAME.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** 0 while there is but one: were it damaged, only the whole log could replace it. */
  get oldestIndex(): number {
    return this.#indices.length < SNAPSHOTS_KEPT ? 0 : (this.#indices[0] ?? 0);
  }

  get newestIndex(): number {
    return this.#indices.at(-1) ?? 0;
  }

  async newest(): Promise<Snapshot | undefined> {
    let damage: unknown;
    for (const index of this.#indices.toReversed()) {
      try {
        return decodeSnapshot(await readFile(this.#path(index)), this.#path(index));
      } catch (error) {
        damage = error;
        this.#logger.error({ err: error, file: this.#path(index) }, 'snapshot is damaged; trying the one before it');
      }
    }
    if (damage !== undefined) throw damage;
    return undefined;
  }

  async save(snapshot: Snapshot): Promise<void> {
    await writeFileDurably(this.#path(snapshot.index), encodeSnapshot(snapshot));
    if (!this.#indices.includes(snapshot.index)) this.#indices.push(snapshot.index);
    while (this.#indices.length > SNAPSHOTS_KEPT) {
      const oldest = this.#indices.shift();
      if (oldest !== undefined) await rm(this.#path(oldest), { force: true });
    }
    await syncDir(this.#dir);
  }

  #path(index: number): string {
    return join(this.#dir, `snapshot-${String(index).padStart(16, '0')}.bin`);
  }
}
