/** A vector of scalars times a constant, words to words: r w over the wires of B1. */
import type { Kernels } from '../../kernels/index.ts';

const WORDS_BYTES = 32;

/** Packs that `scaleScalars` works in. What stands there afterwards is as secret as the scalars. */
export const SCALE_WORK_PACKS = 3;

/**
 * `target`, `source`: n scalars of 32 bytes each, below r; they may be the same place. `factor`: words of one scalar.
 *
 * Reading is a Montgomery product with a pack, writing one with 1: the pack is r R^2, for the two factors R that go.
 */
export function scaleScalars(
  kernels: Kernels,
  target: number,
  source: number,
  n: number,
  factor: number,
  work: number,
): void {
  const { exports: kernel, packBytes, lanes } = kernels;
  const [constant, element, zero] = [work, work + packBytes, work + 2 * packBytes];
  const plain = kernels.element('fr_plain');
  kernel.fr_read(element, factor, 0, plain);
  kernel.fr_mul(element, element, plain);
  // A sum is reduced, as the factor of a reading must be; a product need not be.
  new Uint8Array(kernels.memory.buffer, zero, packBytes).fill(0);
  kernel.fr_add(constant, element, zero);

  const whole = n - (n % lanes);
  for (let i = 0; i < whole; i += lanes) {
    kernel.fr_read(element, source + i * WORDS_BYTES, WORDS_BYTES, constant);
    kernel.fr_write(target + i * WORDS_BYTES, WORDS_BYTES, element);
  }
  for (let i = whole; i < n; i++) {
    kernel.fr_read(element, source + i * WORDS_BYTES, 0, constant);
    kernel.fr_write(target + i * WORDS_BYTES, 0, element);
  }
}
