/** Kernel modules from their files. Which one to take is the tiers' question. */
import { readFile } from 'node:fs/promises';
import type { KernelModule, KernelTier } from './kernels.ts';

interface Shape {
  readonly tier: KernelTier;
  readonly lanes: 2 | 4;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  'fma2-locals': { tier: 'fma2', lanes: 2 },
  'fma2-memory': { tier: 'fma2', lanes: 2 },
  'fma4-memory': { tier: 'fma4', lanes: 4 },
};
const CELL_BYTES = 40;

/** Compiles `binaries/NAME.wasm`. V8's flags must be set before: bytes once compiled keep their code. */
export async function loadKernelModule(name: string): Promise<KernelModule> {
  const shape = SHAPES[name];
  if (shape === undefined) throw new RangeError(`no kernel module ${name}`);
  const bytes = await readFile(new URL(`./binaries/${name}.wasm`, import.meta.url));
  return {
    ...shape,
    name,
    packBytes: CELL_BYTES * shape.lanes,
    cellBytes: CELL_BYTES,
    module: await WebAssembly.compile(bytes),
  };
}
