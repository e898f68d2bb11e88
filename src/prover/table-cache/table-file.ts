/**
 * One file of prepared tables: what was computed from a proving key, as named runs of bytes.
 *
 *   "zkraftT1", header bytes (u32, little-endian), SHA-256 of the header, header (JSON), then each section, beginning
 *   at a multiple of 64 from the file's start, in the header's order, with zeros between; nothing after the last.
 *
 * The header names the key it is for and each section's length and SHA-256. Reading trusts nothing: a file is either
 * exactly what was written, for this key, or `TableFileDamaged`. That guards against disks and crashes, not against
 * somebody who may write to the folder: what is proved with tables is verified before it leaves its thread anyway.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** What tables are of. A new layout or version is another file; old ones are evicted in time. */
export interface TableKey {
  /** Lower-case hex SHA-256 of the zkey. */
  readonly zkeyDigest: string;
  /** Which tables, by whose layout: `[a-z0-9-]`, at most 40. */
  readonly layout: string;
  /** Of the layout; raised whenever the bytes would differ. */
  readonly version: number;
}

export interface TableSection {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a file holds, before any of its sections was read. */
export interface TableContents {
  /** The JSON that was stored beside the sections. */
  readonly meta: unknown;
  readonly sectionBytes: ReadonlyMap<string, number>;
}

/** The file is not what was written. The message says how. */
export class TableFileDamaged extends Error {
  override readonly name = 'TableFileDamaged';
}

interface SectionEntry {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface Header {
  readonly key: TableKey;
  readonly meta: unknown;
  readonly sections: readonly SectionEntry[];
}

const MAGIC = 'zkraftT1';
const PREFIX_BYTES = MAGIC.length + 4 + 32;
const ALIGNMENT = 64;
const HEADER_BYTES_MAX = 1024 * 1024;
const SECTIONS_MAX = 256;
/** Hashed while the next one is read; small enough that the event loop turns every few milliseconds. */
const CHUNK_BYTES = 2 * 1024 * 1024;

const aligned = (at: number): number => Math.ceil(at / ALIGNMENT) * ALIGNMENT;

/** How many bytes `writeTableFile` will write. */
export function tableFileBytes(key: TableKey, meta: unknown, sections: readonly TableSection[]): number {
  const entries = sections.map(({ name, bytes }) => ({ name, bytes: bytes.length, sha256: '0'.repeat(64) }));
  return layOut(PREFIX_BYTES + headerBytes({ key, meta, sections: entries }).length, entries).end;
}

export async function writeTableFile(
  handle: FileHandle,
  key: TableKey,
  meta: unknown,
  sections: readonly TableSection[],
): Promise<void> {
  const entries: SectionEntry[] = [];
  for (const { name, bytes } of sections) entries.push({ name, bytes: bytes.length, sha256: await digestOf(bytes) });
  const header = headerBytes({ key, meta, sections: entries });
  const { offsets } = layOut(PREFIX_BYTES + header.length, entries);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(MAGIC, 'latin1');
  prefix.writeUInt32LE(header.length, MAGIC.length);
  prefix.set(createHash('sha256').update(header).digest(), MAGIC.length + 4);
  await writeAll(handle, Buffer.concat([prefix, header]), 0);
  for (const [i, { bytes }] of sections.entries()) await writeAll(handle, bytes, offsets[i] as number);
  // A last section of no bytes may begin after the last byte written.
  await handle.truncate(layOut(PREFIX_BYTES + header.length, entries).end);
}

/** An opened file whose header was found sound. Sections are verified as they are read. */
export class TableFile implements TableContents {
  readonly meta: unknown;
  readonly sectionBytes: ReadonlyMap<string, number>;
  readonly #handle: FileHandle;
  readonly #sections: ReadonlyMap<string, SectionEntry & { readonly offset: number }>;

  private constructor(handle: FileHandle, header: Header, offsets: readonly number[]) {
    this.#handle = handle;
    this.meta = header.meta;
    this.sectionBytes = new Map(header.sections.map(({ name, bytes }) => [name, bytes]));
    this.#sections = new Map(
      header.sections.map((entry, i) => [entry.name, { ...entry, offset: offsets[i] as number }]),
    );
  }

