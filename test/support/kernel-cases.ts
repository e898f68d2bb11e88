/**
 * What every field kernel is to compute, and operands that try its bounds: limbs at the edges of what memory may hold,
 * not only at what field elements look like. The oracle is BigInt on the limbs' integer values.
 */
import { Q, R } from '../../src/common/index.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';

export type Size = 'reduced' | 'stored';

export interface FieldCase {
  /** The export, without its field's prefix. */
  readonly kernel: string;
  readonly operands: readonly Size[];
  /** What the result keeps to, whoever goes on with it taking that for granted. */
  readonly result: Size;
  /** Of the limbs' values, with 1/R of the Montgomery form. */
  readonly expected: (x: readonly bigint[], inverseR: bigint) => bigint;
}

const get = (x: readonly bigint[], i: number): bigint => x[i] as bigint;

export const FIELD_CASES: readonly FieldCase[] = [
  {
    kernel: 'mul',
    operands: ['stored', 'stored'],
    result: 'stored',
    expected: (x, i) => get(x, 0) * get(x, 1) * i,
  },
  { kernel: 'sqr', operands: ['stored'], result: 'stored', expected: (x, i) => get(x, 0) ** 2n * i },
  { kernel: 'add', operands: ['stored', 'stored'], result: 'reduced', expected: (x) => get(x, 0) + get(x, 1) },
  { kernel: 'sub', operands: ['stored', 'stored'], result: 'reduced', expected: (x) => get(x, 0) - get(x, 1) },
  { kernel: 'neg', operands: ['stored'], result: 'stored', expected: (x) => -get(x, 0) },
  { kernel: 'reduce', operands: ['stored'], result: 'reduced', expected: (x) => get(x, 0) },
  { kernel: 'triple', operands: ['stored'], result: 'reduced', expected: (x) => 3n * get(x, 0) },
  {
    kernel: 'mulsub',
    operands: ['stored', 'reduced', 'reduced'],
    result: 'stored',
    expected: (x, i) => get(x, 0) * (get(x, 1) - get(x, 2)) * i,
  },
  {
    kernel: 'mulsubsub',
    operands: ['stored', 'reduced', 'reduced', 'reduced'],
    result: 'reduced',
    expected: (x, i) => get(x, 0) * (get(x, 1) - get(x, 2)) * i - get(x, 3),
  },
  {
    kernel: 'sqrsub2',
    operands: ['stored', 'reduced', 'reduced'],
    result: 'reduced',
    expected: (x, i) => get(x, 0) ** 2n * i - get(x, 1) - get(x, 2),
  },
];

/** Fq2's kernels, on (real, imaginary) pairs; operands and results are reduced. */
type Complex = readonly [bigint, bigint];
export interface QuadraticCase {
  readonly kernel: string;
  readonly operands: number;
  readonly expected: (x: readonly Complex[], inverseR: bigint) => Complex;
}
const product = ([a, b]: Complex, [c, d]: Complex, i: bigint): Complex => [(a * c - b * d) * i, (a * d + b * c) * i];
const minus = ([a, b]: Complex, [c, d]: Complex): Complex => [a - c, b - d];
const at = (x: readonly Complex[], i: number): Complex => x[i] as Complex;

export const QUADRATIC_CASES: readonly QuadraticCase[] = [
  { kernel: 'mul', operands: 2, expected: (x, i) => product(at(x, 0), at(x, 1), i) },
  { kernel: 'sqr', operands: 1, expected: (x, i) => product(at(x, 0), at(x, 0), i) },
  { kernel: 'add', operands: 2, expected: (x) => [at(x, 0)[0] + at(x, 1)[0], at(x, 0)[1] + at(x, 1)[1]] },
  { kernel: 'sub', operands: 2, expected: (x) => minus(at(x, 0), at(x, 1)) },
  { kernel: 'neg', operands: 1, expected: (x) => minus([0n, 0n], at(x, 0)) },
  { kernel: 'triple', operands: 1, expected: (x) => [3n * at(x, 0)[0], 3n * at(x, 0)[1]] },
  { kernel: 'mulsub', operands: 3, expected: (x, i) => product(at(x, 0), minus(at(x, 1), at(x, 2)), i) },
  {
    kernel: 'mulsubsub',
    operands: 4,
    expected: (x, i) => minus(product(at(x, 0), minus(at(x, 1), at(x, 2)), i), at(x, 3)),
  },
  {
    kernel: 'sqrsub2',
    operands: 3,
    expected: (x, i) => minus(minus(product(at(x, 0), at(x, 0), i), at(x, 1)), at(x, 2)),
  },
];

