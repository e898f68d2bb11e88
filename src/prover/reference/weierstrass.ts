/**
 * Points of y^2 = x^3 + b over any field: generic maths, apart from the two concrete curves in bn254.ts.
 *
 * Affine points are `{ x, y }`, the point at infinity is `null`. Jacobian points are (X, Y, Z) with x = X/Z^2 and
 * y = Y/Z^3, infinity where Z = 0. Addition is complete in both forms: equal, opposite and infinite operands give the
 * right sum. Formulas: Explicit-Formulas Database, shortw, a = 0 (add-2007-bl, dbl-2009-l, madd-2007-bl).
 */
import { batchInverse, type Field } from './prime-field.ts';

export type Affine<T> = { readonly x: T; readonly y: T } | null;

export interface Jacobian<T> {
  readonly X: T;
  readonly Y: T;
  readonly Z: T;
}

export interface Curve<T> {
  readonly F: Field<T>;
  readonly b: T;
  readonly generator: Affine<T>;
  readonly infinity: Jacobian<T>;
  /** Infinity counts as on the curve. */
  isOnCurve(p: Affine<T>): boolean;
  equals(p: Affine<T>, q: Affine<T>): boolean;
  neg(p: Affine<T>): Affine<T>;
  add(p: Affine<T>, q: Affine<T>): Affine<T>;
  double(p: Affine<T>): Affine<T>;
  /** k p for any k >= 0; k is not reduced, so that it also tests a point's order. */
  multiply(p: Affine<T>, k: bigint): Affine<T>;
  /** The sum of k_i p_i, plainly: for a few points, and as the oracle for faster ways. */
  multiplySum(points: readonly Affine<T>[], scalars: readonly bigint[]): Affine<T>;
  toJacobian(p: Affine<T>): Jacobian<T>;
  toAffine(p: Jacobian<T>): Affine<T>;
  /** All of them with a single inversion. */
  toAffineBatch(points: readonly Jacobian<T>[]): Affine<T>[];
  addJacobian(p: Jacobian<T>, q: Jacobian<T>): Jacobian<T>;
  addMixed(p: Jacobian<T>, q: Affine<T>): Jacobian<T>;
  doubleJacobian(p: Jacobian<T>): Jacobian<T>;
  /** p_i + q_i for all i, with a single inversion: six products an addition. */
  addAffineBatch(p: readonly Affine<T>[], q: readonly Affine<T>[]): Affine<T>[];
}