  /** Rejects with `TableFileDamaged`, or the system's error. The handle stays the caller's to close. */
  static async open(handle: FileHandle, key: TableKey): Promise<TableFile> {
    const { size } = await handle.stat();
    if (size < PREFIX_BYTES) throw new TableFileDamaged(`it has ${size} bytes, too few for a header`);
    const prefix = Buffer.alloc(PREFIX_BYTES);
    await readAll(handle, prefix, 0);
    if (prefix.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new TableFileDamaged('it is no file of tables');
    const length = prefix.readUInt32LE(MAGIC.length);
    if (length > Math.min(HEADER_BYTES_MAX, size - PREFIX_BYTES)) throw new TableFileDamaged('its header is cut short');
    const bytes = Buffer.alloc(length);
    await readAll(handle, bytes, PREFIX_BYTES);
    const digest = createHash('sha256').update(bytes).digest();
    if (!digest.equals(prefix.subarray(MAGIC.length + 4))) throw new TableFileDamaged('its header has changed');
    const header = parseHeader(bytes);
    if (JSON.stringify(header.key) !== JSON.stringify(keyFields(key))) {
      throw new TableFileDamaged('it is of another key than its name says');
    }
    const { offsets, end } = layOut(PREFIX_BYTES + length, header.sections);
    if (size !== end) throw new TableFileDamaged(`it has ${size} bytes, not ${end}`);
    return new TableFile(handle, header, offsets);
  }

  /**
   * Reads a section straight into `into`, which may be shared memory and must have exactly its length.
   * Rejects with `TableFileDamaged` when the bytes are not those written; `into` then holds anything.
   */
  async read(name: string, into: Uint8Array): Promise<void> {
    const section = this.#sections.get(name);
    if (section?.bytes !== into.length) {
      throw new RangeError(`the section ${name} has ${section?.bytes ?? 'no'} bytes, the place for it ${into.length}`);
    }
    const hash = createHash('sha256');
    const chunks = chunksOf(into);
    let reading = readAll(this.#handle, chunks[0] ?? into, section.offset);
    for (const [i, chunk] of chunks.entries()) {
      await reading;
      const next = chunks[i + 1];
      // Read by another thread while this one hashes. Awaited in the next turn, or never begun.
      if (next) reading = readAll(this.#handle, next, section.offset + (i + 1) * CHUNK_BYTES);
      hash.update(chunk);
    }
    if (hash.digest('hex') !== section.sha256) throw new TableFileDamaged(`its section ${name} has changed`);
  }
}

const keyFields = ({ zkeyDigest, layout, version }: TableKey): TableKey => ({ zkeyDigest, layout, version });

function headerBytes({ key, meta, sections }: Header): Buffer {
  const header = Buffer.from(JSON.stringify({ key: keyFields(key), meta, sections }));
  if (header.length > HEADER_BYTES_MAX) throw new RangeError(`a header of tables has ${header.length} bytes`);
  if (sections.length > SECTIONS_MAX) throw new RangeError(`tables have ${sections.length} sections`);
  if (new Set(sections.map(({ name }) => name)).size !== sections.length) {
    throw new RangeError('two sections of tables have the same name');
  }
  return header;
}

/** The digest vouches for the header's bytes, so this asks only whether some other program wrote them. */
function parseHeader(bytes: Buffer): Header {
  try {
    const { key, meta, sections } = JSON.parse(bytes.toString()) as Header;
    const sound = sections.every((s) => typeof s.name === 'string' && Number.isSafeInteger(s.bytes) && s.bytes >= 0);
    if (!sound || typeof key !== 'object') throw new TypeError('fields of other types');
    return { key, meta, sections };
  } catch (cause) {
    throw new TableFileDamaged('its header is not one', { cause });
  }
}

function layOut(start: number, sections: readonly { readonly bytes: number }[]): { offsets: number[]; end: number } {
  let end = start;
  const offsets = sections.map(({ bytes }) => {
    const offset = aligned(end);
    end = offset + bytes;
    return offset;
  });
  return { offsets, end };
}

function chunksOf(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / CHUNK_BYTES);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES));
}

async function digestOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (const chunk of chunksOf(bytes)) {
    hash.update(chunk);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return hash.digest('hex');
}

async function readAll(handle: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await handle.read(into, at, into.length - at, position + at);
    if (bytesRead === 0) throw new TableFileDamaged('it ends too early');
    at += bytesRead;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(CHUNK_BYTES, bytes.length - at);
    at += (await handle.write(bytes, at, length, position + at)).bytesWritten;
  }
}
