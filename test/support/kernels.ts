/** Kernel modules for tests: all that run on this Node, over a memory of their own, and what moves bigints in and out. */
import v8 from 'node:v8';
import { readInteger, writeInteger } from '../../src/prover/formats/index.ts';
import {
  createKernelMemory,
  instantiateKernels,
  type Kernels,
  loadKernelModule,
  RESERVED_BYTES,
} from '../../src/prover/kernels/index.ts';

const NAMES = ['fma2-locals', 'fma2-memory', 'fma4-memory'] as const;

/** Relaxed SIMD is behind a flag in Node 20 only; bytes that were compiled before it is set stay refused. */
function allowRelaxedSimd(): void {
  if (process.versions.node.startsWith('20.')) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}

export async function allKernels(): Promise<readonly Kernels[]> {
  allowRelaxedSimd();
  return await Promise.all(
    NAMES.map(async (name) => await instantiateKernels(await loadKernelModule(name), createKernelMemory())),
  );
}

/** Addresses for one test, from the first free one on; the memory grows as it must, and is filled with nonsense. */
export class TestMemory {
  #next = RESERVED_BYTES;
  readonly #kernels: Kernels;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  take(bytes: number): number {
    const at = this.#next;
    this.#next = Math.ceil((at + bytes) / 64) * 64;
    const { memory } = this.#kernels;
    const missing = this.#next + 65_536 - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
    new Uint8Array(memory.buffer, at, bytes).fill(0xa5);
    return at;
  }

  put(values: readonly bigint[], at = this.take(32 * values.length)): number {
    const view = new DataView(this.#kernels.memory.buffer);
    values.forEach((value, i) => {
      writeInteger(view, at + 32 * i, value);
    });
    return at;
  }

  words(at: number, count: number): bigint[] {
    const view = new DataView(this.#kernels.memory.buffer);
    return Array.from({ length: count }, (_, i) => readInteger(view, at + 32 * i));
  }
}
