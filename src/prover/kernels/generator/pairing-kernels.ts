/**
 * Small functions of the pairing, on one element of Fq2 in the two lanes of ONE pack: lane 0 is real, lane 1 imaginary.
 *
 * A product is x (b0, b0) + swap(x) (-b1, b1), lane by lane (a0 b0 - a1 b1 and a1 b0 + a0 b1): two lane products, ONE
 * reduction, and no second proof is needed to fill the lanes. A reduction costs more than a lane product (160 operations
 * and 25 to make it `reduced`, against 120), so what is larger is written as sums of products with one reduction at the
 * end, of up to three: the operands of more would not fit the registers. Counts are in ../../wasm/verify/README.md.
 *
 * Every operand and every result is `reduced`. Results may take an operand's place, unless something else says so.
 */
import type { Arithmetic, Size } from './arithmetic.ts';
import type { FieldOptions } from './field-kernels.ts';
import type { Recorder } from './ir.ts';
import { kernelFunction } from './wat.ts';

type Pair<E> = readonly [E, E];

/** Fq2 in the lanes of one pack. */
export class LaneQuadratic<E> {
  readonly base: Arithmetic<E>;
  constructor(ir: Recorder, { modulus, representation }: FieldOptions<E>) {
    this.base = representation.arithmetic(ir, modulus);
  }

  swap(x: E): E {
    return this.base.shuffle([1, 0], x, x);
  }
  duplicate(x: E, lane: 0 | 1): E {
    return this.base.shuffle([lane, lane], x, x);
  }
  conjugate(x: E): E {
    return this.base.shuffle([0, 3], x, this.base.neg(x));
  }
  /** x u = (-x1, x0) */
  timesU(x: E): E {
    return this.base.shuffle([1, 2], this.base.neg(x), x);
  }
  times(k: bigint, x: E): E {
    return this.base.times(k, x);
  }
  /** x + k y */
  plusTimes(x: E, k: bigint, y: E): E {
    return this.base.plusTimes(x, k, y);
  }
  /** x (9 + u) = 2 (4 x) + x + x u, reduced on the way: nine limbs in one would leave a float's 53 bits. */
  timesXi(x: E): E {
    const most = this.plusTimes(x, 2n, this.base.reduce(this.times(4n, x)));
    return this.base.reduce(this.base.lazyAdd(most, this.timesU(x)));
  }

  /** The lane products of x y. */
  product(x: E, y: E): Pair<E>[] {
    const imaginary = this.base.shuffle([1, 3], this.base.neg(y), y);
    return [
      [x, this.duplicate(y, 0)],
      [this.swap(x), imaginary],
    ];
  }
  /** The one lane product of x^2: (x0 + x1, 2 x0) (x0 - x1, x1). */
  square(x: E): Pair<E>[] {
    const left = this.base.lazyAdd(this.duplicate(x, 0), this.swap(x));
    const right = this.base.shuffle([0, 3], this.base.lazySub(x, this.swap(x)), x);
    return [[left, this.base.carry(right)]];
  }
  sum(...products: readonly (readonly Pair<E>[])[]): E {
    return this.base.sumOfProducts(products.flat());
  }
}

type Body<E> = (f: LaneQuadratic<E>, ...operands: E[]) => E;

/** NAME(z, operands...): the result of `body`, reduced. */
function kernels<E>(options: FieldOptions<E>, bodies: Readonly<Record<string, Body<E>>>): string[] {
  return Object.entries(bodies).map(([suffix, body]) => {
    // The operands' names are not seen from outside; there are as many as the body takes.
    const parameters = Array.from({ length: body.length - 1 }, (_, i) => `x${i}`);
    return kernelFunction(`${options.name}_${suffix}`, ['z', ...parameters], options.target, options.pool, (ir) => {
      const f = new LaneQuadratic(ir, options);
      const operands = parameters.map((x) => f.base.load(x, 'reduced'));
      f.base.store('z', f.base.reduce(body(f, ...operands)), 'reduced');
    });
  });
}

