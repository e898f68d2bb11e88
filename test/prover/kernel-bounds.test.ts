/** The generator lets every operation go to the bound at which it is still exact, and not one further. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Q, R } from '../../src/common/index.ts';
import { FmaArithmetic, LIMBS } from '../../src/prover/kernels/generator/fma-arithmetic.ts';
import { type IntElement, intRepresentation } from '../../src/prover/kernels/generator/int-arithmetic.ts';
import {
  type Bits,
  DIGIT,
  EXACT_MAX,
  HALF_DIGIT,
  HIGH_MAX,
  InexactError,
  ORIGIN,
  Recorder,
  WORD,
} from '../../src/prover/kernels/generator/ir.ts';

const WORD_32 = 1n << 32n;

interface Bounded {
  readonly what: string;
  /** The largest bound that may be asked for. */
  readonly most: bigint;
  readonly make: (ir: Recorder, max: bigint) => unknown;
}

const bits = (ir: Recorder, max: bigint): Bits => ir.loadBits('x', 0, max);
const digit = (ir: Recorder): Bits => ir.digit(bits(ir, WORD - 1n));

const OPERATIONS: readonly Bounded[] = [
  { what: 'a limb that is loaded', most: EXACT_MAX, make: (ir, max) => ir.load('x', 0, max) },
  {
    what: 'a sum of floats',
    most: EXACT_MAX - 5n,
    make: (ir, max) => ir.add(ir.load('x', 0, max), ir.load('y', 0, 5n)),
  },
  {
    what: 'a difference of floats',
    most: EXACT_MAX - 5n,
    make: (ir, max) => ir.sub(ir.load('x', 0, max), ir.load('y', 0, 5n)),
  },
  {
    what: 'a fused sum of a float and a product',
    most: (EXACT_MAX - 2n) / 3n,
    make: (ir, max) => ir.addProduct(ir.load('x', 0, 2n), ir.constant(3n), ir.load('y', 0, max)),
  },
  {
    what: 'a high part',
    most: HIGH_MAX / HALF_DIGIT - 1n,
    make: (ir, max) => ir.high(ir.load('x', 0, HALF_DIGIT), ir.load('y', 0, max)),
  },
  {
    what: 'a high part on top of another',
    most: HIGH_MAX / HALF_DIGIT - 3n,
    make: (ir, max) => {
      const before = ir.high(ir.load('x', 0, HALF_DIGIT), ir.load('y', 0, 1n));
      return ir.high(ir.load('x', 8, HALF_DIGIT), ir.load('y', 8, max), before);
    },
  },
  {
    what: 'a low part with another added',
    most: HALF_DIGIT,
    make: (ir, max) => {
      const [a, b] = [ir.load('x', 0, HALF_DIGIT), ir.load('y', 0, HALF_DIGIT)];
      return ir.lowPlus(ir.low(a, b, ir.high(a, b)), ir.load('y', 8, max));
    },
  },
  { what: 'a column that is settled', most: WORD - 1n, make: (ir, max) => ir.settle(bits(ir, max)) },
  {
    what: 'a column that half a digit is added to',
    most: WORD - (1n << 62n) - HALF_DIGIT - 1n,
    make: (ir, max) => ir.settle(bits(ir, max), HALF_DIGIT),
  },
  { what: 'bits that become a float', most: ORIGIN - 1n, make: (ir, max) => ir.toFloat(bits(ir, max)) },
  {
    what: 'a digit that a quotient is made from',
    most: DIGIT - 1n,
    make: (ir, max) => ir.productModuloDigit(bits(ir, max), 3n),
  },
  {
    what: 'a factor of a quotient',
    most: ((1n << 103n) - HALF_DIGIT - 1n) / (ORIGIN + DIGIT - 1n),
    make: (ir, max) => ir.productModuloDigit(digit(ir), max),
  },
  {
    what: 'a quotient by rounding',
    most: (1n << 40n) - 1n,
    make: (ir, max) => ir.nearestQuotient(ir.load('x', 0, max), 1),
  },
  {
    what: 'what is taken from an unsigned number',
    most: 100n,
    make: (ir, max) => ir.subtractBits(bits(ir, 1000n), ir.loadBits('y', 0, max), 100n),
  },
  { what: 'a factor of 32 bits', most: WORD_32 - 1n, make: (ir, max) => ir.narrow(bits(ir, max)) },
  { what: 'a constant of 32 bits', most: WORD_32 - 1n, make: (ir, max) => ir.constantNarrow(max) },
  { what: 'an unsigned column that is masked', most: WORD - 1n, make: (ir, max) => ir.mask(bits(ir, max), 29) },
  {
    what: 'an unsigned column that is shifted',
    most: WORD - 1n,
    make: (ir, max) => ir.shiftRight(bits(ir, max), 29),
  },
];

