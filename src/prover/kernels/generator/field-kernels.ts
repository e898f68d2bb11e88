/**
 * The small functions that everything larger is composed of, for one field: BN254's Fq or Fr, or Fq2.
 *
 * Each works on packs: as many elements as there are lanes, limb by limb. Operands may be the same pack, and the result
 * may take the place of any of them: all loads come before the first store. Functions are small and call one another
 * through memory, as one long function per point addition was no faster (Node 24, 26) or slower (Node 20).
 */
import type { Arithmetic, Representation, Size } from './arithmetic.ts';
import { type ConstantPool, kernelFunction, type Target } from './wat.ts';

export interface FieldOptions<E> {
  readonly name: string;
  readonly modulus: bigint;
  readonly representation: Representation<E>;
  readonly target: Target;
  readonly pool: ConstantPool;
}

/** Pointers to what is read or written, with the size of what is there. */
type Operands = Readonly<Record<string, Size>>;

export function primeFieldKernels<E>(options: FieldOptions<E>): string[] {
  const { name, modulus, representation, target, pool } = options;

  const kernel = (
    suffix: string,
    operands: Operands,
    results: Operands,
    body: (F: Arithmetic<E>, at: (pointer: string) => E) => readonly E[],
  ): string => {
    const parameters = [...new Set([...(results.z === undefined ? [] : ['z']), ...Object.keys(operands)])];
    return kernelFunction(`${name}_${suffix}`, parameters, target, pool, (ir) => {
      const F = representation.arithmetic(ir, modulus);
      const loaded = new Map(Object.entries(operands).map(([x, size]) => [x, F.load(x, size)]));
      const made = body(F, (pointer) => loaded.get(pointer) as E);
      Object.entries(results).forEach(([pointer, size], r) => {
        F.store(pointer, made[r] as E, size);
      });
    });
  };
  const stored: Operands = { z: 'stored' };
  const reduced: Operands = { z: 'reduced' };

  return [
    kernel('mul', { x: 'stored', y: 'stored' }, stored, (F, at) => [F.mul(at('x'), at('y'))]),
    kernel('sqr', { x: 'stored' }, stored, (F, at) => [F.square(at('x'))]),
    kernel('add', { x: 'stored', y: 'stored' }, reduced, (F, at) => [F.reduce(F.lazyAdd(at('x'), at('y')))]),
    kernel('sub', { x: 'stored', y: 'stored' }, reduced, (F, at) => [F.reduce(F.lazySub(at('x'), at('y')))]),
    kernel('neg', { x: 'stored' }, stored, (F, at) => [F.neg(at('x'))]),
    kernel('reduce', { x: 'stored' }, reduced, (F, at) => [F.reduce(at('x'))]),
    kernel('triple', { x: 'stored' }, reduced, (F, at) => [F.reduce(F.lazyAdd(F.lazyAdd(at('x'), at('x')), at('x')))]),
    // x (y - w)
    kernel('mulsub', { x: 'stored', y: 'reduced', w: 'reduced' }, stored, (F, at) => [
      F.mul(at('x'), F.lazySub(at('y'), at('w'))),
    ]),
    // x (y - w) - u
    kernel('mulsubsub', { x: 'stored', y: 'reduced', w: 'reduced', u: 'reduced' }, reduced, (F, at) => [
      F.reduce(F.lazySub(F.mul(at('x'), F.lazySub(at('y'), at('w'))), at('u'))),
    ]),
    // x^2 - u - w
    kernel('sqrsub2', { x: 'stored', u: 'reduced', w: 'reduced' }, reduced, (F, at) => [
      F.reduce(F.lazySub(F.lazySub(F.square(at('x')), at('u')), at('w'))),
    ]),
    ...wordKernels(options),
    ...representation.cellKernels(name, modulus, target, pool),
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
function wordKernels<E>({ name, modulus, representation, target, pool }: FieldOptions<E>): string[] {
  return [
    kernelFunction(`${name}_read`, ['z', 'source', 'stride', 'factor'], target, pool, (ir) => {
      const F = representation.arithmetic(ir, modulus);
      const words = Array.from({ length: 4 }, (_, word) => {
        const first = `(v128.load64_zero offset=${8 * word} ${stridden('source', 0)})`;
        return ir.word(`(v128.load64_lane offset=${8 * word} 1 ${stridden('source', 1)} ${first})`);
      });
      F.store('z', F.reduce(F.mul(F.fromWords(words), F.load('factor', 'reduced'))), 'reduced');
    }),
    kernelFunction(`${name}_write`, ['target', 'stride', 'x'], target, pool, (ir) => {
      const F = representation.arithmetic(ir, modulus);
      F.toWords(F.load('x', 'stored')).forEach((bits, word) => {
        for (const which of [0, 1] as const) {
          ir.effect(`(v128.store64_lane offset=${8 * word} ${which} ${stridden('target', which)} {0})`, bits);
        }
      });
    }),
  ];
}

/**
 * Fq2 = Fq[u] / (u^2 + 1): an element is two packs, the real part first. Both parts of a product are sums of two
 * products with one reduction each. Every result is reduced.
 *
 * On four lanes each part has a function of its own, and the result of a product takes no operand's place: with two
 * reductions in one function the revectorizer of V8 13.6 (Node 24) joins halves that do not belong together.
 */
export function quadraticFieldKernels<E>(options: FieldOptions<E>): string[] {
  const { name, modulus, representation, target, pool } = options;
  type Pair = readonly [E, E];
  type Field = Arithmetic<E>;

  type Body = (F: Field, at: (pointer: string) => Pair) => Pair;
  /** What the parts that are stored need not, is left out. */
  const storing = (parts: readonly (0 | 1)[], suffix: string, parameters: readonly string[], body: Body): string =>
    kernelFunction(`${name}_${suffix}`, ['z', ...parameters], target, pool, (ir) => {
      const F = representation.arithmetic(ir, modulus);
      const load = (x: string): Pair => [F.load(x, 'reduced'), F.load(x, 'reduced', representation.pairBytes)];
      const loaded = new Map(parameters.map((x) => [x, load(x)]));
      const made = body(F, (pointer) => loaded.get(pointer) as Pair);
      for (const i of parts) F.store('z', made[i], 'reduced', i * representation.pairBytes);
    });
  const kernel = (suffix: string, parameters: readonly string[], body: Body): string => {
    if (target.lanes === 2) return storing([0, 1], suffix, parameters, body);
    const all = ['z', ...parameters];
    const operands = all.map((pointer) => `(local.get $${pointer})`).join(' ');
    const signature = all.map((pointer) => `(param $${pointer} i32)`).join(' ');
    const each = [0, 1] as const;
    return [
      ...each.map((i) => storing([i], `${suffix}_${i}`, parameters, body)),
      `(func $${name}_${suffix} ${signature} ${each.map((i) => `(call $${name}_${suffix}_${i} ${operands})`).join(' ')})`,
    ].join('\n');
  };

  const reduce = (F: Field, [a, b]: Pair): Pair => [F.reduce(a), F.reduce(b)];
  const sub = (F: Field, x: Pair, y: Pair): Pair => [F.lazySub(x[0], y[0]), F.lazySub(x[1], y[1])];
  const add = (F: Field, x: Pair, y: Pair): Pair => [F.lazyAdd(x[0], y[0]), F.lazyAdd(x[1], y[1])];
  const mul = (F: Field, x: Pair, y: Pair): Pair => [
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
  const square = (F: Field, [a, b]: Pair): Pair => [
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
