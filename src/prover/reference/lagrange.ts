/**
 * Lagrange polynomials over the powers of a root of unity, taken at one point.
 *
 * Over the domain {w^0 .. w^(n-1)}: L_i(tau) = w^i (tau^n - 1) / (n (tau - w^i)). The n inversions are done in one.
 */
import { rootOfUnity } from './bn254.ts';
import { batchInverse, Fr } from './prime-field.ts';

/** L_0(tau) .. L_(size-1)(tau). Throws a RangeError when tau lies in the domain, where the formula divides by zero. */
export function lagrangeAt(size: number, tau: bigint): bigint[] {
  const w = rootOfUnity(size);
  const powers: bigint[] = new Array(size);
  let power = 1n;
  for (let i = 0; i < size; i++) {
    powers[i] = power;
    power = Fr.mul(power, w);
  }
  const n = BigInt(size);
  const vanishing = Fr.sub(Fr.pow(tau, n), 1n);
  if (vanishing === 0n) throw new RangeError('lagrangeAt: the point lies in the domain');
  const scale = Fr.mul(vanishing, Fr.inverse(n));
  const inverses = batchInverse(
    Fr,
    powers.map((wi) => Fr.sub(tau, wi)),
  );
  return powers.map((wi, i) => Fr.mul(Fr.mul(scale, wi), inverses[i] as bigint));
}
