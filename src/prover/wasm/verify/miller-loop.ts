/**
 * Miller's loop of the optimal ate pairing for several pairs at once: one squaring a step serves them all.
 * (Vercauteren, "Optimal Pairings"; Granger, Smart, eprint 2006/172, for products.)
 *
 *   f = prod over pairs of f_(6x+2, Q)(P) l_(T, psi(Q))(P) l_(T', -psi^2(Q))(P),   T = [6x+2] Q
 *
 * up to factors in proper subfields of Fq12, which the final exponentiation sends to one. The digits of 6x + 2 are in
 * non-adjacent form: 22 of 66 are not zero, against 37 of 65 bits.
 *
 * A fixed Q (of a verification key) has its lines computed once, affine and divided by y_P, so that the first
 * coefficient is 1: a line costs 12 products of Fq2 with six reductions. A moving Q (of a proof) is homogeneous, and its
 * lines cost 18.
 *
 * Whether the moving Q is of order r at all falls out: T ends as [6x+2] Q + psi(Q) - psi^2(Q), and is compared with
 * -psi^3(Q). See `isInSubgroup`.
 */
import { BN_X, Fq2, type Fq2Element, G2, type G2Point, twistFrobenius } from '../../reference/core.ts';
import type { LaneMemory } from './lane-memory.ts';
import { nonAdjacentForm } from './signed-digits.ts';
import type { Fq12Lanes } from './tower.ts';

/** From the second highest down. */
const DIGITS = nonAdjacentForm(6n * BN_X + 2n)
  .reverse()
  .slice(1);
/** A tangent a digit, a chord a non-zero digit, and two chords at the end. */
export const LINES = DIGITS.length + DIGITS.filter((digit) => digit !== 0).length + 2;
/** -m and m x_T - y_T. */
export const FIXED_LINE_PACKS = 2;
export const MILLER_WORK_PACKS = 12;

/** The lines of a point of G2 that never changes: `FIXED_LINE_PACKS` a line at `at`, in the order of the loop. */
export function writeFixedLines(memory: LaneMemory, at: number, q: NonNullable<G2Point>): void {
  let t = q;
  let line = at;
  const step = (s: NonNullable<G2Point>): void => {
    const same = Fq2.equals(t.x, s.x);
    const numerator = same ? Fq2.scale(Fq2.square(t.x), 3n) : Fq2.sub(s.y, t.y);
    const slope = Fq2.mul(numerator, Fq2.inverse(same ? Fq2.scale(t.y, 2n) : Fq2.sub(s.x, t.x)));
    memory.putFq2(line, Fq2.neg(slope));
    memory.putFq2(line + memory.packBytes, Fq2.sub(Fq2.mul(slope, t.x), t.y));
    line += FIXED_LINE_PACKS * memory.packBytes;
    t = finite(G2.add(t, s));
  };
  const first = finite(twistFrobenius(q));
  const second = finite(G2.neg(twistFrobenius(first)));
  for (const digit of DIGITS) {
    step(t);
    if (digit !== 0) step(digit > 0 ? q : finite(G2.neg(q)));
  }
  step(first);
  step(second);
}

function finite(p: G2Point): NonNullable<G2Point> {
  if (p === null) throw new RangeError('writeFixedLines: the point is not of order r');
  return p;
}

/** Lines of a fixed Q, and P as x / y, 1 / y. */
export interface FixedPair {
  readonly lines: number;
  readonly point: number;
}

/** Q, -Q, psi(Q), -psi^2(Q), -psi^3(Q), each affine; T; and P as -2 y, 3 x, y, -x: 17 packs. */
export const MOVING_PAIR_PACKS = 17;
export interface MovingPair {
  readonly q: number;
  readonly t: number;
  readonly point: number;
}

export function movingPairAt(memory: LaneMemory, at: number): MovingPair {
  return { q: at, t: at + 10 * memory.packBytes, point: at + 13 * memory.packBytes };
}

/** What moving points are multiplied by: 3 b', and psi's two factors. */
export const TWIST_CONSTANT_PACKS = 3;
export function writeTwistConstants(memory: LaneMemory, at: number, gamma: readonly Fq2Element[]): void {
  [Fq2.scale(G2.b, 3n), gamma[2], gamma[3]].forEach((c, i) => {
    memory.putFq2(at + i * memory.packBytes, c as Fq2Element);
  });
}

