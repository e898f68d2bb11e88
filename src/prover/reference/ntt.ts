/**
 * The number-theoretic transform over Fr, twice: by its definition, and by radix 2 for sizes where that takes too long.
 *
 * Values and coefficients are in natural order on both sides, and w is `rootOfUnity(size)`, the root that snarkjs's
 * keys are written for: value_i = sum over j of coefficient_j w^(i j). (Cooley and Tukey 1965)
 */
import { rootOfUnity } from './bn254.ts';
import { Fr } from './prime-field.ts';

/** The polynomial's values at 1, w, w^2 .. , each summed by itself: n^2 products. A power of two of coefficients. */
export function nttByDefinition(coefficients: readonly bigint[]): bigint[] {
  const w = rootOfUnity(coefficients.length);
  return coefficients.map((_, i) => {
    const x = Fr.pow(w, BigInt(i));
    return coefficients.reduceRight((sum, coefficient) => Fr.add(Fr.mul(sum, x), coefficient), 0n);
  });
}

/** As `nttByDefinition`, in n/2 log n products. */
export function nttReference(coefficients: readonly bigint[]): bigint[] {
  return transform(coefficients, rootOfUnity(coefficients.length));
}

/** Coefficients from values: the transform by w^-1, over n. */
export function inverseNttReference(values: readonly bigint[]): bigint[] {
  const scale = Fr.inverse(BigInt(values.length));
  return transform(values, Fr.inverse(rootOfUnity(values.length))).map((sum) => Fr.mul(sum, scale));
}

/**
 * From values on the n-domain to values on the odd points of the 2n-domain, w' w^i with w'^2 = w: where a Groth16
 * prover needs A B - C. Size at most 2^27, half of what has roots of unity.
 */
export function toOddPointsReference(values: readonly bigint[]): bigint[] {
  const shift = rootOfUnity(2 * values.length);
  let power = 1n;
  const shifted = inverseNttReference(values).map((coefficient) => {
    const product = Fr.mul(coefficient, power);
    power = Fr.mul(power, shift);
    return product;
  });
  return nttReference(shifted);
}

/** Even and odd coefficients apart: f(x) = e(x^2) + x o(x^2), and w^(n/2) = -1 gives two values for each pair. */
function transform(coefficients: readonly bigint[], w: bigint): bigint[] {
  const size = coefficients.length;
  if (size === 1) return [...coefficients];
  const square = Fr.square(w);
  const even = transform(
    coefficients.filter((_, i) => i % 2 === 0),
    square,
  );
  const odd = transform(
    coefficients.filter((_, i) => i % 2 === 1),
    square,
  );
  const half = size / 2;
  const values: bigint[] = new Array(size);
  let power = 1n;
  for (let i = 0; i < half; i++) {
    const product = Fr.mul(power, odd[i] as bigint);
    values[i] = Fr.add(even[i] as bigint, product);
    values[i + half] = Fr.sub(even[i] as bigint, product);
    power = Fr.mul(power, w);
  }
  return values;
}
