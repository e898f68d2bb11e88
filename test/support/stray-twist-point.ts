/** A point that is on BN254's twist and outside G2, and the roots in Fq2 by which it is found. */
import { Fq, Fq2, type Fq2Element, G2, type G2Point } from '../../src/prover/reference/index.ts';

/** The first of x = k + u that has a point above it. Next to no point of the twist is in the subgroup. */
export function strayTwistPoint(): NonNullable<G2Point> {
  for (let k = 1n; ; k++) {
    const x: Fq2Element = { c0: k, c1: 1n };
    const y = squareRoot(Fq2.add(Fq2.mul(Fq2.square(x), x), G2.b));
    if (y !== undefined) return { x, y };
  }
}

/** In Fq2 by the norm: for a = c0 + c1 u, y0^2 = (c0 +- |a|) / 2. q is 3 modulo 4. */
function squareRoot(a: Fq2Element): Fq2Element | undefined {
  const root = (v: bigint) => Fq.pow(v, (Fq.modulus + 1n) / 4n);
  const norm = root(Fq.add(Fq.square(a.c0), Fq.square(a.c1)));
  for (const sign of [norm, Fq.neg(norm)]) {
    const y0 = root(Fq.mul(Fq.add(a.c0, sign), Fq.inverse(2n)));
    if (y0 === 0n) continue;
    const y = { c0: y0, c1: Fq.mul(a.c1, Fq.inverse(Fq.mul(2n, y0))) };
    if (Fq2.equals(Fq2.square(y), a)) return y;
  }
  return undefined;
}
