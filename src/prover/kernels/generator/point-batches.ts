/**
 * Batched-affine addition, after Montgomery's shared inversion: 5 products and a square an addition.
 *
 *   NAME_accumulate(targets, operands, n, work)   targets += operands, with the operands' signs
 *   NAME_double(targets, n, work)                 targets doubled
 *   NAME_copy(targets, operands, n, work)         targets = operands, with their signs
 *
 * Lists hold n references, n a multiple of the lanes: a point's address / 16, its sign in bit 31 (of operands). A point
 * is x and y as cells. Targets must all differ. The first two answer 0 when done; or 1 when some pair had equal x (the
 * same point, or its negative), or some y was 0, and nothing was changed: whoever calls takes such pairs out first.
 * `work` has room for POINT_SCRATCH_PACKS packs, and a coordinate for each pack of points and one more.
 *
 * Forwards, the product of all divisors so far is noted before each pack; backwards, from the inverse of the whole, it
 * gives each pack's own inverse. Divisors are computed twice, from points that are in the first caches: storing and
 * loading them costs no less. In G2 it is norms that are multiplied and inverted, in Fq: 1 / d = conj(d) / (d conj(d)),
 * so that of the nine products of Fq that three of Fq2 take seven are left. There norms are kept. (Node 20, additions of
 * a sum over 3,223 points: 582 ns before, 490 now.)
 */
import { POINT_SCRATCH_PACKS } from '../layout-constants.ts';
import type { Sizes } from './control.ts';
import { ADDRESSES } from './point-kernels.ts';

const get = (name: string): string => `(local.get $${name})`;
const plus = (x: string, n: number): string => (n === 0 ? x : `(i32.add ${x} (i32.const ${n}))`);
const step = (name: string, n: number): string => `(local.set $${name} ${plus(get(name), n)})`;

export interface CurveOptions {
  /** g1 or g2. */
  readonly name: string;
  /** fq or fq2. */
  readonly field: string;
  /** Packs in a coordinate: 1 or 2. */
  readonly parts: 1 | 2;
  /** Where a pack of ones stands. */
  readonly one: number;
  /** Whether there are steps that read points in place (point-kernels.ts). */
  readonly fused: boolean;
  readonly sizes: Sizes;
}

/**
 * The steps of a batch, as text; all but the first and last say where packs are. What is noted for each pack of points is
 * the product of all divisors before it, in Fq, and in G2 the divisor's norm behind it.
 */
interface Steps {
  /** Before the steps of each pack. */
  readonly begin: string;
  /** Forwards: `after` = what is at `before`, times the divisor. */
  multiply(after: string, before: string): string;
  /** Backwards: the divisor's inverse to `into`, and that of all divisors before it, from that at `after`, to `before`. */
  invert(into: string, after: string, before: string): string;
  slope(into: string, inverse: string): string;
  abscissa(into: string, slope: string): string;
  finish(slope: string, x3: string): string;
}

