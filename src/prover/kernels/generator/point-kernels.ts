/**
 * The steps of a batched-affine addition on two lanes that read points where they lie, gathering limbs into lanes as
 * they are loaded. (On four lanes V8 pairs halves only if loads are plain: there gathers stay apart.)
 *
 * With (x1, y1) the target, (x2, y2) the operand under its sign, in G1:
 *   chain     z = x (x2 - x1)          chain_double   z = x 2 y1
 *   slope     z = x (y2 - y1)          triple_square  z = 3 x1^2
 *   abscissa  z = x^2 - x1 - x2        finish         target = (x3, slope (x1 - x3) - y1)
 * In G2 differences are made first (`width`, `rise`, `twice`, `run`), then one `product` serves all, and `finish` only
 * places what was made. What is inverted there is the norm of a divisor, an element of Fq: `width` and `twice` are
 * conjugates, so that their product with the norm's inverse is the divisor's. The product is three of Fq (Karatsuba), two
 * of them by `fq_mul` itself: the code of an addition must stay within the first-level cache, and a function with two
 * reductions runs out of registers. (Node 20, a G2 addition, norms apart: 880 ns with Fq2's own functions, 740 with one
 * function a part, 700 with three Fq products for each step.) There, no result of a product may take the place of an
 * operand.
 */
import type { Size } from './arithmetic.ts';
import { CELL_BYTES, type Element, FmaArithmetic, type FmaOptions, LIMBS } from './fma-arithmetic.ts';
import type { Recorder } from './ir.ts';
import { type ConstantPool, kernelFunction, type Target } from './wat.ts';

/** A part of an element in lanes, offsets being counted for two. */
const PART_BYTES = 16 * LIMBS;

/** An element of Fq or Fq2: one part or two. */
type Parts = readonly Element[];

const get = (name: string): string => `(local.get $${name})`;

/** The four points of two lanes are handed over as addresses, `t0 t1` of targets and `o0 o1` of operands. */
export const ADDRESSES = ['t0', 't1', 'o0', 'o1'] as const;

export interface PointKernelOptions extends FmaOptions {
  readonly modulus: bigint;
  readonly target: Target;
  readonly pool: ConstantPool;
  /** g1 or g2. */
  readonly curve: string;
  readonly parts: 1 | 2;
}

