/** Kernels of two lanes over a memory of their own, for tests of what is built on them. */
import v8 from 'node:v8';
import {
  createKernelMemory,
  instantiateKernels,
  type Kernels,
  loadKernelModule,
} from '../../src/prover/kernels/index.ts';

const major = Number(process.versions.node.split('.')[0]);

/** The first byte of the memory that is free. */
export const FREE_AT = 65_536;

export async function laneKernels(pages: number): Promise<Kernels> {
  // Node 20 has the instructions behind a flag, which later versions do not know.
  if (major < 22) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  const name = major < 24 ? 'fma2-locals' : 'fma2-memory';
  return instantiateKernels(await loadKernelModule(name), createKernelMemory(pages));
}
