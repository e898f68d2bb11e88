/**
 * Lagrange polynomials at one secret point, over n points x_i = s w^i of a coset: scale x_i / (tau - x_i).
 *
 * With s = 1 and scale = (tau^n - 1) / n these are L_i(tau) of the domain; with s^2 = w and scale = (tau^2n - 1) / 2n
 * those of the odd points of the doubled domain. (See reference/lagrange.ts.) Divisions share one inversion a lane:
 * products of all divisors so far forwards, their inverses backwards. Every intermediate is in the kernels' memory.
 */
import { invariant } from '../../../common/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { Fr, rootOfUnity } from '../../reference/index.ts';
import { WORDS_BYTES, writePack } from '../quotient/kernel-memory.ts';

/** Four, words of all lanes, and what an inversion works in. */
export const LAGRANGE_WORK_PACKS = 8 + 17;

export interface Coset {
  /** n: a power of two. */
  readonly size: number;
  /** s; public. */
  readonly shift: bigint;
}

/** What `writeLagrange` writes to: a pack more than the values take. */
export const lagrangePacks = ({ size }: Coset, lanes: number): number => Math.ceil(size / lanes) + 1;

/**
 * The n values to `lagrangePacks` packs at `target`, element i in lane i mod lanes of pack floor(i / lanes); lanes from n
 * on hold others. `tau`, `scale`: packs, the same in every lane. tau must not be among the points.
 * `work`: LAGRANGE_WORK_PACKS packs.
 */
export function writeLagrange(
  kernels: Kernels,
  { size, shift }: Coset,
  tau: number,
  scale: number,
  target: number,
  work: number,
): void {
  const { exports: kernel, lanes, packBytes } = kernels;
  const packs = Math.ceil(size / lanes);
  const place = (i: number): number => target + i * packBytes;
  const [x, ratio, divisor, inverse, words, inversion] = [0, 1, 2, 3, 4, 8].map((i) => work + i * packBytes) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const root = rootOfUnity(size);
  const progression = (first: bigint, step: bigint): void => {
    const starts = Array.from({ length: lanes }, (_, lane) => Fr.mul(first, Fr.pow(root, BigInt(lane))));
    writePack(kernels, x, starts, words);
    writePack(kernels, ratio, [step], words);
  };

  // Before each pack's own value stands the product of all divisors before it.
  progression(shift, Fr.pow(root, BigInt(lanes)));
  writePack(kernels, target, [1n], words);
  for (let i = 0; i < packs; i++) {
    kernel.fr_sub(divisor, tau, x);
    kernel.fr_mul(place(i + 1), place(i), divisor);
    kernel.fr_mul(x, x, ratio);
  }
  kernel.fr_inverse(inverse, place(packs), inversion);
  requireInverses(kernels, inverse, words);

  progression(Fr.mul(shift, Fr.pow(root, BigInt((packs - 1) * lanes))), Fr.pow(root, BigInt(-lanes)));
  for (let i = packs - 1; i >= 0; i--) {
    kernel.fr_mul(place(i), place(i), inverse);
    kernel.fr_sub(divisor, tau, x);
    kernel.fr_mul(inverse, inverse, divisor);
    kernel.fr_mul(divisor, x, scale);
    kernel.fr_mul(place(i), place(i), divisor);
    kernel.fr_mul(x, x, ratio);
  }
}

/** A lane's inverse is zero when one of its divisors was. */
function requireInverses({ exports, lanes, memory }: Kernels, pack: number, words: number): void {
  exports.fr_write(words, WORDS_BYTES, pack);
  const view = new Uint8Array(memory.buffer, words, WORDS_BYTES * lanes);
  for (let lane = 0; lane < lanes; lane++) {
    const isZero = view.subarray(WORDS_BYTES * lane, WORDS_BYTES * (lane + 1)).every((byte) => byte === 0);
    invariant(!isZero, 'tau is not among the points of the domain');
  }
}
