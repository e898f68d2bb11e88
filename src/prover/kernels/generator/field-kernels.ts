/**
 * The small functions that everything larger is composed of, for one field on f64 lanes: BN254's Fq or Fr, or Fq2.
 *
 * Each works on packs: as many elements as there are lanes, limb by limb. Operands may be the same pack, and the result
 * may take the place of any of them: all loads come before the first store. Functions are small and call one another
 * through memory, as one long function per point addition was no faster (Node 24, 26) or slower (Node 20).
 */
import { type Element, FmaArithmetic, type FmaOptions, LIMBS, type Size } from './fma-arithmetic.ts';
import type { Recorder } from './ir.ts';
import { type ConstantPool, kernelFunction, type Target } from './wat.ts';

/** A single element of a prime field, not in lanes, as tables and buckets keep it: five f64. */
export const CELL_BYTES = 8 * LIMBS;

export interface FieldKernelOptions extends FmaOptions {
  readonly name: string;
  readonly modulus: bigint;
  readonly target: Target;
  readonly pool: ConstantPool;
}

/** Offsets are counted for two lanes, 16 bytes a limb; the emitter doubles them for four. */
export const limbOffset = (i: number): number => 16 * i;

/** Pointers to what is read, with the size of what is there. */
type Operands = Readonly<Record<string, Size>>;
type Read = (pointer: string) => Element;

export function primeFieldKernels(options: FieldKernelOptions): string[] {
  const { name, modulus, target, pool } = options;

  /** One result into `z`, or several into the operands named. */
  const kernel = (
    suffix: string,
    operands: Operands,
    results: readonly (readonly [string, Size])[],
    body: (F: FmaArithmetic, at: Read) => readonly Element[],
  ): string => {
    const parameters = Object.keys(operands);
    const all = results.some(([pointer]) => pointer === 'z') ? ['z', ...parameters] : parameters;
    return kernelFunction(`${name}_${suffix}`, all, target, pool, (ir) => {
      const F = new FmaArithmetic(ir, modulus, options);
      const loaded = new Map(parameters.map((x) => [x, F.load(x, operands[x] as Size, limbOffset)]));
      const made = body(F, (pointer) => loaded.get(pointer) as Element);
      results.forEach(([pointer, size], r) => {
        F.require(made[r] as Element, size).forEach((limb, i) => {
          ir.store(pointer, limbOffset(i), limb);
        });
      });
    });
  };
  const [stored, reduced]: readonly [readonly [string, Size], readonly [string, Size]] = [
    ['z', 'stored'],
    ['z', 'reduced'],
  ];

  return [
    kernel('mul', { x: 'stored', y: 'stored' }, [stored], (F, at) => [F.mul(at('x'), at('y'))]),
    kernel('sqr', { x: 'stored' }, [stored], (F, at) => [F.square(at('x'))]),
    kernel('add', { x: 'stored', y: 'stored' }, [reduced], (F, at) => [F.reduce(F.lazyAdd(at('x'), at('y')))]),
    kernel('sub', { x: 'stored', y: 'stored' }, [reduced], (F, at) => [F.reduce(F.lazySub(at('x'), at('y')))]),
    kernel('neg', { x: 'stored' }, [stored], (F, at) => [F.neg(at('x'))]),
    kernel('reduce', { x: 'stored' }, [reduced], (F, at) => [F.reduce(at('x'))]),
    kernel('triple', { x: 'stored' }, [reduced], (F, at) => [
      F.reduce(F.lazyAdd(F.lazyAdd(at('x'), at('x')), at('x'))),
    ]),
    // x (y - w)
    kernel('mulsub', { x: 'stored', y: 'reduced', w: 'reduced' }, [stored], (F, at) => [
      F.mul(at('x'), F.lazySub(at('y'), at('w'))),
    ]),
    // x (y - w) - u
    kernel('mulsubsub', { x: 'stored', y: 'reduced', w: 'reduced', u: 'reduced' }, [reduced], (F, at) => [
      F.reduce(F.lazySub(F.mul(at('x'), F.lazySub(at('y'), at('w'))), at('u'))),
    ]),
    // x^2 - u - w
    kernel('sqrsub2', { x: 'stored', u: 'reduced', w: 'reduced' }, [reduced], (F, at) => [
      F.reduce(F.lazySub(F.lazySub(F.square(at('x')), at('u')), at('w'))),
    ]),
    // Butterflies. In frequency (x, y) becomes (x + y, (x - y) w), in time (x + y w, x - y w).
    kernel(
      'dif',
      { x: 'stored', y: 'stored', w: 'reduced' },
      [
        ['x', 'reduced'],
        ['y', 'stored'],
      ],
      (F, at) => [F.reduce(F.lazyAdd(at('x'), at('y'))), F.mul(F.lazySub(at('x'), at('y')), at('w'))],
    ),
    kernel(
      'dit',
      { x: 'stored', y: 'stored', w: 'reduced' },
      [
        ['x', 'reduced'],
        ['y', 'reduced'],
      ],
      (F, at) => {
        const product = F.mul(at('y'), at('w'));
        return [F.reduce(F.lazyAdd(at('x'), product)), F.reduce(F.lazySub(at('x'), product))];
      },
    ),
    ...wordKernels(options),
    ...cellKernels(name, target, pool),
  ];
}