export function pointFunctions(options: CurveOptions): string {
  const { name, field, parts, one, sizes } = options;
  const { packBytes, cellBytes, lanes } = sizes;
  const bytes = parts * packBytes;
  const y = parts * cellBytes;
  const slot = (i: number): string => plus(get('work'), 20 * packBytes + i * bytes);
  const call = (suffix: string, ...args: readonly string[]): string => `(call $${field}_${suffix} ${args.join(' ')})`;
  const [t, slope, x3] = [slot(0), slot(1), slot(2)];
  const [x1, y1] = [slot(4), slot(5)];

  /** Both passes around one inversion. */
  const batch = (lists: readonly string[], steps: Steps): string => `
  (local $before i32) (local $left i32) ${ADDRESSES.map((a) => `(local $${a} i32)`).join(' ')}
  (local.set $before ${plus(get('work'), POINT_SCRATCH_PACKS * packBytes)})
  (local.set $n (i32.div_u ${get('n')} (i32.const ${lanes})))
  (if (i32.eqz ${get('n')}) (then (return (i32.const 0))))
  (call $fq_copy ${get('before')} (i32.const ${one}))
  (local.set $left ${get('n')})
  (loop $forward
    ${steps.begin}
    ${steps.multiply(plus(get('before'), bytes), get('before'))}
    ${[...lists.map((list) => step(list, 4 * lanes)), step('before', bytes), step('left', -1)].join(' ')}
    (br_if $forward ${get('left')}))
  (if (call $fq_inverse_all ${get('before')} ${get('before')} ${get('work')}) (then (return (i32.const 1))))
  (loop $backward
    ${[...lists.map((list) => step(list, -4 * lanes)), step('before', -bytes), step('n', -1)].join(' ')}
    ${steps.begin}
    ${steps.invert(t, plus(get('before'), bytes), get('before'))}
    ${steps.slope(slope, t)}
    ${steps.abscissa(x3, slope)}
    ${steps.finish(slope, x3)}
    (br_if $backward ${get('n')}))
  (i32.const 0)`;

  const { adding, doubling } = options.fused ? fusedSteps(options) : composedSteps(options);
  return `(func $${name}_accumulate (export "${name}_accumulate")
  (param $targets i32) (param $operands i32) (param $n i32) (param $work i32) (result i32)
  ${batch(['targets', 'operands'], adding)})
(func $${name}_double (export "${name}_double") (param $targets i32) (param $n i32) (param $work i32) (result i32)
  ${batch(['targets'], doubling)})
(func $${name}_copy (export "${name}_copy") (param $targets i32) (param $operands i32) (param $n i32) (param $work i32)
  (local.set $n (i32.div_u ${get('n')} (i32.const ${lanes})))
  (block $done (loop $next
    (br_if $done (i32.eqz ${get('n')}))
    ${call('gather', x1, get('operands'), '(i32.const 0)')}
    ${call('gather_signed', y1, get('operands'), `(i32.const ${y})`)}
    ${call('scatter', get('targets'), '(i32.const 0)', x1)}
    ${call('scatter', get('targets'), `(i32.const ${y})`, y1)}
    ${[step('targets', 4 * lanes), step('operands', 4 * lanes), step('n', -1)].join(' ')}
    (br $next))))`;
}

interface BothSteps {
  readonly adding: Steps;
  readonly doubling: Steps;
}

/** By the kernels that read points in place. */
function fusedSteps({ name, parts, sizes: { packBytes } }: CurveOptions): BothSteps {
  const address = (list: string, lane: number): string =>
    `(i32.shl (i32.load offset=${4 * lane} ${get(list)}) (i32.const 4))`;
  const take = (which: string, list: string): string =>
    [0, 1].map((lane) => `(local.set $${which}${lane} ${address(list, lane)})`).join(' ');
  const [t, o] = ['(local.get $t0) (local.get $t1)', '(local.get $o0) (local.get $o1)'];
  const slot = (i: number): string => plus(get('work'), (20 + i * parts) * packBytes);
  const [factor, scratch, fallen] = [slot(3), slot(4), slot(5)];
  const call = (suffix: string, ...args: readonly string[]): string => `(call $${name}_${suffix} ${args.join(' ')})`;
  const mul = (into: string, a: string, b: string): string => `(call $fq_mul ${into} ${a} ${b})`;
  const begin = { adding: `${take('t', 'targets')} ${take('o', 'operands')}`, doubling: take('t', 'targets') };

  if (parts === 1) {
    const chained = (chain: string, points: readonly string[]): Pick<Steps, 'multiply' | 'invert'> => ({
      multiply: (after, before) => call(chain, after, before, ...points),
      invert: (into, after, before) => `${mul(into, after, before)} ${call(chain, before, after, ...points)}`,
    });
    const finish = (slope: string, x3: string): string => call('finish', slope, x3, t);
    return {
      adding: {
        begin: begin.adding,
        ...chained('chain', [t, o]),
        slope: (into, inverse) => call('slope', into, inverse, t, o, get('operands')),
        abscissa: (into, slope) => call('abscissa', into, slope, t, o),
        finish,
      },
      doubling: {
        begin: begin.doubling,
        ...chained('chain_double', [t]),
        slope: (into, inverse) => `${call('triple_square', factor, t)} ${mul(into, inverse, factor)}`,
        abscissa: (into, slope) => call('abscissa', into, slope, t, t),
        finish,
      },
    };
  }
  const product = (into: string, a: string, b: string): string => call('product', into, a, b, scratch);
  const normed = (norm: string, conjugate: string, points: readonly string[]): Pick<Steps, 'multiply' | 'invert'> => ({
    multiply: (after, before) => {
      const own = plus(after, packBytes);
      return `${call(norm, own, ...points)} ${mul(after, before, own)}`;
    },
    invert: (into, after, before) =>
      [
        mul(scratch, after, before),
        mul(before, after, plus(after, packBytes)),
        call(conjugate, factor, ...points),
        mul(into, factor, scratch),
        mul(plus(into, packBytes), plus(factor, packBytes), scratch),
      ].join(' '),
  });
  const finish = (slope: string, x3: string): string =>
    `${call('run', factor, x3, t)} ${product(fallen, factor, slope)} ${call('finish', fallen, x3, t)}`;
  return {
    adding: {
      begin: begin.adding,
      ...normed('norm', 'width', [t, o]),
      slope: (into, inverse) => `${call('rise', factor, t, o, get('operands'))} ${product(into, factor, inverse)}`,
      abscissa: (into, slope) => call('abscissa', into, slope, t, o),
      finish,
    },
    doubling: {
      begin: begin.doubling,
      ...normed('norm_twice', 'twice', [t]),
      slope: (into, inverse) => `${call('triple_square', factor, t)} ${product(into, factor, inverse)}`,
      abscissa: (into, slope) => call('abscissa', into, slope, t, t),
      finish,
    },
  };
}

