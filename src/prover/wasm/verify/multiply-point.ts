/**
 * A scalar times a point of G1 that has no table, by windows of five bits (non-adjacent, odd digits).
 *
 * Both lanes do the same work. Jacobian additions of equal or opposite points give Z = 0, which stays: then, and for the
 * scalar 0, the reference is asked.
 */
import type { Kernels } from '../../kernels/core.ts';
import { G1, type G1Point } from '../../reference/core.ts';
import { JACOBIAN_PACKS } from './fixed-bases.ts';
import { LaneMemory, Room, WORDS_BYTES } from './lane-memory.ts';
import { windowForm } from './signed-digits.ts';

const WIDTH = 5;
/** 1, 3, .. 15. */
const ODD_MULTIPLES = 2 ** (WIDTH - 2);
/** What `j1_add` works in. */
const WORK_PACKS = 6;

/** Memory that `multiplyPoint` works in. */
export const multiplyPointBytes = ({ packBytes }: Kernels): number =>
  2 * WORDS_BYTES + ((ODD_MULTIPLES + 3) * JACOBIAN_PACKS + WORK_PACKS) * packBytes;

/** `scalar`: 0 to r - 1. `at`: `multiplyPointBytes`, a multiple of 16; what stands there afterwards tells the scalar. */
export function multiplyPoint(kernels: Kernels, point: G1Point, scalar: bigint, at: number): G1Point {
  if (point === null || scalar === 0n) return null;
  const memory = new LaneMemory(kernels, at);
  memory.requireUpTo(at + multiplyPointBytes(kernels));
  const { exports: k, packBytes } = memory;
  const room = new Room(at + 2 * WORDS_BYTES, packBytes);
  const jacobian = (): number => room.packs(JACOBIAN_PACKS);
  const multiples = Array.from({ length: ODD_MULTIPLES }, jacobian);
  const [twice, negative, sum, work] = [jacobian(), jacobian(), jacobian(), room.packs(WORK_PACKS)];

  const [first] = multiples as [number];
  memory.putFq(first, point.x);
  memory.putFq(first + packBytes, point.y);
  memory.copy(first + 2 * packBytes, memory.one, 1);
  memory.copy(twice, first, JACOBIAN_PACKS);
  k.j1_double(twice, work);
  multiples.slice(1).forEach((multiple, i) => {
    memory.copy(multiple, multiples[i] as number, JACOBIAN_PACKS);
    k.j1_add(multiple, twice, work);
  });

  let started = false;
  for (const digit of windowForm(scalar, WIDTH).reverse()) {
    if (started) k.j1_double(sum, work);
    if (digit === 0) continue;
    let operand = multiples[(Math.abs(digit) - 1) / 2] as number;
    if (digit < 0) {
      memory.copy(negative, operand, JACOBIAN_PACKS);
      k.fq_neg(negative + packBytes, negative + packBytes);
      operand = negative;
    }
    if (started) k.j1_add(sum, operand, work);
    else memory.copy(sum, operand, JACOBIAN_PACKS);
    started = true;
  }

  const [x, y, z] = [sum, sum + packBytes, sum + 2 * packBytes];
  if (k.fq_inverse_all(twice, z, work) !== 0) return G1.multiply(point, scalar);
  const [inverse, square] = [twice, twice + packBytes];
  k.fq_sqr(square, inverse);
  k.fq_mul(x, x, square);
  k.fq_mul(square, square, inverse);
  k.fq_mul(y, y, square);
  return { x: memory.getFq2(x).c0, y: memory.getFq2(y).c0 };
}
