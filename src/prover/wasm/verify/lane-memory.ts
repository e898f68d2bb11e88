/**
 * Values into and out of the kernels' memory, and room in it.
 *
 * Pointers are byte addresses, multiples of 16. `words` are 32 bytes little-endian, plain and canonical; packs are the
 * kernels' own form, two lanes each.
 */
import { type KernelExports, type Kernels, type PairingExports, pairingExports } from '../../kernels/core.ts';
import type { Fq2Element, Fq12Element } from '../../reference/core.ts';

export const WORDS_BYTES = 32;
const WORD = 0xffffffffffffffffn;

/** Room from `at` on, handed out once and in order. */
export class Room {
  #next: number;
  readonly #packBytes: number;
  constructor(at: number, packBytes: number) {
    if (at % 16 !== 0) throw new RangeError(`the address ${at} is not a multiple of 16`);
    this.#next = at;
    this.#packBytes = packBytes;
  }
  get end(): number {
    return this.#next;
  }
  bytes(count: number): number {
    const at = this.#next;
    this.#next += Math.ceil(count / 16) * 16;
    return at;
  }
  packs(count: number): number {
    return this.bytes(count * this.#packBytes);
  }
}

export class LaneMemory {
  readonly exports: KernelExports & PairingExports;
  readonly packBytes: number;
  readonly cellBytes: number;
  readonly one: number;
  readonly #plain: number;
  readonly #memory: WebAssembly.Memory;
  /** A few words of its own. */
  readonly #words: number;
  #view: DataView;
  #bytes: Uint8Array;

  /** `words`: 64 bytes for its own use. */
  constructor(kernels: Kernels, words: number) {
    this.exports = pairingExports(kernels);
    this.packBytes = kernels.packBytes;
    this.cellBytes = kernels.cellBytes;
    this.one = kernels.element('fq_one');
    this.#plain = kernels.element('fq_plain');
    this.#memory = kernels.memory;
    this.#words = words;
    this.#view = new DataView(kernels.memory.buffer);
    this.#bytes = new Uint8Array(kernels.memory.buffer);
  }

  /** Fails unless the memory reaches as far as `end`; sees memory that has grown. */
  requireUpTo(end: number): void {
    if (end > this.#view.byteLength) {
      this.#view = new DataView(this.#memory.buffer);
      this.#bytes = new Uint8Array(this.#memory.buffer);
    }
    if (end > this.#view.byteLength) throw new RangeError(`the memory ends at ${this.#view.byteLength}, before ${end}`);
  }

  room(at: number): Room {
    return new Room(at, this.packBytes);
  }

  setUint32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  getUint16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  putWords(at: number, x: bigint): void {
    const view = this.#view;
    view.setBigUint64(at, x & WORD, true);
    view.setBigUint64(at + 8, (x >> 64n) & WORD, true);
    view.setBigUint64(at + 16, (x >> 128n) & WORD, true);
    view.setBigUint64(at + 24, x >> 192n, true);
  }

  getWords(at: number): bigint {
    let x = 0n;
    for (let i = 24; i >= 0; i -= 8) x = (x << 64n) | this.#view.getBigUint64(at + i, true);
    return x;
  }

  /** Lane 0 from the words at `first`, lane 1 from those at `second`. */
  read(pack: number, first: number, second: number): void {
    this.exports.fq_read(pack, first, second - first, this.#plain);
  }

  /** Both lanes' canonical words to `at` and `at + 32`. */
  write(at: number, pack: number): void {
    this.exports.fq_write(at, WORDS_BYTES, pack);
  }

  copy(target: number, source: number, packs: number): void {
    this.copyBytes(target, source, packs * this.packBytes);
  }

  copyBytes(target: number, source: number, count: number): void {
    this.#bytes.copyWithin(target, source, source + count);
  }

  /** The same number in both lanes. */
  putFq(pack: number, x: bigint): void {
    this.putWords(this.#words, x);
    this.read(pack, this.#words, this.#words);
  }

  putFq2(pack: number, { c0, c1 }: Fq2Element): void {
    this.putWords(this.#words, c0);
    this.putWords(this.#words + WORDS_BYTES, c1);
    this.read(pack, this.#words, this.#words + WORDS_BYTES);
  }

  getFq2(pack: number): Fq2Element {
    this.write(this.#words, pack);
    return { c0: this.getWords(this.#words), c1: this.getWords(this.#words + WORDS_BYTES) };
  }

  /** Whether lane 0 and lane 1 hold zero. */
  zeroLanes(pack: number): readonly [boolean, boolean] {
    this.write(this.#words, pack);
    const isZero = (at: number): boolean => {
      let bits = 0;
      for (let i = 0; i < WORDS_BYTES; i += 4) bits |= this.#view.getUint32(at + i, true);
      return bits === 0;
    };
    return [isZero(this.#words), isZero(this.#words + WORDS_BYTES)];
  }

  isZero(pack: number): boolean {
    const [first, second] = this.zeroLanes(pack);
    return first && second;
  }

  /** The tower's coefficients to those of powers of w: c0 is w^0, w^2, w^4 and c1 is w^1, w^3, w^5. */
  putFq12(at: number, { c0, c1 }: Fq12Element): void {
    [c0.c0, c1.c0, c0.c1, c1.c1, c0.c2, c1.c2].forEach((c, i) => {
      this.putFq2(at + i * this.packBytes, c);
    });
  }

  getFq12(at: number): Fq12Element {
    const c = (i: number): Fq2Element => this.getFq2(at + i * this.packBytes);
    return { c0: { c0: c(0), c1: c(2), c2: c(4) }, c1: { c0: c(1), c1: c(3), c2: c(5) } };
  }
}
