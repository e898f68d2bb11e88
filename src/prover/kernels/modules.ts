/** The kernel modules there are, and one of them from its bytes. Where the bytes come from is the caller's affair. */
import type { KernelModule, KernelTier } from './kernels.ts';

interface Shape {
  readonly tier: KernelTier;
  readonly lanes: 2 | 4;
  /** For two lanes. */
  readonly pairBytes: number;
}

export const KERNEL_MODULES = {
  /** Constants in registers: for TurboFan, Node 20 and 22. */
  'fma2-locals': { tier: 'fma2', lanes: 2, pairBytes: 80 },
  /** Constants from memory: for Turboshaft, Node 24 and up. */
  'fma2-memory': { tier: 'fma2', lanes: 2, pairBytes: 80 },
  'fma4-memory': { tier: 'fma4', lanes: 4, pairBytes: 80 },
  'int2-memory': { tier: 'int2', lanes: 2, pairBytes: 144 },
} as const satisfies Readonly<Record<string, Shape>>;
export type KernelModuleName = keyof typeof KERNEL_MODULES;

/** Nine 32-bit limbs or five 64-bit ones. */
const CELL_BYTES = 40;

/** Compiles the bytes of `binaries/NAME.wasm`. */
export async function compileKernelModule(
  name: KernelModuleName,
  bytes: ArrayBufferView | ArrayBuffer,
): Promise<KernelModule> {
  const { tier, lanes, pairBytes }: Shape = KERNEL_MODULES[name];
  const module = await WebAssembly.compile(bytes);
  return { name, tier, lanes, packBytes: (pairBytes * lanes) / 2, cellBytes: CELL_BYTES, module };
}
