/** Kernels of two lanes over a memory of their own, for tests of what is built on them. */
import {
  createKernelMemory,
  instantiateKernels,
  type KernelChoice,
  type Kernels,
  selectKernels,
} from '../../src/prover/kernels/index.ts';

/** The first byte of the memory that is free. */
export const FREE_AT = 65_536;

export async function laneKernels(pages: number, choice: KernelChoice = 'auto'): Promise<Kernels> {
  const { kernel } = await selectKernels(choice);
  return instantiateKernels(kernel, createKernelMemory(pages));
}
