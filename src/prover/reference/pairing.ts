/**
 * The optimal ate pairing e: G1 x G2 -> Fq12 on BN254. (Vercauteren, "Optimal Pairings"; Beuchat et al. 2010.)
 *
 * Equal to snarkjs's pairing value for value (vk_alphabeta_12 is compared in the tests). Lines are in affine
 * coordinates, one inversion a step: as the textbook has it, and slow. Operands must be in their groups.
 */
import { BN_X, type G1Point, G2, type G2Point } from './bn254.ts';
import { power } from './prime-field.ts';
import { Fq2, type Fq2Element, type Fq6, Fq12, type Fq12Element, FROBENIUS_GAMMA } from './tower.ts';

type Finite<T> = { readonly x: T; readonly y: T };

const LOOP_BITS = (6n * BN_X + 2n).toString(2).slice(1);

/**
 * The line through t and s on the twist (the tangent where they are equal), taken at p in G1.
 *
 * The untwist is (x, y) -> (x w^2, y w^3), so a slope m on the twist is m w on the curve, and the line is
 * yP - m xP w + (m xT - yT) w^3, with w^3 = v w. The vertical line is not needed: the final exponentiation kills it.
 */
function lineAt(t: Finite<Fq2Element>, slope: Fq2Element, p: Finite<bigint>): Fq12Element {
  return {
    c0: { c0: { c0: p.y, c1: 0n }, c1: Fq2.zero, c2: Fq2.zero },
    c1: { c0: Fq2.neg(Fq2.scale(slope, p.x)), c1: Fq2.sub(Fq2.mul(slope, t.x), t.y), c2: Fq2.zero },
  };
}

function slopeThrough(t: Finite<Fq2Element>, s: Finite<Fq2Element>): Fq2Element {
  const same = Fq2.equals(t.x, s.x);
  const numerator = same ? Fq2.scale(Fq2.square(t.x), 3n) : Fq2.sub(s.y, t.y);
  const denominator = same ? Fq2.scale(t.y, 2n) : Fq2.sub(s.x, t.x);
  return Fq2.mul(numerator, Fq2.inverse(denominator));
}

/** The q-power Frobenius of the curve, seen on the twist. */
export function twistFrobenius(p: G2Point): G2Point {
  if (p === null) return null;
  const gamma = (k: number) => FROBENIUS_GAMMA[k] as Fq2Element;
  return { x: Fq2.mul(Fq2.conjugate(p.x), gamma(2)), y: Fq2.mul(Fq2.conjugate(p.y), gamma(3)) };
}

/** Miller's loop over 6x + 2, and the two lines with the images of q under Frobenius. Infinity gives one. */
export function millerLoop(p: G1Point, q: G2Point): Fq12Element {
  if (p === null || q === null) return Fq12.one;
  let f = Fq12.one;
  let t: Finite<Fq2Element> = q;
  const step = (s: Finite<Fq2Element>): void => {
    f = Fq12.mul(f, lineAt(t, slopeThrough(t, s), p));
    const sum = G2.add(t, s);
    if (sum === null) throw new RangeError('millerLoop: the G2 operand is not of order r');
    t = sum;
  };
  for (const bit of LOOP_BITS) {
    f = Fq12.square(f);
    step(t);
    if (bit === '1') step(q);
  }
  const q1 = twistFrobenius(q);
  const q2 = G2.neg(twistFrobenius(q1));
  if (q1 === null || q2 === null) throw new RangeError('millerLoop: unreachable, the Frobenius of a finite point');
  step(q1);
  // Only the line is needed from here on; the sum would be discarded.
  return Fq12.mul(f, lineAt(t, slopeThrough(t, q2), p));
}

/**
 * f^(m (q^12 - 1) / r) with m = 2x (6x^2 + 3x + 1), prime to r. (Fuentes-Castaneda, Knapp, Rodriguez-Henriquez 2011)
 *
 * Every multiple of the exponent prime to r gives a pairing; this one is the one that snarkjs, arkworks and gnark
 * compute, and the value is published in verification keys, so another m would be another vk_alphabeta_12.
 * First (q^6 - 1)(q^2 + 1) by Frobenius; then l0 + l1 q + l2 q^2 + l3 q^3 with
 *   l1 = 12x^3 + 6x^2 + 4x,  l0 = l1 + 6x^2 + 2x + 1,  l2 = l1 + 2x,  l3 = l1 - 1.
 */
export function finalExponentiation(f: Fq12Element): Fq12Element {
  const { mul, square, frobenius, conjugate } = Fq12;
  const easy = mul(conjugate(f), Fq12.inverse(f));
  const g = mul(frobenius(frobenius(easy)), easy);
  // From here on an inverse is a conjugate.
  const gx = power(Fq12, g, BN_X);
  const gx2 = power(Fq12, gx, BN_X);
  const gx3 = power(Fq12, gx2, BN_X);
  const g2x = square(gx);
  const g6x2 = power(Fq12, gx2, 6n);
  const l1 = mul(mul(power(Fq12, gx3, 12n), g6x2), square(g2x));
  const l0 = mul(mul(l1, g6x2), mul(g2x, g));
  const l2 = mul(l1, g2x);
  const l3 = mul(l1, conjugate(g));
  // Horner in the Frobenius.
  return mul(frobenius(mul(frobenius(mul(frobenius(l3), l2)), l1)), l0);
}

export function pairing(p: G1Point, q: G2Point): Fq12Element {
  return finalExponentiation(millerLoop(p, q));
}

/** Whether the product of all e(p_i, q_i) is one, with one final exponentiation. */
export function pairingProductIsOne(pairs: readonly (readonly [G1Point, G2Point])[]): boolean {
  const f = pairs.reduce((product, [p, q]) => Fq12.mul(product, millerLoop(p, q)), Fq12.one);
  return Fq12.equals(finalExponentiation(f), Fq12.one);
}

/** The value as snarkjs prints it in vk_alphabeta_12: [[c, c, c], [c, c, c]] with c = [real, imaginary]. */
export function pairingValueToJson(value: Fq12Element): readonly (readonly (readonly [string, string])[])[] {
  const pair = (c: Fq2Element): readonly [string, string] => [c.c0.toString(), c.c1.toString()];
  return [value.c0, value.c1].map((half: typeof Fq6.one) => [pair(half.c0), pair(half.c1), pair(half.c2)]);
}