/** The address of a lane's 32 bytes: `{lane}` is that of the first lane of 128 bits. */
const stridden = (base: string, which: 0 | 1): string =>
  `(i32.add (local.get $${base}) (i32.mul (local.get $stride) (i32.const {lane+${which}})))`;

/**
 * `NAME_read(z, source, stride, factor)`: one element a lane from 32-byte little-endian words, lane l at
 * source + l * stride, times the pack `factor` by Montgomery: R^2 for plain values, R^2 / 2^256 for snarkjs's form.
 * `NAME_write(target, stride, x)`: the canonical plain value of each lane, 32 bytes little-endian.
 */
function wordKernels({ name, modulus, target, pool, chain }: FieldKernelOptions): string[] {
  return [
    kernelFunction(`${name}_read`, ['z', 'source', 'stride', 'factor'], target, pool, (ir) => {
      const F = new FmaArithmetic(ir, modulus, { chain });
      const words = Array.from({ length: 4 }, (_, word) => {
        const first = `(v128.load64_zero offset=${8 * word} ${stridden('source', 0)})`;
        return ir.word(`(v128.load64_lane offset=${8 * word} 1 ${stridden('source', 1)} ${first})`);
      });
      const product = F.mul(F.fromWords(words), F.load('factor', 'reduced', limbOffset));
      F.require(F.reduce(product), 'reduced').forEach((limb, i) => {
        ir.store('z', limbOffset(i), limb);
      });
    }),
    kernelFunction(`${name}_write`, ['target', 'stride', 'x'], target, pool, (ir) => {
      const F = new FmaArithmetic(ir, modulus, { chain });
      const one = [1n, 0n, 0n, 0n, 0n].map((limb) => ir.constant(limb));
      F.toWords(F.mul(F.load('x', 'stored', limbOffset), one)).forEach((bits, word) => {
        for (const which of [0, 1] as const) {
          ir.effect(`(v128.store64_lane offset=${8 * word} ${which} ${stridden('target', which)} {0})`, bits);
        }
      });
    }),
  ];
}

/**
 * Between packs and cells that lie anywhere. `list` holds one 32-bit reference a lane: the cell's address / 16, with a
 * sign in bit 31; `offset` bytes are added to each address.
 *   NAME_gather(z, list, offset)          the elements as they are
 *   NAME_gather_signed(z, list, offset)   negated where the sign is set
 *   NAME_scatter(list, offset, x)         back to the cells
 */
function cellKernels(name: string, target: Target, pool: ConstantPool): string[] {
  const reference = (which: 0 | 1): string => `(i32.load (i32.add (local.get $list) (i32.const {lane+${which}*4})))`;
  const address = (which: 0 | 1): string => `(i32.add (i32.shl ${reference(which)} (i32.const 4)) (local.get $offset))`;
  const sign = (which: 0 | 1): string =>
    `(i64.shl (i64.extend_i32_u (i32.shr_u ${reference(which)} (i32.const 31))) (i64.const 63))`;
  const gather = (ir: Recorder, i: number): ReturnType<Recorder['word']> =>
    ir.word(`(v128.load64_lane offset=${8 * i} 1 ${address(1)} (v128.load64_zero offset=${8 * i} ${address(0)}))`);
  return [
    kernelFunction(`${name}_gather`, ['z', 'list', 'offset'], target, pool, (ir) => {
      for (let i = 0; i < LIMBS; i++) ir.storeWord('z', limbOffset(i), gather(ir, i));
    }),
    kernelFunction(`${name}_gather_signed`, ['z', 'list', 'offset'], target, pool, (ir) => {
      const mask = ir.word(`(i64x2.replace_lane 1 (i64x2.splat ${sign(0)}) ${sign(1)})`);
      for (let i = 0; i < LIMBS; i++) {
        ir.storeWord('z', limbOffset(i), ir.word('(v128.xor {0} {1})', gather(ir, i), mask));
      }
    }),
    kernelFunction(`${name}_scatter`, ['list', 'offset', 'x'], target, pool, (ir) => {
      for (let i = 0; i < LIMBS; i++) {
        const limb = ir.loadWord('x', limbOffset(i));
        for (const which of [0, 1] as const) {
          ir.effect(`(v128.store64_lane offset=${8 * i} ${which} ${address(which)} {0})`, limb);
        }
      }
    }),
  ];
}