export function fusedPointKernels(options: PointKernelOptions): string[] {
  const { curve, parts, modulus, target, pool } = options;

  /** A coordinate of the two lanes' points; `sign`: a mask to be laid over it. */
  const gather = (
    F: FmaArithmetic,
    ir: Recorder,
    [a, b]: readonly [string, string],
    coordinate: 'x' | 'y',
    signs?: ReturnType<Recorder['word']>,
  ): Parts =>
    Array.from({ length: parts }, (_, part) =>
      Array.from({ length: LIMBS }, (_, i) => {
        const offset = ((coordinate === 'x' ? 0 : parts) + part) * CELL_BYTES + 8 * i;
        const both = ir.word(
          `(v128.load64_lane offset=${offset} 1 ${get(b)} (v128.load64_zero offset=${offset} ${get(a)}))`,
        );
        const limb = signs ? ir.word('(v128.xor {0} {1})', both, signs) : both;
        return ir.limb(limb, F.limbMax(i, 'reduced'));
      }),
    );
  const load = (F: FmaArithmetic, pointer: string, size: Size): Parts =>
    Array.from({ length: parts }, (_, part) => F.load(pointer, size, part * PART_BYTES));
  const zip = (a: Parts, b: Parts, f: (x: Element, y: Element) => Element): Parts =>
    a.map((x, i) => f(x, b[i] as Element));
  const square = (F: FmaArithmetic, a: Parts): Parts => {
    const [a0, a1] = a as [Element, Element | undefined];
    if (a1 === undefined) return [F.square(a0)];
    return [F.mul(F.lazyAdd(a0, a1), F.carry(F.lazySub(a0, a1))), F.mul(F.lazyAdd(a0, a0), a1)];
  };
  const kernel = (
    suffix: string,
    parameters: readonly string[],
    body: (F: FmaArithmetic, ir: Recorder) => void,
  ): string =>
    kernelFunction(`${curve}_${suffix}`, parameters, target, pool, (ir) => {
      body(new FmaArithmetic(ir, modulus, options), ir);
    });
  const store = (F: FmaArithmetic, ir: Recorder, element: Element, size: Size, part = 0): void => {
    F.require(size === 'reduced' ? F.reduce(element) : element, size).forEach((limb, i) => {
      ir.store('z', 16 * i + part * PART_BYTES, limb);
    });
  };
  /** A result of differences and sums, or of G1's products. */
  const into = (
    suffix: string,
    parameters: readonly string[],
    size: Size,
    body: (F: FmaArithmetic, ir: Recorder) => Parts,
  ): string =>
    kernel(suffix, ['z', ...parameters], (F, ir) => {
      body(F, ir).forEach((element, part) => {
        store(F, ir, element, size, part);
      });
    });
  /** Of a square in Fq2, each part is a product and a function of its own. */
  const squareOf = (
    suffix: string,
    parameters: readonly string[],
    root: (F: FmaArithmetic, ir: Recorder) => Parts,
    finish: (F: FmaArithmetic, ir: Recorder, square: Element, part: number) => Element,
  ): string[] => {
    const all = ['z', ...parameters];
    const name = (part: number): string => (parts === 1 ? suffix : `${suffix}_${part}`);
    const functions = Array.from({ length: parts }, (_, part) =>
      kernel(name(part), all, (F, ir) => {
        store(F, ir, finish(F, ir, square(F, root(F, ir))[part] as Element, part), 'reduced', part);
      }),
    );
    if (parts === 1) return functions;
    const signature = all.map((parameter) => `(param $${parameter} i32)`).join(' ');
    const calls = [0, 1].map((part) => `(call $${curve}_${name(part)} ${all.map(get).join(' ')})`);
    return [...functions, `(func $${curve}_${suffix} ${signature} ${calls.join(' ')})`];
  };
  const targets = ['t0', 't1'] as const;
  const operands = ['o0', 'o1'] as const;
  const sub = (F: FmaArithmetic, a: Parts, b: Parts): Parts => zip(a, b, (x, y) => F.lazySub(x, y));

  const place = (F: FmaArithmetic, ir: Recorder, x3: Parts, y3: Parts): void => {
    const made = y3.map((y) => F.require(F.reduce(y), 'reduced'));
    [...x3, ...made].forEach((element, cell) => {
      element.forEach((limb, i) => {
        for (const lane of [0, 1] as const) {
          ir.effect(`(v128.store64_lane offset=${cell * CELL_BYTES + 8 * i} ${lane} ${get(`t${lane}`)} {0})`, limb);
        }
      });
    });
  };
  /** In Fq2 the conjugate. */
  const width = (F: FmaArithmetic, ir: Recorder): Parts => {
    const [x1, x2] = [gather(F, ir, targets, 'x'), gather(F, ir, operands, 'x')];
    return x2.map((x, part) => (part === 0 ? F.lazySub(x, x1[part] as Element) : F.lazySub(x1[part] as Element, x)));
  };
  const rise = (F: FmaArithmetic, ir: Recorder): Parts => {
    const references = `(i64x2.shr_u (v128.load32x2_u ${get('signs')}) (i32.const 31))`;
    const mask = ir.word(`(i64x2.shl ${references} (i32.const 63))`);
    return sub(F, gather(F, ir, operands, 'y', mask), gather(F, ir, targets, 'y'));
  };
  const twice = (F: FmaArithmetic, ir: Recorder): Parts => {
    return gather(F, ir, targets, 'y').map((y, part) => (part === 0 ? F.lazyAdd(y, y) : F.neg(F.lazyAdd(y, y))));
  };
  const run = (F: FmaArithmetic, ir: Recorder): Parts => sub(F, gather(F, ir, targets, 'x'), load(F, 'x3', 'reduced'));
  const x = (F: FmaArithmetic): Parts => load(F, 'x', parts === 1 ? 'stored' : 'reduced');
  /** a^2 + b^2 of a + b u; both are carried, or their products would leave their binade. */
  const norm = (F: FmaArithmetic, element: Parts): Parts => [F.sumOfSquares(element.map((part) => F.carry(part)))];

  const squares = [
    ...squareOf(
      'triple_square',
      ['t0', 't1'],
      (F, ir) => gather(F, ir, targets, 'x'),
      (F, _, squared) => F.lazyAdd(F.lazyAdd(squared, squared), squared),
    ),
    ...squareOf('abscissa', ['x', ...ADDRESSES], x, (F, ir, squared, part) => {
      const [x1, x2] = [targets, operands].map((points) => gather(F, ir, points, 'x')[part] as Element);
      return F.lazySub(F.lazySub(squared, x1 as Element), x2 as Element);
    }),
  ];
  if (parts === 1) {
    const times = (F: FmaArithmetic, a: Parts, b: Parts): Parts => zip(a, b, (left, right) => F.mul(left, right));
    return [
      ...squares,
      into('chain', ['x', ...ADDRESSES], 'stored', (F, ir) => times(F, x(F), width(F, ir))),
      into('chain_double', ['x', 't0', 't1'], 'stored', (F, ir) => times(F, x(F), twice(F, ir))),
      into('slope', ['x', ...ADDRESSES, 'signs'], 'stored', (F, ir) => times(F, x(F), rise(F, ir))),
      kernel('finish', ['slope', 'x3', 't0', 't1'], (F, ir) => {
        const fallen = times(F, load(F, 'slope', 'stored'), run(F, ir));
        place(F, ir, load(F, 'x3', 'reduced'), sub(F, fallen, gather(F, ir, targets, 'y')));
      }),
    ];
  }
  const packs = 16 * LIMBS;
  const partial = (part: 0 | 1): string => {
    const [at, a, b] = ['scratch', 'x', 'y'].map((p) => `(i32.add ${get(p)} (i32.const ${part * packs}))`);
    return `(call $fq_mul ${at} ${a} ${b})`;
  };
  return [
    ...squares,
    into('norm', ADDRESSES, 'reduced', (F, ir) => norm(F, width(F, ir))),
    into('norm_twice', ['t0', 't1'], 'reduced', (F, ir) => norm(F, twice(F, ir))),
    into('width', ADDRESSES, 'reduced', width),
    into('rise', [...ADDRESSES, 'signs'], 'reduced', rise),
    into('twice', ['t0', 't1'], 'reduced', twice),
    into('run', ['x3', 't0', 't1'], 'reduced', run),
    into('cross', ['x', 'y', 'scratch'], 'reduced', (F) => {
      const [a0, a1] = x(F) as readonly [Element, Element];
      const [b0, b1] = load(F, 'y', 'stored') as readonly [Element, Element];
      const [real, imaginary] = load(F, 'scratch', 'stored') as readonly [Element, Element];
      // One of the sums is carried, or their product would leave its binade.
      const sums = F.mul(F.lazyAdd(a0, a1), F.carry(F.lazyAdd(b0, b1)));
      return [F.lazySub(real, imaginary), F.lazySub(F.lazySub(sums, real), imaginary)];
    }),
    `(func $${curve}_product (param $z i32) (param $x i32) (param $y i32) (param $scratch i32)
  ${partial(0)} ${partial(1)} (call $${curve}_cross ${['z', 'x', 'y', 'scratch'].map(get).join(' ')}))`,
    kernel('finish', ['fallen', 'x3', 't0', 't1'], (F, ir) => {
      place(F, ir, load(F, 'x3', 'reduced'), sub(F, load(F, 'fallen', 'reduced'), gather(F, ir, targets, 'y')));
    }),
  ];
}
