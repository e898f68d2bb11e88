/**
 * Fq12, the steps of Miller's loop, and Jacobian arithmetic on G1, as sequences of the small functions of
 * pairing-kernels.ts: one call from outside does one operation of Fq12, or one step for one pair.
 *
 * For two lanes: every pack is one element of Fq2. Layouts, in packs:
 *   Fq12         6   the coefficients of w^0 .. w^5, in Fq2[w] / (w^6 - xi); the tower's c0 is w^0, w^2, w^4
 *   G2 point     3   X, Y, Z homogeneous: x = X / Z, y = Y / Z.   Affine: x, y
 *   G1 operand   4   -2 y, 3 x, y, -x, each in both lanes (of lines that move)
 *                2   x / y, 1 / y, each in both lanes (of lines that are fixed)
 *   line         5   a, b, c, xi b, xi c, for a + b w + c w^3; a fixed line is b, c alone, and a is 1
 *   Jacobian     3   X, Y, Z of one point of G1 a lane: x = X / Z^2, y = Y / Z^3
 *
 * Doubling and adding on the twist: Costello, Lange, Naehrig (PKC 2010), homogeneous, with the tangent and the chord as
 * by-products. Their formulas have exceptions (equal, opposite, infinite operands). After one, Z is 0 and stays so, as
 * each new Z is a multiple of the old: whoever demands Z != 0 at the end has seen no exception. The same holds of the
 * Jacobian formulas.
 */
import type { FieldOptions } from './field-kernels.ts';
import { jacobianKernels, laneQuadraticKernels } from './pairing-kernels.ts';

/** `T.2` is the third pack of what T points to. */
function operand(text: string, packBytes: number): string {
  const [name, index] = text.split('.') as [string, string | undefined];
  const offset = Number(index ?? 0) * packBytes;
  return offset === 0 ? `(local.get $${name})` : `(i32.add (local.get $${name}) (i32.const ${offset}))`;
}

/** An exported function of pointers: calls, each `function result operand ...`. */
type Sequence = (name: string, parameters: readonly string[], calls: readonly string[]) => string;

const sequences =
  (packBytes: number): Sequence =>
  (name, parameters, calls) => {
    const body = calls.map((line) => {
      const [called, ...operands] = line.trim().split(/\s+/) as [string, ...string[]];
      return `(call $${called} ${operands.map((one) => operand(one, packBytes)).join(' ')})`;
    });
    const signature = parameters.map((parameter) => `(param $${parameter} i32)`).join(' ');
    return `(func $${name} (export "${name}") ${signature}\n  ${body.join('\n  ')})`;
  };

/** z_k = x_k + x_(k-1) b + x_(k-3) c modulo w^6 - xi: factor i of a line for coefficient k, with xi where it wraps. */
const lineFactor = (k: number, back: number, plain: number, wrapped: number): string =>
  back <= k ? `x.${k - back} line.${plain}` : `x.${k - back + 6} line.${wrapped}`;
const SIX = [0, 1, 2, 3, 4, 5] as const;

/** In Fq6 = Fq2[v] / (v^3 - xi): z = a b, schoolbook, three sums of three products. `xi b_1` and `xi b_2` go to b1, b2. */
function cubicProduct(z: Three, a: Three, b: Three, [b1, b2]: readonly [string, string]): string[] {
  return [
    `f2_xi ${b1} ${b[1]}`,
    `f2_xi ${b2} ${b[2]}`,
    `f2_dot3 ${z[0]} ${a[0]} ${b[0]} ${a[1]} ${b2} ${a[2]} ${b1}`,
    `f2_dot3 ${z[1]} ${a[0]} ${b[1]} ${a[1]} ${b[0]} ${a[2]} ${b2}`,
    `f2_dot3 ${z[2]} ${a[0]} ${b[2]} ${a[1]} ${b[1]} ${a[2]} ${b[0]}`,
  ];
}

type Three = readonly [string, string, string];
const even = (x: string): Three => [`${x}.0`, `${x}.2`, `${x}.4`];
const odd = (x: string): Three => [`${x}.1`, `${x}.3`, `${x}.5`];
const work = (from: number): Three => [`work.${from}`, `work.${from + 1}`, `work.${from + 2}`];
/** One function on three coefficients each. */
const three = (called: string, ...operands: readonly Three[]): string[] =>
  ([0, 1, 2] as const).map((i) => `${called} ${operands.map((operand) => operand[i]).join(' ')}`);

