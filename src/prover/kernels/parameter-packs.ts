/** Parameters of a hash in memory: a pack each, the same in all lanes, in a tier's own form. */
import type { Kernels } from './kernels.ts';
import { writeWords } from './known-answers.ts';

/** `values`, below r, to packs that follow one another from `at` on. */
export function writePacks(kernels: Kernels, at: number, values: readonly bigint[]): void {
  const view = new DataView(kernels.memory.buffer);
  values.forEach((value, i) => {
    // The words go where the pack will be, which is larger; read takes them all in before it writes.
    const pack = at + i * kernels.packBytes;
    writeWords(view, pack, value);
    kernels.exports.fr_read(pack, pack, 0, kernels.element('fr_plain'));
  });
}
