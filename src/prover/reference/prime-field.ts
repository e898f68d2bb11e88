/**
 * Prime fields in BigInt: what the fast kernels are checked against.
 *
 * Elements are canonical BigInts, 0 <= a < p; every function expects such and returns such. Nothing here is constant
 * time, and a BigInt cannot be wiped: use it for oracles, keys' set-up and checks, never where timing is observed.
 */
import { Q, R } from '../../common/core.ts';

/** What curve and pairing code asks of a field, whatever its elements are. */
export interface Field<T> {
  readonly zero: T;
  readonly one: T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  neg(a: T): T;
  mul(a: T, b: T): T;
  square(a: T): T;
  /** Throws a RangeError for zero, which has no inverse. */
  inverse(a: T): T;
  equals(a: T, b: T): boolean;
  isZero(a: T): boolean;
}

export interface PrimeField extends Field<bigint> {
  readonly modulus: bigint;
  /** Any integer, reduced. */
  create(value: bigint): bigint;
  isCanonical(value: bigint): boolean;
  /** a^exponent; a negative exponent inverts. 0^0 is 1. */
  pow(a: bigint, exponent: bigint): bigint;
}

/** base^exponent in any field, from the exponent's lowest bit up. The exponent must not be negative. */
export function power<T>(F: Pick<Field<T>, 'one' | 'mul' | 'square'>, base: T, exponent: bigint): T {
  if (exponent < 0n) throw new RangeError('power: the exponent is negative');
  let result = F.one;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = F.mul(result, square);
    if (rest > 1n) square = F.square(square);
  }
  return result;
}

/**
 * Inverts all at once by Montgomery's trick: one inversion and three products an element.
 * Zeros stay zero, so that callers may mark "nothing to invert" with them.
 */
export function batchInverse<T>(F: Field<T>, values: readonly T[]): T[] {
  const prefixes: T[] = new Array(values.length);
  let product = F.one;
  values.forEach((value, i) => {
    prefixes[i] = product;
    if (!F.isZero(value)) product = F.mul(product, value);
  });
  let inverse = F.inverse(product);
  const inverses: T[] = new Array(values.length);
  for (let i = values.length - 1; i >= 0; i--) {
    const value = values[i] as T;
    if (F.isZero(value)) {
      inverses[i] = F.zero;
      continue;
    }
    inverses[i] = F.mul(inverse, prefixes[i] as T);
    inverse = F.mul(inverse, value);
  }
  return inverses;
}

/** The inverse of a modulo a prime, by the extended Euclidean algorithm; about ten times a Fermat power's speed. */
function inverseModulo(a: bigint, modulus: bigint): bigint {
  if (a === 0n) throw new RangeError('zero has no inverse');
  let [r0, r1] = [modulus, a];
  let [t0, t1] = [0n, 1n];
  while (r1 !== 0n) {
    const quotient = r0 / r1;
    [r0, r1] = [r1, r0 - quotient * r1];
    [t0, t1] = [t1, t0 - quotient * t1];
  }
  return t0 < 0n ? t0 + modulus : t0;
}

export function createPrimeField(modulus: bigint): PrimeField {
  const field: PrimeField = {
    modulus,
    zero: 0n,
    one: 1n,
    create(value) {
      const rest = value % modulus;
      return rest < 0n ? rest + modulus : rest;
    },
    isCanonical: (value) => value >= 0n && value < modulus,
    add(a, b) {
      const sum = a + b;
      return sum >= modulus ? sum - modulus : sum;
    },
    sub(a, b) {
      const difference = a - b;
      return difference < 0n ? difference + modulus : difference;
    },
    neg: (a) => (a === 0n ? 0n : modulus - a),
    mul: (a, b) => (a * b) % modulus,
    square: (a) => (a * a) % modulus,
    inverse: (a) => inverseModulo(a, modulus),
    equals: (a, b) => a === b,
    isZero: (a) => a === 0n,
    pow: (a, exponent) =>
      power(field, exponent < 0n ? inverseModulo(a, modulus) : a, exponent < 0n ? -exponent : exponent),
  };
  return field;
}

/** BN254's base field, in which points' coordinates lie. */
export const Fq = createPrimeField(Q);
/** BN254's scalar field, in which circuits compute. */
export const Fr = createPrimeField(R);