/** Fills in the images of the affine Q, which stands at `pair.q`. */
export function preparePair(memory: LaneMemory, pair: MovingPair, constants: number): void {
  const { exports: k, packBytes } = memory;
  const affine = (i: number): number => pair.q + 2 * i * packBytes;
  const [gamma2, gamma3] = [constants + packBytes, constants + 2 * packBytes];
  const frobenius = (to: number, from: number): void => {
    k.f2_conjugate(to, from);
    k.f2_mul(to, to, gamma2);
    k.f2_conjugate(to + packBytes, from + packBytes);
    k.f2_mul(to + packBytes, to + packBytes, gamma3);
  };
  const negate = (p: number): void => k.f2_neg(p + packBytes, p + packBytes);
  memory.copy(affine(1), affine(0), 2);
  negate(affine(1));
  frobenius(affine(2), affine(0));
  frobenius(affine(3), affine(2));
  frobenius(affine(4), affine(3));
  negate(affine(3));
  negate(affine(4));
}

/**
 * The product over all pairs, before the final exponentiation, to `f`; `g` is another Fq12 of work.
 * `preparePair` must have been called for each moving pair, and its point written. `work`: MILLER_WORK_PACKS.
 */
export function millerLoop(
  tower: Fq12Lanes,
  moving: readonly MovingPair[],
  fixed: readonly FixedPair[],
  constants: number,
  f: number,
  g: number,
  work: number,
): void {
  const { memory } = tower;
  const { exports: k, packBytes } = memory;
  const [line, steps] = [work, work + 5 * packBytes];
  let [now, other] = [f, g];
  const swap = (): void => {
    [now, other] = [other, now];
  };
  let lines = 0;
  const fixedLines = (): void => {
    for (const pair of fixed) {
      k.f12_fixed_line(other, now, pair.lines + lines * packBytes, pair.point, line);
      swap();
    }
    lines += FIXED_LINE_PACKS;
  };
  const chords = (which: number): void => {
    for (const { t, q, point } of moving) {
      k.g2_chord(t, q + 2 * which * packBytes, point, line, steps);
      k.f12_line(other, now, line);
      swap();
    }
    fixedLines();
  };

  for (const { t, q } of moving) {
    memory.copy(t, q, 2);
    memory.putFq2(t + 2 * packBytes, Fq2.one);
  }
  tower.setOne(now);
  for (const [i, digit] of DIGITS.entries()) {
    if (i > 0) {
      tower.square(other, now);
      swap();
    }
    for (const { t, point } of moving) {
      k.g2_tangent(t, point, line, constants, steps);
      k.f12_line(other, now, line);
      swap();
    }
    fixedLines();
    if (digit !== 0) chords(digit > 0 ? 0 : 1);
  }
  chords(2);
  chords(3);
  if (now !== f) tower.copy(f, now);
}

/**
 * Whether the moving Q, a point of the twist, is of order r; to be asked after `millerLoop`, at the cost of two
 * products. The loop has left T = (6x + 2 + psi - psi^2) Q, and Q is in G2 if and only if (6x + 2 + psi - psi^2 + psi^3) Q
 * is infinity.
 *
 * On G2 psi acts as q, and 6x + 2 + q - q^2 + q^3 is a multiple of r: that is why the loop is as short as it is.
 * Conversely psi^2 - t psi + q = 0 on the whole twist, so the sum's norm N in Z[psi] annihilates a Q that it annihilates;
 * and gcd(N, r (2q - r)) = r, where r (2q - r) is the number of points: so r Q is infinity. A test computes both.
 * (The method is that of Dai, Lin, Zhao, Zhou, eprint 2022/348, for another element of Z[psi].)
 *
 * Q's of small order meet the exceptions of the formulas. Z is then 0, and stays 0: refused. A Q of order r meets none,
 * as no partial multiple of it is +-1, or +-q, or +-q^2 modulo r.
 */
export function isInSubgroup(memory: LaneMemory, pair: MovingPair, work: number): boolean {
  const { exports: k, packBytes } = memory;
  const expected = pair.q + 8 * packBytes;
  const z = pair.t + 2 * packBytes;
  if (memory.isZero(z)) return false;
  return [0, 1].every((i) => {
    k.f2_mul(work, expected + i * packBytes, z);
    k.f2_sub(work, work, pair.t + i * packBytes);
    return memory.isZero(work);
  });
}
