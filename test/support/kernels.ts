/** Kernel modules for tests: every one that this engine runs. */
import {
  createKernelMemory,
  instantiateKernels,
  KERNEL_MODULES,
  type KernelModuleName,
  type Kernels,
  loadKernelModule,
  selectKernels,
} from '../../src/prover/kernels/index.ts';

/** Sets V8's switch for relaxed SIMD where the engine needs one. */
const { kernel } = await selectKernels('auto');

/** Four lanes need the V8 of Node 24 and up only to be quick, not to be right. */
export const KERNEL_NAMES = (Object.keys(KERNEL_MODULES) as KernelModuleName[]).filter(
  (name) => kernel.tier !== 'int2' || name === 'int2-memory',
);
export type KernelName = KernelModuleName;

/** An instance with a memory of its own, `bytes` large. */
export async function testKernels(name: KernelName, bytes: number): Promise<Kernels> {
  return instantiateKernels(await loadKernelModule(name), createKernelMemory(Math.ceil(bytes / 65_536)));
}
