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
 * loading them costs no less.
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

/** The steps of a batch, as text; `into` and `from` are addresses of packs. */
interface Steps {
  /** Before the steps of each pack. */
  readonly begin: string;
  product(into: string, a: string, b: string): string;
  chain(into: string, from: string): string;
  slope(into: string, from: string): string;
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
  /** Backwards: where the inverse of all that is left stands, in place of what was noted for the pack after. */
  const left = plus(get('before'), bytes);
  const [x1, y1] = [slot(4), slot(5)];

  /** Both passes around one inversion. */
  const batch = (lists: readonly string[], steps: Steps): string => `
  (local $before i32) (local $left i32) ${ADDRESSES.map((a) => `(local $${a} i32)`).join(' ')}
  (local.set $before ${plus(get('work'), POINT_SCRATCH_PACKS * packBytes)})
  (local.set $n (i32.div_u ${get('n')} (i32.const ${lanes})))
  (if (i32.eqz ${get('n')}) (then (return (i32.const 0))))
  ${call('copy', get('before'), `(i32.const ${one})`)}
  (local.set $left ${get('n')})
  (loop $forward
    ${steps.begin}
    ${steps.chain(plus(get('before'), bytes), get('before'))}
    ${[...lists.map((list) => step(list, 4 * lanes)), step('before', bytes), step('left', -1)].join(' ')}
    (br_if $forward ${get('left')}))
  (if ${call('inverse_all', get('before'), get('before'), get('work'))} (then (return (i32.const 1))))
  (loop $backward
    ${[...lists.map((list) => step(list, -4 * lanes)), step('before', -bytes), step('n', -1)].join(' ')}
    ${steps.begin}
    ${steps.product(t, left, get('before'))}
    ${steps.chain(get('before'), left)}
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
  const [factor, scratch] = [3, 4].map((i) => plus(get('work'), (20 + i * parts) * packBytes)) as [string, string];
  const call = (suffix: string, ...args: readonly string[]): string => `(call $${name}_${suffix} ${args.join(' ')})`;

  const product = (into: string, a: string, b: string): string =>
    parts === 1 ? `(call $fq_mul ${into} ${a} ${b})` : call('product', into, a, b, scratch);
  /** A factor made by one function, and the product with it; in G1, one function for both. */
  const times = (into: string, from: string, whole: string, made: string, ...args: readonly string[]): string =>
    parts === 1 ? call(whole, into, from, ...args) : `${call(made, factor, ...args)} ${product(into, from, factor)}`;
  const finish = (slope: string, x3: string): string =>
    parts === 1
      ? call('finish', slope, x3, t)
      : `${call('run', factor, x3, t)} ${product(fallen, slope, factor)} ${call('finish', fallen, x3, t)}`;
  const fallen = plus(get('work'), (20 + 5 * parts) * packBytes);
  return {
    adding: {
      begin: `${take('t', 'targets')} ${take('o', 'operands')}`,
      product,
      chain: (into, from) => times(into, from, 'chain', 'width', t, o),
      slope: (into, from) => times(into, from, 'slope', 'rise', t, o, get('operands')),
      abscissa: (into, slope) => call('abscissa', into, slope, t, o),
      finish,
    },
    doubling: {
      begin: take('t', 'targets'),
      product,
      chain: (into, from) => times(into, from, 'chain_double', 'twice', t),
      slope: (into, from) => `${call('triple_square', factor, t)} ${product(into, from, factor)}`,
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
  const [x1, y1, x2, y2, y3] = [slot(4), slot(5), slot(6), slot(7), slot(8)];
  const call = (suffix: string, ...args: readonly string[]): string => `(call $${field}_${suffix} ${args.join(' ')})`;
  const [targets, operands] = [get('targets'), get('operands')];
  const product = (into: string, a: string, b: string): string => call('mul', into, a, b);
  const finish = (slope: string, x3: string): string =>
    [call('mulsubsub', y3, slope, x1, x3, y1), call('scatter', targets, x, x3), call('scatter', targets, y, y3)].join(
      '\n    ',
    );
  return {
    adding: {
      product,
      begin: `${call('gather', x1, targets, x)} ${call('gather', x2, operands, x)}`,
      chain: (into, from) => call('mulsub', into, from, x2, x1),
      slope: (into, from) =>
        [
          call('gather', y1, targets, y),
          call('gather_signed', y2, operands, y),
          call('mulsub', into, from, y2, y1),
        ].join('\n    '),
      abscissa: (into, slope) => call('sqrsub2', into, slope, x1, x2),
      finish,
    },
    doubling: {
      product,
      begin: `${call('gather', y1, targets, y)} ${call('add', y2, y1, y1)}`,
      chain: (into, from) => call('mul', into, from, y2),
      slope: (into, from) =>
        [
          call('gather', x1, targets, x),
          call('sqr', into, x1),
          call('triple', into, into),
          call('mul', into, into, from),
        ].join('\n    '),
      abscissa: (into, slope) => call('sqrsub2', into, slope, x1, x1),
      finish,
    },
  };
}
