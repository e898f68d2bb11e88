/** Our kernels with a memory, for benches of what is below a proof. */

import { VERSION } from '../../src/common/index.ts';
import {
  createKernelMemory,
  instantiateKernels,
  type Kernels,
  RESERVED_BYTES,
  selectKernels,
} from '../../src/prover/kernels/index.ts';
import { MemoryRegions } from '../../src/prover/wasm/index.ts';

const BYTES_MAX = 3 * 1024 * 1024 * 1024;

export interface BenchKernels {
  readonly name: string;
  readonly tier: string;
  readonly kernels: Kernels;
  /** The address of so many bytes. */
  take(bytes: number): number;
}

export async function openKernels(): Promise<BenchKernels> {
  const { kernel } = await selectKernels('auto');
  const kernels = await instantiateKernels(kernel, createKernelMemory());
  const regions = new MemoryRegions(kernels.memory, RESERVED_BYTES, BYTES_MAX);
  return {
    name: `zkraft ${VERSION} (${kernel.name})`,
    tier: kernel.name,
    kernels,
    take: (bytes) => regions.take(bytes).at,
  };
}
