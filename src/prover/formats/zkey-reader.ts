/**
 * A zkey read piece by piece, so that a key of a gigabyte needs no buffer of a gigabyte.
 *
 * Opening checks what `parseZkey` checks at level 'header': container, protocol, header, every length. `check` walks
 * the rest in chunks, as levels 'coefficients' and 'full' do, with the same codes and words. The points may be checked
 * by something faster than bigint, and by the caller itself while it reads them for its own ends (zkey-points.ts).
 *
 * A file may be changed by others while it is read: lengths are those of the moment it was opened, and one that turns
 * out shorter is `zkey_invalid`. Who must be sure of the bytes compares their digest.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type ErrorCode, ZkraftError } from '../../common/index.ts';
import { SectionReader, type SectionSpan, walkContainer } from './container.ts';
import { COEFFICIENT_BYTES } from './field-bytes.ts';
import {
  checkCoefficients,
  checkZkeySizes,
  pointsOf,
  readZkeyHeader,
  ZKEY_FORMAT,
  ZKEY_HEADER_SECTION_BYTES,
  ZKEY_POINT_SECTIONS,
  ZKEY_SECTION_IDS,
  type ZkeyHeader,
  type ZkeySectionName,
} from './zkey-header.ts';
import { checkHeaderPoints, findPointFault, isInfinityAllowed, type PointCheck, refuseFault } from './zkey-points.ts';

/** Bytes, a path, or an open file (which stays open). */
export type ZkeySource = Uint8Array | string | FileHandle;

export interface ZkeyChunk {
  /** The number of its first element (point, coefficient, byte of the contributions) in the section. */
  readonly first: number;
  /** Whole elements. Good until the next chunk is asked for: the buffer is used again. */
  readonly bytes: Uint8Array;
}

export interface ZkeyCheckOptions {
  /** Default 'full'. */
  readonly level?: 'coefficients' | 'full';
  /** Default the one in bigint. */
  readonly pointCheck?: PointCheck;
  /** Default 4 MiB. */
  readonly bytesPerChunk?: number;
  /** What an unsound point is refused with. Default `zkey_invalid`. */
  readonly pointCode?: ErrorCode;
}

export interface ZkeyReader extends AsyncDisposable {
  readonly header: ZkeyHeader;
  /** Entries of the coefficient section. */
  readonly coefficients: number;
  /** Of the elements alone, without the coefficients' count; undefined for contributions where there are none. */
  sectionBytes(name: ZkeySectionName): number | undefined;
  /** The section in order, at most `bytesPerChunk` at a time (or one element, if that is larger). */
  sectionChunks(name: ZkeySectionName, bytesPerChunk?: number): AsyncIterable<ZkeyChunk>;
  /** The whole section, copied into `into`, which must have exactly its length and may be shared memory. */
  readSection(name: ZkeySectionName, into: Uint8Array): Promise<void>;
  /** Rejects with `zkey_invalid`, or `pointCode`, unless all of it is sound. */
  check(options?: ZkeyCheckOptions): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Chunks of a file large enough that reading is not what takes time, and small beside what a prover needs. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** What is read of a section to open the key: a byte more than protocol and header have is enough to refuse them. */
const BEGINNINGS: readonly (readonly [id: number, bytesMax: number])[] = [
  [1, ZKEY_HEADER_SECTION_BYTES[1] + 1],
  [2, ZKEY_HEADER_SECTION_BYTES[2] + 1],
  [ZKEY_SECTION_IDS.coefficients, 4],
];

/** Rejects with `zkey_invalid`, or `file_not_found` when the file cannot be read. */
export async function openZkey(source: ZkeySource): Promise<ZkeyReader> {
  if (source instanceof Uint8Array) return await Reader.open(new MemoryBytes(source));
  const file = typeof source === 'string' ? await openFile(source) : source;
  const ours = typeof source === 'string';
  try {
    const { size } = await file.stat();
    return await Reader.open(new FileBytes(file, size, ours));
  } catch (error) {
    if (ours) await file.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Asked before it is opened: opening a pipe would wait for its writer.
    if ((await stat(path)).isFile()) return await open(path, 'r');
  } catch (cause) {
    throw unreadable(cause);
  }
  throw unreadable(`${path} is not a file`);
}

function unreadable(cause: unknown): ZkraftError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ZkraftError('file_not_found', `the proving key cannot be read: ${why}`, { field: 'zkey', cause });
}

/** Bytes by position, wherever they are. */
interface PositionedBytes {
  readonly total: number;
  /** A view of them where that is possible, else `buffer` filled; exactly `count`. */
  at(offset: number, count: number, buffer: () => Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

class MemoryBytes implements PositionedBytes {
  readonly total: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.total = bytes.length;
  }

  async at(offset: number, count: number): Promise<Uint8Array> {
    return this.#bytes.subarray(offset, offset + count);
  }

  async close(): Promise<void> {}
}

class FileBytes implements PositionedBytes {
  readonly total: number;
  readonly #file: FileHandle;
  #ours: boolean;

  constructor(file: FileHandle, total: number, ours: boolean) {
    this.#file = file;
    this.total = total;
    this.#ours = ours;
  }

