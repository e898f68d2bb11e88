/** `npm run gen:kernels`: writes every module to ../binaries. A test demands that this changes nothing. */
import { writeFileSync } from 'node:fs';
import { generate, MODULES } from './tiers.ts';

for (const name of Object.keys(MODULES)) {
  const binary = generate(name);
  writeFileSync(new URL(`../binaries/${name}.wasm`, import.meta.url), binary);
  process.stdout.write(`${name}.wasm ${binary.length} bytes\n`);
}
