/**
 * Multi-scalar multiplication, sum of k_i P_i, by buckets and bytes: plain, but quick enough for whole proofs.
 *
 * Each byte of the scalars is a digit; the points of one digit share a bucket, and the buckets are summed with their
 * weights from the top down (Pippenger 1976; Bernstein et al., eprint 2012/549, section 4). `Curve.multiplySum` is the
 * same sum without any method, and what this one is tested against.
 */
import { Fr } from './prime-field.ts';
import type { Affine, Curve, Jacobian } from './weierstrass.ts';

const WINDOW_BITS = 8;
const BUCKETS = 1 << WINDOW_BITS;

/** Points may be equal, opposite or infinite. Scalars are in [0, r); others are a RangeError, as are unequal lengths. */
export function msmReference<T>(curve: Curve<T>, points: readonly Affine<T>[], scalars: readonly bigint[]): Affine<T> {
  if (points.length !== scalars.length) throw new RangeError('msmReference: as many scalars as points are needed');
  if (!scalars.every((k) => Fr.isCanonical(k))) throw new RangeError('msmReference: a scalar is outside [0, r)');
  const windows = Fr.modulus.toString(16).length / (WINDOW_BITS / 4);
  let sum = curve.infinity;
  for (let window = windows - 1; window >= 0; window--) {
    for (let bit = 0; bit < WINDOW_BITS; bit++) sum = curve.doubleJacobian(sum);
    sum = curve.addJacobian(sum, windowSum(curve, points, scalars, BigInt(window * WINDOW_BITS)));
  }
  return curve.toAffine(sum);
}

/** The sum of d_i P_i with d_i the digit of k_i that begins at bit `shift`. */
function windowSum<T>(
  curve: Curve<T>,
  points: readonly Affine<T>[],
  scalars: readonly bigint[],
  shift: bigint,
): Jacobian<T> {
  const buckets: Jacobian<T>[] = new Array(BUCKETS).fill(curve.infinity);
  points.forEach((point, i) => {
    const digit = Number(((scalars[i] as bigint) >> shift) & BigInt(BUCKETS - 1));
    if (digit !== 0) buckets[digit] = curve.addMixed(buckets[digit] as Jacobian<T>, point);
  });
  let running = curve.infinity;
  let sum = curve.infinity;
  for (let digit = BUCKETS - 1; digit > 0; digit--) {
    running = curve.addJacobian(running, buckets[digit] as Jacobian<T>);
    sum = curve.addJacobian(sum, running);
  }
  return sum;
}
