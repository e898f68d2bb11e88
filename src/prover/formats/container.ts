/**
 * iden3's binary container, the shell of .r1cs, .wtns, .zkey and .ptau files.
 *
 *   magic (4 ASCII bytes), version (u32), number of sections (u32), then each section: id (u32), bytes (u64), payload.
 *   All integers little-endian; sections in any order.
 *
 * Reading trusts nothing: every length is checked against the bytes that are there before anything is allocated, and
 * sections are views, so that reading costs no memory. Duplicate or unknown sections and trailing bytes are refused:
 * snarkjs would read past them, and two programs would see two files in one.
 */
import { type ErrorCode, ZkraftError } from '../../common/index.ts';

export interface ContainerFormat {
  readonly magic: 'r1cs' | 'wtns' | 'zkey';
  readonly version: number;
  /** Names of the sections by id, for messages; any other id is refused. */
  readonly sections: Readonly<Record<number, string>>;
  /** The code that malformed bytes are refused with. */
  readonly code: ErrorCode;
}

const HEADER_BYTES = 12;
const SECTION_HEADER_BYTES = 12;
/** No format has more than ten. */
const SECTIONS_MAX = 32;

function refuse(format: ContainerFormat, why: string): never {
  throw new ZkraftError(format.code, `the .${format.magic} file ${why}`, { field: format.magic });
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where a section's payload lies in the file. */
export interface SectionSpan {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * The walk over the headers of a container of `total` bytes: asks for a few bytes by position and is sent them, so that
 * whoever has them (memory, a file) is the caller's affair. What it asks for lies within the file.
 */
export function* walkContainer(
  total: number,
  format: ContainerFormat,
): Generator<SectionSpan, ReadonlyMap<number, SectionSpan>, Uint8Array> {
  if (total < HEADER_BYTES) refuse(format, `has ${total} bytes: too short for a header`);
  const header = yield { offset: 0, bytes: HEADER_BYTES };
  const magic = String.fromCharCode(...header.subarray(0, 4));
  if (magic !== format.magic) refuse(format, `begins with ${JSON.stringify(magic)}, not "${format.magic}"`);
  const version = viewOf(header).getUint32(4, true);
  if (version !== format.version) refuse(format, `is of version ${version}; only ${format.version} is supported`);
  const count = viewOf(header).getUint32(8, true);
  if (count > SECTIONS_MAX) refuse(format, `claims ${count} sections; at most ${SECTIONS_MAX} are read`);

  const spans = new Map<number, SectionSpan>();
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    if (total - at < SECTION_HEADER_BYTES) refuse(format, `ends within the header of section ${i + 1} of ${count}`);
    const view = viewOf(yield { offset: at, bytes: SECTION_HEADER_BYTES });
    const id = view.getUint32(0, true);
    const size = view.getBigUint64(4, true);
    at += SECTION_HEADER_BYTES;
    const name = format.sections[id];
    if (name === undefined) refuse(format, `has a section of unknown id ${id}`);
    if (spans.has(id)) refuse(format, `has two sections of id ${id} (${name})`);
    const left = total - at;
    if (size > BigInt(left)) refuse(format, `says section ${id} (${name}) has ${size} bytes, but only ${left} follow`);
    spans.set(id, { offset: at, bytes: Number(size) });
    at += Number(size);
  }
  if (at !== total) refuse(format, `has ${total - at} bytes after its last section`);
  return spans;
}

/** The sections by id, as views of `bytes`. */
export function readContainer(bytes: Uint8Array, format: ContainerFormat): ReadonlyMap<number, Uint8Array> {
  const viewAt = ({ offset, bytes: count }: SectionSpan) => bytes.subarray(offset, offset + count);
  const walk = walkContainer(bytes.length, format);
  let step = walk.next();
  while (!step.done) step = walk.next(viewAt(step.value));
  return new Map([...step.value].map(([id, span]) => [id, viewAt(span)]));
}

/** The payload of a section that must be there. */
export function requireSection(
  sections: ReadonlyMap<number, Uint8Array>,
  id: number,
  format: ContainerFormat,
): Uint8Array {
  const section = sections.get(id);
  if (section === undefined) return refuse(format, `lacks section ${id} (${format.sections[id]})`);
  return section;
}

/** Writes the sections in the order given. */
export function writeContainer(
  format: Pick<ContainerFormat, 'magic' | 'version'>,
  sections: readonly (readonly [id: number, payload: Uint8Array])[],
): Uint8Array {
  const size = sections.reduce((sum, [, payload]) => sum + SECTION_HEADER_BYTES + payload.length, HEADER_BYTES);
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  bytes.set(new TextEncoder().encode(format.magic));
  view.setUint32(4, format.version, true);
  view.setUint32(8, sections.length, true);
  let at = HEADER_BYTES;
  for (const [id, payload] of sections) {
    view.setUint32(at, id, true);
    view.setBigUint64(at + 4, BigInt(payload.length), true);
    bytes.set(payload, at + SECTION_HEADER_BYTES);
    at += SECTION_HEADER_BYTES + payload.length;
  }
  return bytes;
}

/** Reads a section from front to back; reading past its end, or leaving some of it, is refused. */
export class SectionReader {
  readonly bytes: Uint8Array;
  offset = 0;
  readonly #view: DataView;
  readonly #format: ContainerFormat;
  readonly #name: string;

  constructor(sections: ReadonlyMap<number, Uint8Array>, id: number, format: ContainerFormat) {
    this.bytes = requireSection(sections, id, format);
    this.#view = viewOf(this.bytes);
    this.#format = format;
    this.#name = format.sections[id] ?? `section ${id}`;
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  u32(): number {
    const at = this.#advance(4);
    return this.#view.getUint32(at, true);
  }

  u64(): bigint {
    const at = this.#advance(8);
    return this.#view.getBigUint64(at, true);
  }

  take(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.bytes.subarray(at, at + count);
  }

  end(): void {
    if (this.left !== 0) this.refuse('has bytes after its end');
  }

  refuse(why: string): never {
    throw new ZkraftError(this.#format.code, `the .${this.#format.magic} file: its ${this.#name} ${why}`, {
      field: this.#name,
    });
  }

  #advance(count: number): number {
    if (count > this.left) this.refuse(`ends ${count - this.left} bytes too early`);
    const at = this.offset;
    this.offset += count;
    return at;
  }
}
