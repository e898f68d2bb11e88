/** Whether a scalar could lie in a domain of roots of unity, without a BigInt of it. */
import type { Kernels } from '../../kernels/index.ts';
import { TWO_ADICITY } from '../../reference/index.ts';
import { WORDS_BYTES } from '../quotient/kernel-memory.ts';

/** Packs that `hasTwoPowerOrder` works in: as secret afterwards as the scalar. */
export const ORDER_WORK_PACKS = 2;

/** Whether the scalar to the power of 2^28 is one. `scalar`: words, below r. */
export function hasTwoPowerOrder(kernels: Kernels, scalar: number, work: number): boolean {
  const { exports: kernel, memory, packBytes } = kernels;
  const words = work + packBytes;
  kernel.fr_read(work, scalar, 0, kernels.element('fr_plain'));
  for (let i = 0; i < TWO_ADICITY; i++) kernel.fr_sqr(work, work);
  kernel.fr_write(words, 0, work);
  // Read where they are: no copy of a secret is left behind.
  const bytes = new Uint8Array(memory.buffer, words, WORDS_BYTES);
  let different = 0;
  for (let i = 0; i < WORDS_BYTES; i++) different |= (bytes[i] as number) ^ (i === 0 ? 1 : 0);
  return different === 0;
}