export function createCurve<T>(F: Field<T>, b: T, generator: { readonly x: T; readonly y: T }): Curve<T> {
  const double = (a: T) => F.add(a, a);
  const triple = (a: T) => F.add(F.add(a, a), a);
  const infinity: Jacobian<T> = { X: F.one, Y: F.one, Z: F.zero };

  /** The third point of the line of that slope through p and a point with abscissa x2, mirrored. */
  const third = (p: { x: T; y: T }, x2: T, slope: T): Affine<T> => {
    const x = F.sub(F.sub(F.square(slope), p.x), x2);
    return { x, y: F.sub(F.mul(slope, F.sub(p.x, x)), p.y) };
  };

  /** Numerator and denominator of the slope through p and q; a zero denominator says that the sum is infinity. */
  const slopeParts = (p: { x: T; y: T }, q: { x: T; y: T }): { numerator: T; denominator: T } => {
    if (!F.equals(p.x, q.x)) return { numerator: F.sub(q.y, p.y), denominator: F.sub(q.x, p.x) };
    if (!F.equals(p.y, q.y)) return { numerator: F.zero, denominator: F.zero };
    return { numerator: triple(F.square(p.x)), denominator: double(p.y) };
  };

  const curve: Curve<T> = {
    F,
    b,
    generator,
    infinity,

    isOnCurve: (p) => p === null || F.equals(F.square(p.y), F.add(F.mul(F.square(p.x), p.x), b)),

    equals: (p, q) => (p === null || q === null ? p === q : F.equals(p.x, q.x) && F.equals(p.y, q.y)),

    neg: (p) => (p === null ? null : { x: p.x, y: F.neg(p.y) }),

    add(p, q) {
      if (p === null) return q;
      if (q === null) return p;
      const { numerator, denominator } = slopeParts(p, q);
      if (F.isZero(denominator)) return null;
      return third(p, q.x, F.mul(numerator, F.inverse(denominator)));
    },

    double: (p) => curve.add(p, p),

    multiply(p, k) {
      if (k < 0n) throw new RangeError('multiply: the scalar is negative');
      let sum = infinity;
      for (const bit of k.toString(2)) {
        sum = curve.doubleJacobian(sum);
        if (bit === '1') sum = curve.addMixed(sum, p);
      }
      return curve.toAffine(sum);
    },

    multiplySum(points, scalars) {
      if (points.length !== scalars.length) throw new RangeError('multiplySum: as many scalars as points are needed');
      return points.reduce<Affine<T>>((sum, p, i) => curve.add(sum, curve.multiply(p, scalars[i] as bigint)), null);
    },

    toJacobian: (p) => (p === null ? infinity : { X: p.x, Y: p.y, Z: F.one }),

    toAffine: (p) => curve.toAffineBatch([p])[0] as Affine<T>,

    toAffineBatch(points) {
      const inverses = batchInverse(
        F,
        points.map((p) => p.Z),
      );
      return points.map((p, i) => {
        if (F.isZero(p.Z)) return null;
        const inverse = inverses[i] as T;
        const inverse2 = F.square(inverse);
        return { x: F.mul(p.X, inverse2), y: F.mul(p.Y, F.mul(inverse, inverse2)) };
      });
    },

    addJacobian(p, q) {
      if (F.isZero(p.Z)) return q;
      if (F.isZero(q.Z)) return p;
      const pZ2 = F.square(p.Z);
      const qZ2 = F.square(q.Z);
      const u1 = F.mul(p.X, qZ2);
      const u2 = F.mul(q.X, pZ2);
      const s1 = F.mul(F.mul(p.Y, q.Z), qZ2);
      const s2 = F.mul(F.mul(q.Y, p.Z), pZ2);
      const h = F.sub(u2, u1);
      const r = double(F.sub(s2, s1));
      if (F.isZero(h)) return F.isZero(r) ? curve.doubleJacobian(p) : infinity;
      const i = F.square(double(h));
      const j = F.mul(h, i);
      const v = F.mul(u1, i);
      const X = F.sub(F.sub(F.square(r), j), double(v));
      const Y = F.sub(F.mul(r, F.sub(v, X)), double(F.mul(s1, j)));
      const Z = F.mul(double(F.mul(p.Z, q.Z)), h);
      return { X, Y, Z };
    },

    addMixed(p, q) {
      if (q === null) return p;
      if (F.isZero(p.Z)) return curve.toJacobian(q);
      const Z2 = F.square(p.Z);
      const h = F.sub(F.mul(q.x, Z2), p.X);
      const r = double(F.sub(F.mul(F.mul(q.y, p.Z), Z2), p.Y));
      if (F.isZero(h)) return F.isZero(r) ? curve.doubleJacobian(p) : infinity;
      const hh = F.square(h);
      const i = double(double(hh));
      const j = F.mul(h, i);
      const v = F.mul(p.X, i);
      const X = F.sub(F.sub(F.square(r), j), double(v));
      const Y = F.sub(F.mul(r, F.sub(v, X)), double(F.mul(p.Y, j)));
      const Z = double(F.mul(p.Z, h));
      return { X, Y, Z };
    },

    // With y = 0 (a point of order two) Z becomes zero by itself: infinity, as it must.
    doubleJacobian(p) {
      const a = F.square(p.X);
      const bb = F.square(p.Y);
      const c = F.square(bb);
      const d = double(F.sub(F.sub(F.square(F.add(p.X, bb)), a), c));
      const e = triple(a);
      const X = F.sub(F.square(e), double(d));
      const Y = F.sub(F.mul(e, F.sub(d, X)), double(double(double(c))));
      const Z = double(F.mul(p.Y, p.Z));
      return { X, Y, Z };
    },

    addAffineBatch(ps, qs) {
      if (ps.length !== qs.length) throw new RangeError('addAffineBatch: lists of unequal length');
      const numerators: T[] = new Array(ps.length);
      const denominators: T[] = new Array(ps.length);
      ps.forEach((p, i) => {
        const q = qs[i] as Affine<T>;
        const parts = p === null || q === null ? { numerator: F.zero, denominator: F.zero } : slopeParts(p, q);
        numerators[i] = parts.numerator;
        denominators[i] = parts.denominator;
      });
      const inverses = batchInverse(F, denominators);
      return ps.map((p, i) => {
        const q = qs[i] as Affine<T>;
        if (p === null) return q;
        if (q === null) return p;
        if (F.isZero(denominators[i] as T)) return null;
        return third(p, q.x, F.mul(numerators[i] as T, inverses[i] as T));
      });
    },
  };
  return curve;
}