/** An element in memory of which limb i may reach `max`, and the others what they must keep to. */
const STORES: readonly Bounded[] = (['reduced', 'stored', 'wide'] as const).flatMap((size) =>
  Array.from({ length: LIMBS }, (_, i): Bounded => {
    const limbMax = (j: number): bigint => new FmaArithmetic(new Recorder(), Q, { chain: false }).limbMax(j, size);
    return {
      what: `limb ${i} of a ${size} element on f64 lanes`,
      most: limbMax(i),
      make: (ir, max) => {
        const limbs = Array.from({ length: LIMBS }, (_limb, j) => ir.load('x', 16 * j, i === j ? max : limbMax(j)));
        new FmaArithmetic(ir, Q, { chain: false }).store('z', limbs, size);
      },
    };
  }),
);

const INT_LIMBS = 9;
const topOf = (p: bigint): bigint => (2n * p) >> 232n;
const intElement = (ir: Recorder, p: bigint, change: { at?: number; limb?: bigint; max?: bigint }): IntElement => ({
  limbs: Array.from({ length: INT_LIMBS }, (_, i) => {
    const most = i === INT_LIMBS - 1 ? topOf(p) : (1n << 29n) - 1n;
    return ir.loadBits('x', 16 * i, i === change.at ? (change.limb ?? most) : most);
  }),
  max: change.max ?? 2n * p,
});
const INT_STORES: readonly Bounded[] = [Q, R].flatMap((p) => [
  {
    what: 'the value of an element on integer lanes',
    most: 2n * p,
    make: (ir: Recorder, max: bigint) =>
      intRepresentation.arithmetic(ir, p).store('z', intElement(ir, p, { max }), 'stored'),
  },
  ...[0, 7, 8].map((at) => ({
    what: `limb ${at} of an element on integer lanes`,
    most: at === 8 ? topOf(p) : (1n << 29n) - 1n,
    make: (ir: Recorder, limb: bigint) =>
      intRepresentation.arithmetic(ir, p).store('z', intElement(ir, p, { at, limb }), 'stored'),
  })),
]);

describe('generation goes to the bound and not one further', () => {
  for (const { what, most, make } of [...OPERATIONS, ...STORES, ...INT_STORES]) {
    it(`for ${what}`, () => {
      make(new Recorder(), most);
      assert.throws(() => make(new Recorder(), most + 1n), InexactError);
    });
  }
});

describe('the bounds of a column', () => {
  it('let a carry be taken from 64 bits and no more', () => {
    const ir = new Recorder();
    assert.equal(ir.carry(bits(ir, WORD - 1n)).hi, WORD / DIGIT - 1n);
    assert.throws(() => ir.carry(bits(ir, WORD)), InexactError);
  });

  it('are those of its digit and its carry at both ends', () => {
    for (const [lo, hi] of [
      [0n, DIGIT - 1n],
      [0n, DIGIT],
      [-1n, DIGIT],
      [-DIGIT, 3n * DIGIT - 1n],
      [-DIGIT - 1n, (1n << 61n) + 5n],
    ] as const) {
      const ir = new Recorder();
      const column = ir.settle(ir.addToPayload(bits(ir, hi - lo), lo));
      const floor = (x: bigint): bigint => (x - (((x % DIGIT) + DIGIT) % DIGIT)) / DIGIT;
      const carry = ir.carry(column);
      assert.deepEqual([carry.lo, carry.hi], [floor(lo), floor(hi)], `${lo} to ${hi}`);
      const rest = ir.digit(column);
      assert.deepEqual([rest.lo, rest.hi], [0n, DIGIT - 1n]);
    }
  });

  it('are those of the number that it becomes', () => {
    const ir = new Recorder();
    assert.equal(ir.toFloat(ir.addToPayload(bits(ir, 30n), -10n)).max, 20n);
    assert.equal(ir.toFloat(ir.addToPayload(bits(ir, 30n), -25n)).max, 25n);
    assert.equal(ir.toFloat(bits(ir, DIGIT - 1n), HALF_DIGIT).max, HALF_DIGIT);
  });
});