  async at(offset: number, count: number, buffer: () => Uint8Array): Promise<Uint8Array> {
    const into = buffer().subarray(0, count);
    for (let done = 0; done < count; ) {
      // One read call takes less than 2 GiB.
      const most = Math.min(count - done, 1 << 30);
      const { bytesRead } = await this.#file.read(into, done, most, offset + done).catch((cause: unknown) => {
        throw unreadable(cause);
      });
      if (bytesRead === 0) {
        throw new ZkraftError('zkey_invalid', 'the .zkey file became shorter while it was read', { field: 'zkey' });
      }
      done += bytesRead;
    }
    return into;
  }

  async close(): Promise<void> {
    if (!this.#ours) return;
    this.#ours = false;
    await this.#file.close();
  }
}

class Reader implements ZkeyReader {
  readonly header: ZkeyHeader;
  readonly coefficients: number;
  readonly #bytes: PositionedBytes;
  readonly #spans: ReadonlyMap<number, SectionSpan>;

  private constructor(
    bytes: PositionedBytes,
    spans: ReadonlyMap<number, SectionSpan>,
    header: ZkeyHeader,
    coefficients: number,
  ) {
    this.#bytes = bytes;
    this.#spans = spans;
    this.header = header;
    this.coefficients = coefficients;
  }

  static async open(bytes: PositionedBytes): Promise<Reader> {
    const read = ({ offset, bytes: count }: SectionSpan) => bytes.at(offset, count, () => new Uint8Array(count));
    const walk = walkContainer(bytes.total, ZKEY_FORMAT);
    let step = walk.next();
    while (!step.done) step = walk.next(await read(step.value));
    const spans = step.value;

    const beginnings = new Map<number, Uint8Array>();
    for (const [id, most] of BEGINNINGS) {
      const span = spans.get(id);
      if (span) beginnings.set(id, await read({ offset: span.offset, bytes: Math.min(span.bytes, most) }));
    }
    const header = readZkeyHeader(beginnings);
    const coefficients = new SectionReader(beginnings, ZKEY_SECTION_IDS.coefficients, ZKEY_FORMAT).u32();
    checkZkeySizes(header, coefficients, (id) => spans.get(id)?.bytes);
    return new Reader(bytes, spans, header, coefficients);
  }

  sectionBytes(name: ZkeySectionName): number | undefined {
    return this.#span(name)?.bytes;
  }

  async *sectionChunks(name: ZkeySectionName, bytesPerChunk = CHUNK_BYTES): AsyncGenerator<ZkeyChunk> {
    if (!Number.isSafeInteger(bytesPerChunk) || bytesPerChunk < 1) {
      throw new RangeError(`sectionChunks: ${bytesPerChunk} is no number of bytes`);
    }
    const span = this.#span(name);
    if (span === undefined) return;
    const elementBytes = this.#elementBytes(name);
    const step = Math.max(1, Math.floor(bytesPerChunk / elementBytes)) * elementBytes;
    let reused: Uint8Array | undefined;
    const buffer = (): Uint8Array => {
      reused ??= new Uint8Array(Math.min(step, span.bytes));
      return reused;
    };
    for (let at = 0; at < span.bytes; at += step) {
      const bytes = await this.#bytes.at(span.offset + at, Math.min(step, span.bytes - at), buffer);
      yield { first: at / elementBytes, bytes };
    }
  }

  async readSection(name: ZkeySectionName, into: Uint8Array): Promise<void> {
    const span = this.#span(name);
    if (span?.bytes !== into.length) {
      throw new RangeError(`the section ${name} has ${span?.bytes ?? 'no'} bytes, the place for it ${into.length}`);
    }
    const bytes = await this.#bytes.at(span.offset, span.bytes, () => into);
    if (bytes.buffer !== into.buffer || bytes.byteOffset !== into.byteOffset) into.set(bytes);
  }

  async check(options: ZkeyCheckOptions = {}): Promise<void> {
    const { level = 'full', pointCheck = findPointFault, bytesPerChunk, pointCode = 'zkey_invalid' } = options;
    for await (const { first, bytes } of this.sectionChunks('coefficients', bytesPerChunk)) {
      checkCoefficients(bytes, first, this.header);
    }
    if (level === 'coefficients') return;
    checkHeaderPoints(this.header, pointCode);
    for (const section of ZKEY_POINT_SECTIONS) {
      const infinityAllowed = isInfinityAllowed(section);
      for await (const { first, bytes } of this.sectionChunks(section, bytesPerChunk)) {
        refuseFault(section, await pointCheck({ section, first, bytes, infinityAllowed }), pointCode);
      }
    }
  }

  async close(): Promise<void> {
    await this.#bytes.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #elementBytes(name: ZkeySectionName): number {
    if (name === 'contributions') return 1;
    return name === 'coefficients' ? COEFFICIENT_BYTES : pointsOf(this.header, name).bytes;
  }

  #span(name: ZkeySectionName): SectionSpan | undefined {
    const span = this.#spans.get(ZKEY_SECTION_IDS[name]);
    if (span === undefined || name !== 'coefficients') return span;
    return { offset: span.offset + 4, bytes: span.bytes - 4 };
  }
}
