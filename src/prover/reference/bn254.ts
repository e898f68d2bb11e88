/**
 * BN254 (alt_bn128, snarkjs's "bn128"): its parameters and its two groups. EIP-196, EIP-197.
 *
 *   G1: y^2 = x^3 + 3 over Fq, of prime order r: on the curve is in the group.
 *   G2: the subgroup of order r of the D-type twist y^2 = x^3 + 3/xi over Fq2. The twist has r (2q - r) points, and
 *       2q - r has factors as small as 10069: on the curve is NOT in the group, and snarkjs does not always ask.
 */
import { Fq, Fr, power } from './prime-field.ts';
import { Fq2, type Fq2Element, XI } from './tower.ts';
import { type Affine, createCurve } from './weierstrass.ts';

/** The parameter x of the family: q, r and the loop length of the pairing are polynomials in it. */
export const BN_X = 4965661367192848881n;

/** r - 1 is divisible by 2^28: the largest domain of roots of unity has 2^28 elements. */
export const TWO_ADICITY = 28;

export type G1Point = Affine<bigint>;
export type G2Point = Affine<Fq2Element>;

export const G1 = createCurve(Fq, 3n, { x: 1n, y: 2n });

export const G2 = createCurve(Fq2, Fq2.mul({ c0: 3n, c1: 0n }, Fq2.inverse(XI)), {
  x: {
    c0: 10857046999023057135944570762232829481370756359578518086990519993285655852781n,
    c1: 11559732032986387107991004021392285783925812861821192530917403151452391805634n,
  },
  y: {
    c0: 8495653923123431417604973247489272438418190587263600148770280649306958101930n,
    c1: 4082367875863433681332203403145435568316851327593401208105741076214120093531n,
  },
});

/** On the twist and r P = infinity, by definition and not by endomorphism. Infinity is in the subgroup. */
export function isInG2(p: G2Point): boolean {
  return G2.isOnCurve(p) && G2.multiply(p, Fr.modulus) === null;
}

// 5 is the least non-residue of Fr, so this has order 2^28 exactly. snarkjs takes the same one.
const ROOT_2_28 = power(Fr, 5n, (Fr.modulus - 1n) >> BigInt(TWO_ADICITY));

/** The root of unity of order `size`, a power of two up to 2^28, that snarkjs's keys are written for. */
export function rootOfUnity(size: number): bigint {
  const bits = Math.log2(size);
  if (!Number.isInteger(bits) || bits > TWO_ADICITY) {
    throw new RangeError(`rootOfUnity: ${size} is not a power of two up to 2^${TWO_ADICITY}`);
  }
  return power(Fr, ROOT_2_28, 1n << BigInt(TWO_ADICITY - bits));
}
