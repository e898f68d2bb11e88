/**
 * The steps of a batched-affine addition that read points where they lie. On two lanes each is one function that
 * gathers its limbs into lanes as it loads them: nothing is stored to be loaded again. Elsewhere (four lanes, whose
 * halves V8 pairs only if loads are plain) they are composed of gathers and the field's functions.
 *
 * With (x1, y1) the target, (x2, y2) the operand under its sign:
 *   chain     z = x (x2 - x1)          chain_double   z = x 2 y1
 *   slope     z = x (y2 - y1)          slope_double   z = x 3 x1^2
 *   abscissa  z = x^2 - x1 - x2
 *   finish    target = (x3, slope (x1 - x3) - y1)
 */
import { CELL_BYTES, type FieldKernelOptions, limbOffset } from './field-kernels.ts';
import { type Element, FmaArithmetic, LIMBS, type Size } from './fma-arithmetic.ts';
import type { Recorder } from './ir.ts';
import { kernelFunction } from './wat.ts';

/** An element of Fq or Fq2: one part or two. */
type Parts = readonly Element[];

const get = (name: string): string => `(local.get $${name})`;

/** The four points of two lanes are handed over as addresses, `t0 t1` of targets and `o0 o1` of operands. */
export const ADDRESSES = ['t0', 't1', 'o0', 'o1'] as const;

export interface PointKernelOptions extends FieldKernelOptions {
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
    Array.from({ length: parts }, (_, part) => F.load(pointer, size, (i) => limbOffset(i + part * LIMBS)));
  const zip = (a: Parts, b: Parts, f: (x: Element, y: Element) => Element): Parts =>
    a.map((x, i) => f(x, b[i] as Element));
  const mul = (F: FmaArithmetic, a: Parts, b: Parts): Parts => {
    const [a0, a1] = a as [Element, Element | undefined];
    const [b0, b1] = b as [Element, Element | undefined];
    if (a1 === undefined || b1 === undefined) return [F.mul(a0, b0)];
    return [
      F.sumOfProducts([
        [a0, b0],
        [F.neg(a1), b1],
      ]),
      F.sumOfProducts([
        [a0, b1],
        [a1, b0],
      ]),
    ];
  };
  const square = (F: FmaArithmetic, a: Parts): Parts => {
    const [a0, a1] = a as [Element, Element | undefined];
    if (a1 === undefined) return [F.square(a0)];
    return [F.mul(F.lazyAdd(a0, a1), F.carry(F.lazySub(a0, a1))), F.mul(F.lazyAdd(a0, a0), a1)];
  };
  /** What a product may be of: Fq2's elements are always reduced. */
  const factor: Size = parts === 1 ? 'stored' : 'reduced';

  const kernel = (
    suffix: string,
    parameters: readonly string[],
    body: (F: FmaArithmetic, ir: Recorder) => Parts | undefined,
    size: Size,
  ): string =>
    kernelFunction(`${curve}_${suffix}`, parameters, target, pool, (ir) => {
      const F = new FmaArithmetic(ir, modulus, options);
      body(F, ir)?.forEach((element, part) => {
        const made = size === 'reduced' ? F.reduce(element) : parts === 2 ? F.reduce(element) : element;
        F.require(made, size).forEach((limb, i) => {
          ir.store('z', limbOffset(i + part * LIMBS), limb);
        });
      });
    });
  const targets = ['t0', 't1'] as const;
  const operands = ['o0', 'o1'] as const;
  const sub = (F: FmaArithmetic, a: Parts, b: Parts): Parts => zip(a, b, (x, y) => F.lazySub(x, y));
  const plus = (F: FmaArithmetic, a: Parts, b: Parts): Parts => zip(a, b, (x, y) => F.lazyAdd(x, y));

  return [
    kernel(
      'chain',
      ['z', 'x', ...ADDRESSES],
      (F, ir) => mul(F, load(F, 'x', factor), sub(F, gather(F, ir, operands, 'x'), gather(F, ir, targets, 'x'))),
      factor,
    ),
    kernel(
      'chain_double',
      ['z', 'x', 't0', 't1'],
      (F, ir) => {
        const y = gather(F, ir, targets, 'y');
        return mul(F, load(F, 'x', factor), plus(F, y, y));
      },
      factor,
    ),
    kernel(
      'slope',
      ['z', 'x', ...ADDRESSES, 'signs'],
      (F, ir) => {
        const references = `(i64x2.shr_u (v128.load32x2_u ${get('signs')}) (i32.const 31))`;
        const mask = ir.word(`(i64x2.shl ${references} (i32.const 63))`);
        const rise = sub(F, gather(F, ir, operands, 'y', mask), gather(F, ir, targets, 'y'));
        return mul(F, load(F, 'x', factor), rise);
      },
      factor,
    ),
    kernel(
      'slope_double',
      ['z', 'x', 't0', 't1'],
      (F, ir) => {
        const squared = square(F, gather(F, ir, targets, 'x')).map((x) => (parts === 2 ? F.reduce(x) : x));
        const tripled = squared.map((x) => F.reduce(F.lazyAdd(F.lazyAdd(x, x), x)));
        return mul(F, load(F, 'x', factor), tripled);
      },
      factor,
    ),
    kernel(
      'abscissa',
      ['z', 'x', ...ADDRESSES],
      (F, ir) => {
        const squared = square(F, load(F, 'x', factor));
        return sub(F, sub(F, squared, gather(F, ir, targets, 'x')), gather(F, ir, operands, 'x'));
      },
      'reduced',
    ),
    kernel(
      'finish',
      ['slope', 'x3', 't0', 't1'],
      (F, ir) => {
        const x3 = load(F, 'x3', 'reduced');
        const run = sub(F, gather(F, ir, targets, 'x'), x3);
        const y3 = sub(F, mul(F, load(F, 'slope', factor), run), gather(F, ir, targets, 'y')).map((y) =>
          F.require(F.reduce(y), 'reduced'),
        );
        for (const [coordinate, made] of [x3, y3].entries()) {
          made.forEach((element, part) => {
            element.forEach((limb, i) => {
              const offset = (coordinate * parts + part) * CELL_BYTES + 8 * i;
              for (const lane of [0, 1] as const) {
                ir.effect(`(v128.store64_lane offset=${offset} ${lane} ${get(`t${lane}`)} {0})`, limb);
              }
            });
          });
        }
        return undefined;
      },
      'reduced',
    ),
  ];
}