function towerFunctions(sequence: Sequence): string[] {
  return [
    // (x0 + x1 w) (y0 + y1 w) by Karatsuba over Fq6: u = x0 y0, t = x1 y1; u + v t, and the cross terms.
    sequence(
      'f12_mul',
      ['z', 'x', 'y', 'work'],
      [
        ...cubicProduct(work(0), even('x'), even('y'), ['work.6', 'work.7']),
        ...cubicProduct(work(3), odd('x'), odd('y'), ['work.6', 'work.7']),
        ...three('f2_add', work(6), even('x'), odd('x')),
        ...three('f2_add', work(9), even('y'), odd('y')),
        ...cubicProduct(odd('z'), work(6), work(9), ['work.12', 'work.13']),
        ...three('f2_sub2', odd('z'), odd('z'), work(0), work(3)),
        'f2_xi work.5 work.5',
        ...three('f2_add', even('z'), work(0), ['work.5', 'work.3', 'work.4']),
      ],
    ),
    // With p = x0 x1: (x0 + x1) (x0 + v x1) - p - v p, and 2 p.
    sequence(
      'f12_sqr',
      ['z', 'x', 'work'],
      [
        ...cubicProduct(work(0), even('x'), odd('x'), ['work.3', 'work.4']),
        ...three('f2_add', work(5), even('x'), odd('x')),
        ...three('f2_add', work(8), even('x'), ['work.4', 'x.1', 'x.3']),
        ...three('f2_double', odd('z'), work(0)),
        ...cubicProduct(even('z'), work(5), work(8), ['work.3', 'work.4']),
        'f2_xi work.3 work.2',
        ...three('f2_sub2', even('z'), even('z'), work(0), ['work.3', 'work.0', 'work.1']),
      ],
    ),
    // Granger, Scott (PKC 2010), for elements of order dividing q^4 - q^2 + 1. z differs from x. `work`: 1 pack.
    sequence(
      'f12_cyclotomic',
      ['z', 'x', 'work'],
      [
        'f2_cyceven z.0 x.0 x.3 x.0',
        'f2_cycodd z.3 x.0 x.3 x.3',
        'f2_xi work.0 x.5',
        'f2_cycodd z.1 x.2 work.0 x.1',
        'f2_cyceven z.4 x.2 x.5 x.4',
        'f2_cyceven z.2 x.1 x.4 x.2',
        'f2_cycodd z.5 x.1 x.4 x.5',
      ],
    ),
    // Times a + b w + c w^3. z differs from x.
    sequence(
      'f12_line',
      ['z', 'x', 'line'],
      [...SIX.map((k) => `f2_dot3 z.${k} x.${k} line.0 ${lineFactor(k, 1, 1, 3)} ${lineFactor(k, 3, 2, 4)}`)],
    ),
    // Times the fixed line (b, c) taken at the point (x / y, 1 / y). z differs from x. `line`: 5 packs of work.
    sequence(
      'f12_fixed_line',
      ['z', 'x', 'fixed', 'point', 'line'],
      [
        'f2_scale line.1 fixed.0 point.0',
        'f2_scale line.2 fixed.1 point.1',
        'f2_xi line.3 line.1',
        'f2_xi line.4 line.2',
        ...SIX.map((k) => `f2_line z.${k} x.${k} ${lineFactor(k, 1, 1, 3)} ${lineFactor(k, 3, 2, 4)}`),
      ],
    ),
  ];
}