/** Fq2 itself, and the sums of products that Fq12 and the steps of Miller's loop are made of. */
export function laneQuadraticKernels<E>(options: FieldOptions<E>): string[] {
  return [
    ...kernels(options, {
      mul: (f, x, y) => f.sum(f.product(x, y)),
      sqr: (f, x) => f.sum(f.square(x)),
      add: (f, x, y) => f.base.lazyAdd(x, y),
      sub: (f, x, y) => f.base.lazySub(x, y),
      neg: (f, x) => f.base.neg(x),
      double: (f, x) => f.base.lazyAdd(x, x),
      conjugate: (f, x) => f.conjugate(x),
      xi: (f, x) => f.timesXi(x),
      // By an element of Fq that stands in both lanes.
      scale: (f, x, s) => f.base.mul(x, s),
      // x0^2 + x1^2 in both lanes.
      norm: (f, x) => f.sum([[x, x]], [[f.swap(x), f.swap(x)]]),
      // x y + v w + s t
      dot3: (f, x, y, v, w, s, t) => f.sum(f.product(x, y), f.product(v, w), f.product(s, t)),
      // x y - v w
      det: (f, x, y, v, w) => f.sum(f.product(x, y), f.product(f.base.neg(v), w)),
      // a + x y + v w
      line: (f, a, x, y, v, w) => f.base.lazyAdd(f.sum(f.product(x, y), f.product(v, w)), a),
      // a - x y
      subprod: (f, a, x, y) => f.base.lazySub(a, f.sum(f.product(x, y))),
      // a - b - c
      sub2: (f, a, b, c) => f.base.lazySub(f.base.lazySub(a, b), c),
      // a + b - 2 c
      addsub2: (f, a, b, c) => f.plusTimes(f.base.lazyAdd(a, b), -2n, c),

      // Cyclotomic squaring: 3 (x^2 + xi y^2) - 2 a = s + 2 (s - a), and 6 x y + 2 a.
      cyceven: (f, x, y, a) => {
        const s = f.sum(f.square(x), f.product(f.timesXi(y), y));
        return f.plusTimes(s, 2n, f.base.reduce(f.base.lazySub(s, a)));
      },
      cycodd: (f, x, y, a) => f.times(2n, f.base.reduce(f.plusTimes(a, 3n, f.sum(f.product(x, y))))),

      // Doubling on the twist, with b = y^2, e = 3 b' z^2, h = 2 y z: 2 x y (b - 3 e), b^2 + 3 e (2 b - e), 4 b h.
      doublex: (f, xy, b, e) => f.times(2n, f.sum(f.product(xy, f.base.carry(f.plusTimes(b, -3n, e))))),
      doubley: (f, b, e) =>
        f.sum(
          f.square(b),
          f.product(f.base.reduce(f.times(3n, e)), f.base.carry(f.base.lazySub(f.base.lazyAdd(b, b), e))),
        ),
      doublez: (f, b, h) => f.times(4n, f.sum(f.product(b, h))),
    }),
  ];
}

/**
 * What Jacobian addition on G1 asks beside the field's own functions: one point a lane. `reduced` operands, unless it
 * is said that they may be any product.
 */
export function jacobianKernels<E>(options: FieldOptions<E>): string[] {
  type Sized = Readonly<Record<string, Size>>;
  const kernel = (suffix: string, sizes: Sized, body: (f: LaneQuadratic<E>, at: (x: string) => E) => E) => {
    const parameters = Object.keys(sizes);
    return kernelFunction(`${options.name}_${suffix}`, ['z', ...parameters], options.target, options.pool, (ir) => {
      const f = new LaneQuadratic(ir, options);
      const loaded = new Map(parameters.map((x) => [x, f.base.load(x, sizes[x] as Size)]));
      const made = f.base.reduce(body(f, (x) => loaded.get(x) as E));
      f.base.store('z', made, 'reduced');
    });
  };
  return [
    kernel('times4', { x: 'reduced', y: 'stored' }, (f, at) => f.times(4n, f.base.mul(at('x'), at('y')))),
    kernel('times2', { x: 'reduced', y: 'reduced' }, (f, at) => f.times(2n, f.base.mul(at('x'), at('y')))),
    kernel('sqr3', { x: 'reduced' }, (f, at) => f.times(3n, f.base.square(at('x')))),
    // x (y - w) - 8 s^2
    kernel('doubley', { x: 'reduced', y: 'reduced', w: 'reduced', s: 'stored' }, (f, at) => {
      const twice = f.base.reduce(f.times(2n, at('s')));
      return f.base.sumOfProducts([
        [at('x'), f.base.lazySub(at('y'), at('w'))],
        [f.times(-2n, twice), twice],
      ]);
    }),
    // x y - w
    kernel('prodsub', { x: 'stored', y: 'stored', w: 'reduced' }, (f, at) =>
      f.base.lazySub(f.base.mul(at('x'), at('y')), at('w')),
    ),
    // x^2 - s - 2 t
    kernel('addx', { x: 'reduced', s: 'stored', t: 'stored' }, (f, at) =>
      f.plusTimes(f.base.lazySub(f.base.square(at('x')), at('s')), -2n, at('t')),
    ),
    // x (y - w) - s t
    kernel('addy', { x: 'reduced', y: 'stored', w: 'reduced', s: 'stored', t: 'stored' }, (f, at) =>
      f.base.sumOfProducts([
        [at('x'), f.base.lazySub(at('y'), at('w'))],
        [f.base.neg(at('s')), at('t')],
      ]),
    ),
    kernel('redmul', { x: 'stored', y: 'stored' }, (f, at) => f.base.mul(at('x'), at('y'))),
    kernel('swap', { x: 'stored' }, (f, at) => f.swap(at('x'))),
  ];
}
