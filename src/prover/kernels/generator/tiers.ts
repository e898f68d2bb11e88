/** The modules that are generated, by the name of their file in ../binaries. */
import { generateModule, type ModuleOptions } from './module.ts';

export const MODULES: Readonly<Record<string, ModuleOptions>> = {
  // TurboFan (Node 20 and 22): constants in registers; chained products only lengthen the path.
  'fma2-locals': { arithmetic: 'fma', lanes: 2, constants: 'locals', chain: false },
  // Turboshaft (Node 24 and up): constants from memory at use.
  'fma2-memory': { arithmetic: 'fma', lanes: 2, constants: 'memory', chain: true },
  // Halves side by side, for V8's revectorizer.
  'fma4-memory': { arithmetic: 'fma', lanes: 4, constants: 'memory', chain: true },
  // No relaxed SIMD needed.
  'int2-memory': { arithmetic: 'int', lanes: 2, constants: 'memory' },
};

export function generate(name: string): Uint8Array {
  const options = MODULES[name];
  if (options === undefined) throw new Error(`no module ${name}; there are ${Object.keys(MODULES).join(', ')}`);
  return generateModule(options).binary;
}
