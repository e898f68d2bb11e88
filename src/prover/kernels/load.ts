/** Kernel modules from their files. Which one to take is decided in tiers.ts. */
import { readFile } from 'node:fs/promises';
import type { KernelModule } from './kernels.ts';
import { compileKernelModule, type KernelModuleName } from './modules.ts';

/** Compiles `binaries/NAME.wasm`. V8's flags must be set before: bytes once compiled keep their code. */
export async function loadKernelModule(name: KernelModuleName): Promise<KernelModule> {
  return await compileKernelModule(name, await readFile(new URL(`./binaries/${name}.wasm`, import.meta.url)));
}