/** Limbs at the edges of their bounds, one operand: what to write for one lane, and its integer value. */
export interface Limbs {
  readonly patterns: readonly bigint[];
  readonly value: bigint;
}

const float = new DataView(new ArrayBuffer(8));
function bitsOf(value: number): bigint {
  float.setFloat64(0, value);
  return float.getBigUint64(0);
}
export function floatOf(bits: bigint): number {
  float.setBigUint64(0, bits);
  return float.getFloat64(0);
}

type Random = (below: number) => number;

const FMA_HALF_DIGIT = 2 ** 50;
/** The lower limbs' bound and the top ones', as the generator declares them. */
const FMA_LIMB = FMA_HALF_DIGIT + 64;
const FMA_TOP: Readonly<Record<Size, number>> = {
  reduced: Number((BigInt(FMA_HALF_DIGIT) * 379n) / 1000n),
  stored: Number((BigInt(FMA_HALF_DIGIT) * 62n) / 100n),
};

function fmaMagnitude(max: number, random: Random): number {
  switch (random(8)) {
    case 0:
      return max;
    case 1:
      return max - random(130);
    case 2:
      return FMA_HALF_DIGIT;
    case 3:
      return FMA_HALF_DIGIT - random(130);
    case 4:
      return random(130);
    case 5:
      return 0;
    case 6:
      return max - random(1024);
    default:
      return (random(2 ** 30) * 2 ** 21 + random(2 ** 21)) % (max + 1);
  }
}

/** In numbers, as every limb is one exactly; minus zero is among them, as negating makes it. */
function fmaLimbs(size: Size, random: Random): Limbs {
  const patterns = new Array<bigint>(5);
  let value = 0n;
  for (let i = 4; i >= 0; i--) {
    const max = i === 4 ? FMA_TOP[size] : FMA_LIMB;
    const magnitude = Math.min(max, fmaMagnitude(max, random));
    const limb = random(2) === 0 ? magnitude : -magnitude;
    patterns[i] = bitsOf(limb);
    value = (value << 51n) + BigInt(limb);
  }
  return { patterns, value };
}

function intLimbs(modulus: bigint, random: Random): Limbs {
  const word = (): bigint => BigInt(random(2 ** 29));
  const limbs = Array.from({ length: 9 }, (_, i) => {
    const max = i === 8 ? (2n * modulus) >> 232n : (1n << 29n) - 1n;
    const wide = word() % (max + 1n);
    const choices = [max, 0n, 1n, max - (wide % 64n), wide, wide];
    const chosen = choices[random(choices.length)] as bigint;
    return chosen > max ? max : chosen;
  });
  let value = limbs.reduce((sum, limb, i) => sum + (limb << BigInt(29 * i)), 0n);
  if (value > 2n * modulus) {
    limbs[8] = (limbs[8] as bigint) - 1n;
    value -= 1n << 232n;
  }
  return { patterns: limbs, value };
}

export function adversarialLimbs(kernels: Kernels, modulus: bigint, size: Size, random: Random): Limbs {
  return kernels.tier === 'int2' ? intLimbs(modulus, random) : fmaLimbs(size, random);
}

/** Whether the limbs that a kernel wrote keep to what is declared of elements of that size. */
export function keepsTo(kernels: Kernels, modulus: bigint, size: Size, patterns: readonly bigint[]): boolean {
  if (kernels.tier !== 'int2') {
    return patterns.every((bits, i) => Math.abs(floatOf(bits)) <= (i === 4 ? FMA_TOP[size] : FMA_LIMB));
  }
  const value = patterns.reduce((sum, limb, i) => sum + (limb << BigInt(29 * i)), 0n);
  return patterns.every((limb) => limb < 1n << 29n) && value <= 2n * modulus;
}

/** 1 / R of the tier's Montgomery form. */
export function inverseOfR(kernels: Kernels, modulus: bigint): bigint {
  const r = 1n << (kernels.tier === 'int2' ? 261n : 255n);
  let [result, base] = [1n, r % modulus];
  for (let e = modulus - 2n; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return result;
}

export const FIELDS = [
  ['fq', Q],
  ['fr', R],
] as const;
