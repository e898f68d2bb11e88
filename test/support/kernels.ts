/** Kernel modules for tests: every one that this Node runs, with V8's switch for relaxed SIMD set where it needs one. */
import { setFlagsFromString } from 'node:v8';
import {
  createKernelMemory,
  instantiateKernels,
  type Kernels,
  loadKernelModule,
} from '../../src/prover/kernels/index.ts';

/** (module (func (result v128) ... f64x2.relaxed_madd)): whether it is valid says whether the switch is needed. */
const PROBE = Uint8Array.from(
  [
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    [1, 8, 1, 0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b],
    [3, 2, 1, 0],
    [10, 13, 1, 11, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfd, 0x87, 2, 0x0b],
  ].flat(),
);

if (!WebAssembly.validate(PROBE)) setFlagsFromString('--experimental-wasm-relaxed-simd');

export const KERNEL_NAMES = ['fma2-locals', 'fma2-memory', 'fma4-memory'] as const;
export type KernelName = (typeof KERNEL_NAMES)[number];

/** An instance with a memory of its own, `bytes` large. */
export async function testKernels(name: KernelName, bytes: number): Promise<Kernels> {
  return instantiateKernels(await loadKernelModule(name), createKernelMemory(Math.ceil(bytes / 65_536)));
}
