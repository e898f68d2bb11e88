/**
 * Looks through LevelDB's tables before LevelDB does.
 *
 * LevelDB does not verify the checksum of a block that it reads unless it is asked to, which `classic-level` gives no way
 * to do, and a damaged block then trips an assertion that aborts the process: no message, no way out told. So the
 * checksums of all blocks of all tables that the manifest names are verified here, read-only, by the published formats
 * (LevelDB's doc/table_format.md, doc/log_format.md). Tables that it does not name are left over from a crash, and may be
 * cut short. Its logs and manifest are not looked at: those LevelDB reads with checksums, and the chain finds what it drops.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ZkraftError } from '../../common/index.ts';
import { maskedCrc32c } from './crc32c.ts';

const LOG_BLOCK_BYTES = 32_768;
const LOG_HEADER_BYTES = 7;
const FOOTER_BYTES = 48;
const TABLE_MAGIC = Buffer.from('57fb808b247547db', 'hex');
/** Compression type and checksum, after each block. */
const BLOCK_TRAILER_BYTES = 5;

interface Table {
  readonly number: number;
  readonly sizeBytes: number;
}

class Cursor {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || scale > 2 ** 56) throw new RangeError('a number is cut short');
      this.#at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  slice(lengthBytes: number): Buffer {
    if (this.#at + lengthBytes > this.#bytes.length) throw new RangeError('a field is cut short');
    this.#at += lengthBytes;
    return this.#bytes.subarray(this.#at - lengthBytes, this.#at);
  }
}

/** Rejects with `log_corrupt` on a damaged table. What it cannot make sense of otherwise it leaves to LevelDB. */
export async function checkTables(folder: string): Promise<void> {
  const current = await readOptional(join(folder, 'CURRENT'));
  if (current === undefined) return;
  const manifest = await readOptional(
    join(
      folder,
      current
        .toString('latin1')
        .trim()
        .replaceAll(/[^A-Z0-9-]/g, ''),
    ),
  );
  if (manifest === undefined) return;
  for (const table of liveTables(manifest)) {
    const base = String(table.number).padStart(6, '0');
    const name = `${base}.ldb`;
    const bytes = await readOptional(join(folder, name));
    // One that is missing LevelDB tells of; or its owner, another process, has just merged it into others.
    if (bytes !== undefined) checkTable(bytes.subarray(0, table.sizeBytes), `log/${name}`);
  }
}

async function readOptional(path: string): Promise<Buffer | undefined> {
  return await readFile(path).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'EISDIR') return undefined;
    throw error;
  });
}

/** The tables that the edits of a manifest leave. */
function liveTables(manifest: Buffer): Table[] {
  const tables = new Map<number, Table>();
  try {
    for (const record of logRecords(manifest)) applyEdit(new Cursor(record), tables);
  } catch (error) {
    // LevelDB says what is wrong with it.
    if (!(error instanceof RangeError)) throw error;
  }
  return [...tables.values()];
}

function applyEdit(edit: Cursor, tables: Map<number, Table>): void {
  while (!edit.isAtEnd) {
    const tag = edit.varint();
    if (tag === 1) {
      edit.slice(edit.varint()); // Comparator.
    } else if (tag === 2 || tag === 3 || tag === 4 || tag === 9) {
      edit.varint(); // Log number, next file, last sequence, previous log.
    } else if (tag === 5) {
      edit.varint();
      edit.slice(edit.varint()); // Where the last compaction of a level ended.
    } else if (tag === 6) {
      edit.varint();
      tables.delete(edit.varint());
    } else if (tag === 7) {
      edit.varint();
      const number = edit.varint();
      tables.set(number, { number, sizeBytes: edit.varint() });
      edit.slice(edit.varint());
      edit.slice(edit.varint());
    } else {
      throw new RangeError(`tag ${tag} is unknown`);
    }
  }
}

/** Up to the first that is not whole. */
function* logRecords(log: Buffer): Iterable<Buffer> {
  let fragments: Buffer[] = [];
  for (let at = 0; at + LOG_HEADER_BYTES <= log.length; ) {
    const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES);
    if (left < LOG_HEADER_BYTES) {
      at += left;
      continue;
    }
    const end = at + LOG_HEADER_BYTES + log.readUInt16LE(at + 4);
    const [type, payload] = [log[at + 6], log.subarray(at + LOG_HEADER_BYTES, end)];
    if (end > log.length || maskedCrc32c(log.subarray(at + 6, end)) !== log.readUInt32LE(at)) return;
    // 1 is a whole record; 2, 3 and 4 the first, a middle and the last part of one.
    fragments = type === 1 || type === 2 ? [payload] : [...fragments, payload];
    if (type === 1 || type === 4) yield Buffer.concat(fragments);
    at = end;
  }
}

function checkTable(table: Buffer, name: string): void {
  const damaged = (what: string): ZkraftError => new ZkraftError('log_corrupt', `${name}: ${what}`);
  const block = (offset: number, sizeBytes: number): Buffer => {
    const end = offset + sizeBytes + BLOCK_TRAILER_BYTES;
    if (end > table.length - FOOTER_BYTES) throw damaged(`the block at byte ${offset} goes beyond its end`);
    if (maskedCrc32c(table.subarray(offset, end - 4)) !== table.readUInt32LE(end - 4)) {
      throw damaged(`the block at byte ${offset} fails its checksum`);
    }
    return table.subarray(offset, offset + sizeBytes);
  };
  const footer = table.subarray(Math.max(0, table.length - FOOTER_BYTES));
  if (footer.length < FOOTER_BYTES || !footer.subarray(40).equals(TABLE_MAGIC)) throw damaged('is cut short');
  try {
    const handles = new Cursor(footer);
    for (const _ of ['filters', 'entries']) {
      const index = block(handles.varint(), handles.varint());
      for (const handle of valuesOf(index)) {
        const cursor = new Cursor(handle);
        block(cursor.varint(), cursor.varint());
      }
    }
  } catch (error) {
    if (error instanceof RangeError) throw damaged(error.message);
    throw error;
  }
}

/** Of an index block, which is never compressed here (`LevelDisk`). */
function* valuesOf(block: Buffer): Iterable<Buffer> {
  const restarts = block.readUInt32LE(block.length - 4);
  const cursor = new Cursor(block.subarray(0, block.length - 4 - 4 * restarts));
  while (!cursor.isAtEnd) {
    cursor.varint(); // Bytes shared with the key before.
    const [keyBytes, valueBytes] = [cursor.varint(), cursor.varint()];
    cursor.slice(keyBytes);
    yield cursor.slice(valueBytes);
  }
}
