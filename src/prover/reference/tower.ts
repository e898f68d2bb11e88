/**
 * The tower over BN254's base field in which the pairing lives.
 *
 *   Fq2  = Fq[u]  / (u^2 + 1)
 *   Fq6  = Fq2[v] / (v^3 - xi),   xi = 9 + u
 *   Fq12 = Fq6[w] / (w^2 - v)
 *
 * The same tower as EIP-197, libff and snarkjs; only the order in which they print c0 and c1 differs (EIP-197 puts
 * the imaginary part first; here and in snarkjs the real part is first).
 */
import { type Field, Fq, power } from './prime-field.ts';

/** c0 + c1 u */
export interface Fq2Element {
  readonly c0: bigint;
  readonly c1: bigint;
}
/** c0 + c1 v + c2 v^2 */
export interface Fq6Element {
  readonly c0: Fq2Element;
  readonly c1: Fq2Element;
  readonly c2: Fq2Element;
}
/** c0 + c1 w */
export interface Fq12Element {
  readonly c0: Fq6Element;
  readonly c1: Fq6Element;
}

export interface Fq2Field extends Field<Fq2Element> {
  scale(a: Fq2Element, by: bigint): Fq2Element;
  /** a^q: c0 - c1 u */
  conjugate(a: Fq2Element): Fq2Element;
  /** a (9 + u) */
  mulByXi(a: Fq2Element): Fq2Element;
}

const q = Fq.modulus;

export const Fq2: Fq2Field = {
  zero: { c0: 0n, c1: 0n },
  one: { c0: 1n, c1: 0n },
  add: (a, b) => ({ c0: Fq.add(a.c0, b.c0), c1: Fq.add(a.c1, b.c1) }),
  sub: (a, b) => ({ c0: Fq.sub(a.c0, b.c0), c1: Fq.sub(a.c1, b.c1) }),
  neg: (a) => ({ c0: Fq.neg(a.c0), c1: Fq.neg(a.c1) }),
  // Karatsuba: the reductions cost more than the products, so there are two of them and not three.
  mul(a, b) {
    const real = a.c0 * b.c0;
    const imaginary = a.c1 * b.c1;
    const cross = (a.c0 + a.c1) * (b.c0 + b.c1) - real - imaginary;
    return { c0: Fq.create(real - imaginary), c1: cross % q };
  },
  square: (a) => ({
    c0: Fq.create((a.c0 + a.c1) * (a.c0 - a.c1)),
    c1: (2n * a.c0 * a.c1) % q,
  }),
  inverse(a) {
    const norm = Fq.inverse((a.c0 * a.c0 + a.c1 * a.c1) % q);
    return { c0: (a.c0 * norm) % q, c1: Fq.neg((a.c1 * norm) % q) };
  },
  equals: (a, b) => a.c0 === b.c0 && a.c1 === b.c1,
  isZero: (a) => a.c0 === 0n && a.c1 === 0n,
  scale: (a, by) => ({ c0: (a.c0 * by) % q, c1: (a.c1 * by) % q }),
  conjugate: (a) => ({ c0: a.c0, c1: Fq.neg(a.c1) }),
  mulByXi: (a) => ({ c0: Fq.create(9n * a.c0 - a.c1), c1: (a.c0 + 9n * a.c1) % q }),
};

/** xi, the cubic and quadratic non-residue of Fq2 that both the tower and the twist are built on. */
export const XI: Fq2Element = { c0: 9n, c1: 1n };

/** xi^(k (q - 1) / 6): what the Frobenius map multiplies w^k by. Index k in 0..5. */
export const FROBENIUS_GAMMA: readonly Fq2Element[] = [0n, 1n, 2n, 3n, 4n, 5n].map((k) =>
  power(Fq2, XI, (k * (q - 1n)) / 6n),
);

const gamma = (k: number): Fq2Element => FROBENIUS_GAMMA[k] as Fq2Element;

export interface Fq6Field extends Field<Fq6Element> {
  /** a v */
  mulByV(a: Fq6Element): Fq6Element;
}