/**
 * Fq2 = Fq[u] / (u^2 + 1): an element is two packs, the real part first. Both parts of a product are sums of two
 * products with one reduction each. Every result is reduced.
 */
export function quadraticFieldKernels(options: FieldKernelOptions): string[] {
  const { name, modulus, target, pool } = options;
  type Pair = readonly [Element, Element];
  const part = (c: 0 | 1) => (i: number) => limbOffset(i + c * LIMBS);

  const kernel = (
    suffix: string,
    parameters: readonly string[],
    body: (F: FmaArithmetic, at: (pointer: string) => Pair) => Pair,
  ): string =>
    kernelFunction(`${name}_${suffix}`, ['z', ...parameters], target, pool, (ir) => {
      const F = new FmaArithmetic(ir, modulus, options);
      const load = (x: string): Pair => [F.load(x, 'reduced', part(0)), F.load(x, 'reduced', part(1))];
      const loaded = new Map(parameters.map((x) => [x, load(x)]));
      const made = body(F, (pointer) => loaded.get(pointer) as Pair);
      made.forEach((element, c) => {
        F.require(element, 'reduced').forEach((limb, i) => {
          ir.store('z', part(c as 0 | 1)(i), limb);
        });
      });
    });

  const both = (f: (x: Element, y: Element) => Element, x: Pair, y: Pair): Pair => [f(x[0], y[0]), f(x[1], y[1])];
  const reduce = (F: FmaArithmetic, x: Pair): Pair => [F.reduce(x[0]), F.reduce(x[1])];
  const sub = (F: FmaArithmetic, x: Pair, y: Pair): Pair => both((a, b) => F.lazySub(a, b), x, y);
  const add = (F: FmaArithmetic, x: Pair, y: Pair): Pair => both((a, b) => F.lazyAdd(a, b), x, y);
  const mul = (F: FmaArithmetic, x: Pair, y: Pair): Pair => [
    F.sumOfProducts([
      [x[0], y[0]],
      [F.neg(x[1]), y[1]],
    ]),
    F.sumOfProducts([
      [x[0], y[1]],
      [x[1], y[0]],
    ]),
  ];
  // (a + b u)^2 = (a + b) (a - b) + 2 a b u; a - b is carried, or the product of two sums would leave its binade.
  const square = (F: FmaArithmetic, [a, b]: Pair): Pair => [
    F.mul(F.lazyAdd(a, b), F.carry(F.lazySub(a, b))),
    F.mul(F.lazyAdd(a, a), b),
  ];

  return [
    kernel('mul', ['x', 'y'], (F, at) => reduce(F, mul(F, at('x'), at('y')))),
    kernel('sqr', ['x'], (F, at) => reduce(F, square(F, at('x')))),
    kernel('add', ['x', 'y'], (F, at) => reduce(F, add(F, at('x'), at('y')))),
    kernel('sub', ['x', 'y'], (F, at) => reduce(F, sub(F, at('x'), at('y')))),
    kernel('neg', ['x'], (F, at) => [F.neg(at('x')[0]), F.neg(at('x')[1])]),
    kernel('triple', ['x'], (F, at) => reduce(F, add(F, add(F, at('x'), at('x')), at('x')))),
    kernel('mulsub', ['x', 'y', 'w'], (F, at) => reduce(F, mul(F, at('x'), sub(F, at('y'), at('w'))))),
    kernel('mulsubsub', ['x', 'y', 'w', 'u'], (F, at) =>
      reduce(F, sub(F, mul(F, at('x'), sub(F, at('y'), at('w'))), at('u'))),
    ),
    kernel('sqrsub2', ['x', 'u', 'w'], (F, at) => reduce(F, sub(F, sub(F, square(F, at('x')), at('u')), at('w')))),
  ];
}
