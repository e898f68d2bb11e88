/** Small moves between numbers and the kernels' memory: words, single packs, copies. */

import type { KernelModule, Kernels } from '../../kernels/index.ts';
import { Fr } from '../../reference/index.ts';

export const WORDS_BYTES = 32;

/** What layouts depend on. */
export type PackShape = Pick<KernelModule, 'lanes' | 'packBytes'>;

/** Addresses of packs, points and tables are multiples of this: a cache line. */
export const ALIGNMENT = 64;
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Hands out addresses one after the other; what it ends at is what is needed. */
export class AddressCounter {
  #next: number;
  constructor(start: number) {
    this.#next = start;
  }
  take(bytes: number): number {
    const at = this.#next;
    this.#next += aligned(bytes);
    return at;
  }
  get end(): number {
    return this.#next;
  }
}

export function writeWords(memory: WebAssembly.Memory, at: number, value: bigint): void {
  const view = new DataView(memory.buffer, at, WORDS_BYTES);
  for (let i = 0; i < 4; i++) view.setBigUint64(8 * i, (value >> BigInt(64 * i)) & 0xffff_ffff_ffff_ffffn, true);
}

/** Canonical values to the lanes of a pack, in Montgomery form; fewer values than lanes: over and over. `work`: 4 words. */
export function writePack(kernels: Kernels, at: number, values: readonly bigint[], work: number): void {
  fillPack(kernels, at, values, kernels.element('fr_plain'), work);
}

/** The same, but the lanes hold the values as they are: a product with them is no longer in Montgomery form. */
export function writePlainPack(kernels: Kernels, at: number, values: readonly bigint[], work: number): void {
  fillPack(kernels, at, values, kernels.element('fr_one'), work);
}

function fillPack(kernels: Kernels, at: number, values: readonly bigint[], factor: number, work: number): void {
  for (let lane = 0; lane < kernels.lanes; lane++) {
    writeWords(kernels.memory, work + WORDS_BYTES * lane, Fr.create(values[lane % values.length] ?? 0n));
  }
  kernels.exports.fr_read(at, work, WORDS_BYTES, factor);
}

export function copyBytes(memory: WebAssembly.Memory, to: number, from: number, bytes: number): void {
  new Uint8Array(memory.buffer).copyWithin(to, from, from + bytes);
}

export function clearBytes(memory: WebAssembly.Memory, at: number, bytes: number): void {
  new Uint8Array(memory.buffer, at, bytes).fill(0);
}