export const Fq6: Fq6Field = {
  zero: { c0: Fq2.zero, c1: Fq2.zero, c2: Fq2.zero },
  one: { c0: Fq2.one, c1: Fq2.zero, c2: Fq2.zero },
  add: (a, b) => ({ c0: Fq2.add(a.c0, b.c0), c1: Fq2.add(a.c1, b.c1), c2: Fq2.add(a.c2, b.c2) }),
  sub: (a, b) => ({ c0: Fq2.sub(a.c0, b.c0), c1: Fq2.sub(a.c1, b.c1), c2: Fq2.sub(a.c2, b.c2) }),
  neg: (a) => ({ c0: Fq2.neg(a.c0), c1: Fq2.neg(a.c1), c2: Fq2.neg(a.c2) }),
  mul(a, b) {
    const t0 = Fq2.mul(a.c0, b.c0);
    const t1 = Fq2.mul(a.c1, b.c1);
    const t2 = Fq2.mul(a.c2, b.c2);
    const cross = (x: Fq2Element, y: Fq2Element, z: Fq2Element, w: Fq2Element, s: Fq2Element, t: Fq2Element) =>
      Fq2.sub(Fq2.sub(Fq2.mul(Fq2.add(x, y), Fq2.add(z, w)), s), t);
    return {
      c0: Fq2.add(t0, Fq2.mulByXi(cross(a.c1, a.c2, b.c1, b.c2, t1, t2))),
      c1: Fq2.add(cross(a.c0, a.c1, b.c0, b.c1, t0, t1), Fq2.mulByXi(t2)),
      c2: Fq2.add(cross(a.c0, a.c2, b.c0, b.c2, t0, t2), t1),
    };
  },
  square: (a) => Fq6.mul(a, a),
  inverse(a) {
    const d0 = Fq2.sub(Fq2.square(a.c0), Fq2.mulByXi(Fq2.mul(a.c1, a.c2)));
    const d1 = Fq2.sub(Fq2.mulByXi(Fq2.square(a.c2)), Fq2.mul(a.c0, a.c1));
    const d2 = Fq2.sub(Fq2.square(a.c1), Fq2.mul(a.c0, a.c2));
    const norm = Fq2.add(Fq2.mul(a.c0, d0), Fq2.mulByXi(Fq2.add(Fq2.mul(a.c2, d1), Fq2.mul(a.c1, d2))));
    const scale = Fq2.inverse(norm);
    return { c0: Fq2.mul(d0, scale), c1: Fq2.mul(d1, scale), c2: Fq2.mul(d2, scale) };
  },
  equals: (a, b) => Fq2.equals(a.c0, b.c0) && Fq2.equals(a.c1, b.c1) && Fq2.equals(a.c2, b.c2),
  isZero: (a) => Fq2.isZero(a.c0) && Fq2.isZero(a.c1) && Fq2.isZero(a.c2),
  mulByV: (a) => ({ c0: Fq2.mulByXi(a.c2), c1: a.c0, c2: a.c1 }),
};

export interface Fq12Field extends Field<Fq12Element> {
  /** a^(q^6): c0 - c1 w. It is the inverse of an element whose norm over Fq6 is one. */
  conjugate(a: Fq12Element): Fq12Element;
  /** a^q */
  frobenius(a: Fq12Element): Fq12Element;
}

export const Fq12: Fq12Field = {
  zero: { c0: Fq6.zero, c1: Fq6.zero },
  one: { c0: Fq6.one, c1: Fq6.zero },
  add: (a, b) => ({ c0: Fq6.add(a.c0, b.c0), c1: Fq6.add(a.c1, b.c1) }),
  sub: (a, b) => ({ c0: Fq6.sub(a.c0, b.c0), c1: Fq6.sub(a.c1, b.c1) }),
  neg: (a) => ({ c0: Fq6.neg(a.c0), c1: Fq6.neg(a.c1) }),
  mul(a, b) {
    const t0 = Fq6.mul(a.c0, b.c0);
    const t1 = Fq6.mul(a.c1, b.c1);
    const cross = Fq6.sub(Fq6.sub(Fq6.mul(Fq6.add(a.c0, a.c1), Fq6.add(b.c0, b.c1)), t0), t1);
    return { c0: Fq6.add(t0, Fq6.mulByV(t1)), c1: cross };
  },
  square(a) {
    const product = Fq6.mul(a.c0, a.c1);
    const sum = Fq6.mul(Fq6.add(a.c0, a.c1), Fq6.add(a.c0, Fq6.mulByV(a.c1)));
    return { c0: Fq6.sub(Fq6.sub(sum, product), Fq6.mulByV(product)), c1: Fq6.add(product, product) };
  },
  inverse(a) {
    const norm = Fq6.sub(Fq6.square(a.c0), Fq6.mulByV(Fq6.square(a.c1)));
    const scale = Fq6.inverse(norm);
    return { c0: Fq6.mul(a.c0, scale), c1: Fq6.neg(Fq6.mul(a.c1, scale)) };
  },
  equals: (a, b) => Fq6.equals(a.c0, b.c0) && Fq6.equals(a.c1, b.c1),
  isZero: (a) => Fq6.isZero(a.c0) && Fq6.isZero(a.c1),
  conjugate: (a) => ({ c0: a.c0, c1: Fq6.neg(a.c1) }),
  // The six Fq2 coefficients stand at w^0, w^2, w^4 (c0) and w^1, w^3, w^5 (c1).
  frobenius(a) {
    const map = (x: Fq2Element, k: number) => Fq2.mul(Fq2.conjugate(x), gamma(k));
    return {
      c0: { c0: Fq2.conjugate(a.c0.c0), c1: map(a.c0.c1, 2), c2: map(a.c0.c2, 4) },
      c1: { c0: map(a.c1.c0, 1), c1: map(a.c1.c1, 3), c2: map(a.c1.c2, 5) },
    };
  },
};