/** By gathers into packs and the field's functions over them. */
function composedSteps({ field, parts, sizes }: CurveOptions): BothSteps {
  const { packBytes, cellBytes } = sizes;
  const bytes = parts * packBytes;
  const y = `(i32.const ${parts * cellBytes})`;
  const x = '(i32.const 0)';
  const slot = (i: number): string => plus(get('work'), 20 * packBytes + i * bytes);
  const [scratch, x1, y1, x2, y2] = [slot(3), slot(4), slot(5), slot(6), slot(7)];
  const [y3, divisor] = [slot(8), slot(9)];
  const call = (suffix: string, ...args: readonly string[]): string => `(call $${field}_${suffix} ${args.join(' ')})`;
  const fq = (suffix: string, ...args: readonly string[]): string => `(call $fq_${suffix} ${args.join(' ')})`;
  const [targets, operands] = [get('targets'), get('operands')];

  /** From the divisor, which `make` leaves in its place. */
  const divided = (make: string): Pick<Steps, 'multiply' | 'invert'> => {
    if (parts === 1) {
      return {
        multiply: (after, before) => `${make} ${fq('mul', after, before, divisor)}`,
        invert: (into, after, before) =>
          `${make} ${fq('mul', into, after, before)} ${fq('mul', before, after, divisor)}`,
      };
    }
    const [real, imaginary] = [divisor, plus(divisor, packBytes)];
    return {
      multiply: (after, before) => {
        const norm = plus(after, packBytes);
        return [
          make,
          fq('sqr', norm, real),
          fq('sqr', scratch, imaginary),
          fq('add', norm, norm, scratch),
          fq('mul', after, before, norm),
        ].join(' ');
      },
      invert: (into, after, before) =>
        [
          make,
          fq('mul', scratch, after, before),
          fq('mul', before, after, plus(after, packBytes)),
          fq('mul', into, real, scratch),
          fq('neg', scratch, scratch),
          fq('mul', plus(into, packBytes), imaginary, scratch),
          // Fq2's functions take reduced parts.
          fq('reduce', into, into),
          fq('reduce', plus(into, packBytes), plus(into, packBytes)),
        ].join(' '),
    };
  };
  const finish = (slope: string, x3: string): string =>
    [call('mulsubsub', y3, slope, x1, x3, y1), call('scatter', targets, x, x3), call('scatter', targets, y, y3)].join(
      '\n    ',
    );
  return {
    adding: {
      begin: `${call('gather', x1, targets, x)} ${call('gather', x2, operands, x)}`,
      ...divided(call('sub', divisor, x2, x1)),
      slope: (into, inverse) =>
        [
          call('gather', y1, targets, y),
          call('gather_signed', y2, operands, y),
          call('mulsub', into, inverse, y2, y1),
        ].join('\n    '),
      abscissa: (into, slope) => call('sqrsub2', into, slope, x1, x2),
      finish,
    },
    doubling: {
      begin: call('gather', y1, targets, y),
      ...divided(call('add', divisor, y1, y1)),
      slope: (into, inverse) =>
        [
          call('gather', x1, targets, x),
          call('sqr', scratch, x1),
          call('triple', scratch, scratch),
          call('mul', into, scratch, inverse),
        ].join('\n    '),
      abscissa: (into, slope) => call('sqrsub2', into, slope, x1, x1),
      finish,
    },
  };
}
