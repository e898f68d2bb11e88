/** Kernel modules for tests: every one that this engine runs. */
import { readInteger, writeInteger } from '../../src/prover/formats/index.ts';
import {
  createKernelMemory,
  instantiateKernels,
  KERNEL_MODULES,
  type KernelModuleName,
  type Kernels,
  loadKernelModule,
  RESERVED_BYTES,
  selectKernels,
} from '../../src/prover/kernels/index.ts';

/** Sets V8's switch for relaxed SIMD where the engine needs one. */
const { reasons } = await selectKernels('auto');

/** Asked of the engine, not of the choice: a module that computes wrong is not chosen, and must be tested all the same. */
export const IS_FUSED = reasons.includes('multiply-add: fused');

/** Four lanes need the V8 of Node 24 and up only to be quick, not to be right. */
export const KERNEL_NAMES = (Object.keys(KERNEL_MODULES) as KernelModuleName[]).filter(
  (name) => IS_FUSED || name === 'int2-memory',
);
export type KernelName = KernelModuleName;

/** An instance with a memory of its own, `bytes` large. */
export async function testKernels(name: KernelName, bytes: number): Promise<Kernels> {
  return instantiateKernels(await loadKernelModule(name), createKernelMemory(Math.ceil(bytes / 65_536)));
}

export async function allKernels(): Promise<readonly Kernels[]> {
  return await Promise.all(KERNEL_NAMES.map(async (name) => await testKernels(name, 1 << 20)));
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