/** `threeB`: the address of 3 b', b' = 3 / xi being the twist's constant. */
function stepFunctions(sequence: Sequence): string[] {
  return [
    // Doubles t; the tangent at t, taken at `point`. `work`: 5 packs.
    sequence(
      'g2_tangent',
      ['t', 'point', 'line', 'threeB', 'work'],
      [
        'f2_sqr work.0 t.1',
        'f2_sqr work.1 t.2',
        'f2_mul work.1 work.1 threeB',
        'f2_mul work.2 t.0 t.1',
        'f2_mul work.3 t.1 t.2',
        'f2_sqr work.4 t.0',
        'f2_scale line.0 work.3 point.0',
        'f2_scale line.1 work.4 point.1',
        'f2_sub line.2 work.1 work.0',
        'f2_xi line.3 line.1',
        'f2_xi line.4 line.2',
        'f2_double work.3 work.3',
        'f2_doublex t.0 work.2 work.0 work.1',
        'f2_doubley t.1 work.0 work.1',
        'f2_doublez t.2 work.0 work.3',
      ],
    ),
    // Adds the affine q to t; the line through both, taken at `point`. `work`: 7 packs.
    sequence(
      'g2_chord',
      ['t', 'q', 'point', 'line', 'work'],
      [
        'f2_subprod work.0 t.1 q.1 t.2',
        'f2_subprod work.1 t.0 q.0 t.2',
        'f2_scale line.0 work.1 point.2',
        'f2_scale line.1 work.0 point.3',
        'f2_det line.2 work.0 q.0 work.1 q.1',
        'f2_xi line.3 line.1',
        'f2_xi line.4 line.2',
        'f2_sqr work.2 work.0',
        'f2_sqr work.3 work.1',
        'f2_mul work.4 work.1 work.3',
        'f2_mul work.5 t.2 work.2',
        'f2_mul work.6 t.0 work.3',
        'f2_addsub2 work.5 work.4 work.5 work.6',
        'f2_mul t.0 work.1 work.5',
        'f2_sub work.6 work.6 work.5',
        'f2_det t.1 work.0 work.6 work.4 t.1',
        'f2_mul t.2 t.2 work.4',
      ],
    ),
  ];
}

function jacobianFunctions(sequence: Sequence): string[] {
  return [
    // Doubles each lane of t (dbl-2009-l of the Explicit-Formulas Database, a = 0). `work`: 3 packs.
    sequence(
      'j1_double',
      ['t', 'work'],
      [
        'fq_sqr work.0 t.1',
        'j1_times4 work.1 t.0 work.0',
        'j1_sqr3 work.2 t.0',
        'j1_times2 t.2 t.1 t.2',
        'fq_sqrsub2 t.0 work.2 work.1 work.1',
        'j1_doubley t.1 work.2 work.1 t.0 work.0',
      ],
    ),
    // Adds the affine q (x, y) to each lane of t. `work`: 5 packs.
    sequence(
      'j1_add_affine',
      ['t', 'q', 'work'],
      [
        'fq_sqr work.0 t.2',
        'fq_mul work.1 t.2 work.0',
        'j1_prodsub work.0 q.0 work.0 t.0',
        'j1_prodsub work.1 q.1 work.1 t.1',
        'j1_redmul t.2 t.2 work.0',
        'fq_sqr work.2 work.0',
        'fq_mul work.3 work.0 work.2',
        'fq_mul work.2 t.0 work.2',
        'j1_addx t.0 work.1 work.3 work.2',
        'j1_addy t.1 work.1 work.2 t.0 t.1 work.3',
      ],
    ),
    // Adds the Jacobian q to each lane of t. `work`: 6 packs.
    sequence(
      'j1_add',
      ['t', 'q', 'work'],
      [
        'fq_sqr work.0 q.2',
        'j1_redmul t.0 t.0 work.0',
        'fq_mul work.0 work.0 q.2',
        'j1_redmul t.1 t.1 work.0',
        'fq_sqr work.0 t.2',
        'fq_mul work.1 t.2 work.0',
        'j1_prodsub work.0 q.0 work.0 t.0',
        'j1_prodsub work.1 q.1 work.1 t.1',
        'fq_mul work.4 t.2 q.2',
        'j1_redmul t.2 work.4 work.0',
        'fq_sqr work.2 work.0',
        'fq_mul work.3 work.0 work.2',
        'fq_mul work.2 t.0 work.2',
        'j1_addx t.0 work.1 work.3 work.2',
        'j1_addy t.1 work.1 work.2 t.0 t.1 work.3',
      ],
    ),
  ];
}

const EXPORTED = ['mul', 'sqr', 'add', 'sub', 'neg', 'double', 'conjugate', 'xi', 'scale', 'norm'] as const;

/** Everything of the pairing, for a module of two lanes over the field `options`. */
export function pairingFunctions<E>(options: FieldOptions<E>): string[] {
  const sequence = sequences(options.representation.pairBytes);
  return [
    ...laneQuadraticKernels({ ...options, name: 'f2' }),
    ...jacobianKernels({ ...options, name: 'j1' }),
    ...towerFunctions(sequence),
    ...stepFunctions(sequence),
    ...jacobianFunctions(sequence),
    ...EXPORTED.map((suffix) => `(export "f2_${suffix}" (func $f2_${suffix}))`),
    ...['swap', 'redmul'].map((suffix) => `(export "j1_${suffix}" (func $j1_${suffix}))`),
  ];
}
