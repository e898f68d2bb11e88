/**
 * Butterflies over Fr, and loops that take a whole stage of a transform in one call.
 *
 * Twiddles are known long before data, so a twiddle is kept as the rows that `mulByRows` wants: 25 limbs for all lanes,
 * TWIDDLE_BYTES each, which saves a third of a product. With W such a twiddle:
 *   in frequency (Gentleman and Sande)   (x, y) becomes (x + y, (x - y) W)
 *   in time      (Cooley and Tukey)      (x, y) becomes (x + y W, x - y W)
 * Each in two forms, as a sum need not be reduced at every stage: `loose` takes reduced elements and leaves wide ones,
 * `tight` takes wide ones and leaves reduced ones.
 *
 * Lanes of a pack are a row's elements M / lanes apart, so that all stages but the widest log2(lanes) share twiddles
 * over lanes. For those few, `lanes` consecutive packs are transposed as a tile, and each lane has its own twiddle.
 */
import { TWIDDLE_BYTES } from '../layout-constants.ts';
import type { Arithmetic, Size } from './arithmetic.ts';
import { get, plus, type Sizes, step } from './control.ts';
import type { FieldOptions } from './field-kernels.ts';
import type { Recorder } from './ir.ts';
import { kernelFunction } from './wat.ts';

export interface NttOptions<E> extends FieldOptions<E> {
  readonly sizes: Sizes;
}

export function nttKernels<E>(options: NttOptions<E>): string[] {
  return [...butterflies(options), ...tables(options), ...loops(options.sizes)];
}

/** Of what a stage takes and of what it leaves. */
type Form = 'loose' | 'tight';
const TAKEN: Readonly<Record<Form, Size>> = { loose: 'reduced', tight: 'wide' };
const FORMS = ['loose', 'tight'] as const;

function butterflies<E>({ modulus, representation, target, pool }: NttOptions<E>): string[] {
  type Field = Arithmetic<E>;
  const kernel = (name: string, parameters: readonly string[], body: (F: Field) => void): string =>
    kernelFunction(`fr_ntt_${name}`, parameters, target, pool, (ir) => body(representation.arithmetic(ir, modulus)));
  const store = (F: Field, form: Form, pointer: string, value: E): void => {
    if (form === 'loose') F.store(pointer, F.loosen(value), 'wide');
    else F.store(pointer, F.reduce(value), 'reduced');
  };
  const inFrequency = (form: Form, twiddle: 'shared' | 'apart') => (F: Field) => {
    const [x, y] = [F.load('x', TAKEN[form]), F.load('y', TAKEN[form])];
    const difference = F.carry(F.lazySub(x, y));
    store(F, form, 'x', F.lazyAdd(x, y));
    store(F, form, 'y', F.mulByTwiddle(difference, 'w', twiddle));
  };
  const inTime = (form: Form, twiddle: 'shared' | 'apart') => (F: Field) => {
    const y = F.load('y', TAKEN[form]);
    const product = F.mulByTwiddle(form === 'loose' ? y : F.carry(y), 'w', twiddle);
    const x = F.load('x', TAKEN[form]);
    store(F, form, 'x', F.lazyAdd(x, product));
    store(F, form, 'y', F.lazySub(x, product));
  };
  return FORMS.flatMap((form) => [
    kernel(`dif_${form}`, ['x', 'y', 'w'], inFrequency(form, 'shared')),
    kernel(`dit_${form}`, ['x', 'y', 'w'], inTime(form, 'shared')),
    // Either, where the twiddle is one.
    kernel(`sum_${form}`, ['x', 'y'], (F) => {
      const [x, y] = [F.load('x', TAKEN[form]), F.load('y', TAKEN[form])];
      store(F, form, 'x', F.lazyAdd(x, y));
      store(F, form, 'y', F.lazySub(x, y));
    }),
  ]).concat([
    kernel('dif_apart', ['x', 'y', 'w'], inFrequency('tight', 'apart')),
    kernel('dit_apart', ['x', 'y', 'w'], inTime('tight', 'apart')),
    // x t, and t moves on by a step of its progression.
    kernel('scale', ['x', 't', 'r'], (F) => {
      const t = F.load('t', 'stored');
      F.store('x', F.mul(F.load('x', 'wide'), t), 'wide');
      F.store('t', F.mul(t, F.load('r', 'reduced')), 'stored');
    }),
  ]);
}

const stridden = (which: 0 | 1): string =>
  `(i32.add (local.get $at) (i32.mul (local.get $stride) (i32.const {lane+${which}})))`;

function tables<E>({ modulus, representation, target, pool }: NttOptions<E>): string[] {
  const arithmetic = (ir: Recorder): Arithmetic<E> => representation.arithmetic(ir, modulus);
  return [
    // One row of a twiddle a lane, `stride` bytes apart: x k, k the plain power of two that belongs to the row, or x.
    kernelFunction('fr_ntt_row', ['at', 'stride', 'x', 'k'], target, pool, (ir) => {
      const F = arithmetic(ir);
      const x = F.load('x', 'stored');
      const row = representation.twiddleRows === 'powers' ? F.mul(x, F.load('k', 'reduced')) : x;
      F.storeTwiddleRow(F.reduce(row), stridden);
    }),
    // (a b - c n) k as canonical words, n and k packs: what is left of two scaled products when all are joined.
    kernelFunction('fr_ntt_join', ['at', 'stride', 'a', 'b', 'c', 'scale', 'k'], target, pool, (ir) => {
      const F = arithmetic(ir);
      const load = (pointer: string): E => F.load(pointer, 'reduced');
      const difference = F.sumOfProducts([
        [load('a'), load('b')],
        [F.neg(load('c')), load('scale')],
      ]);
      F.productToWords(F.mul(difference, load('k'))).forEach((bits, word) => {
        for (const which of [0, 1] as const) {
          ir.effect(`(v128.store64_lane offset=${8 * word} ${which} ${stridden(which)} {0})`, bits);
        }
      });
    }),
  ];
}

const call = (name: string, ...args: readonly string[]): string => `(call $fr_ntt_${name} ${args.join(' ')})`;

function exported(name: string, parameters: readonly string[], locals: readonly string[], body: string): string {
  const list = (kind: string, names: readonly string[]): string => names.map((n) => `(${kind} $${n} i32)`).join(' ');
  return `(func $fr_ntt_${name} (export "fr_ntt_${name}") ${list('param', parameters)} ${list('local', locals)}
  ${body})`;
}

/** While `counter` is not zero; it is counted down at the end. */
const repeat = (
  label: string,
  counter: string,
  body: readonly string[],
): string => `(block $${label}_done (loop $${label}
    (br_if $${label}_done (i32.eqz ${get(counter)}))
    ${body.join('\n    ')}
    ${step(counter, -1)}
    (br $${label})))`;

function loops({ packBytes, lanes }: Sizes): string[] {
  const both = [step('x', packBytes), step('y', packBytes)];
  const run = (kernel: string, twiddle: boolean): string =>
    repeat('next', 'n', [call(kernel, get('x'), get('y'), ...(twiddle ? [get('w')] : [])), ...both]);
  const other = `(local.set $y (i32.add ${get('x')} (i32.mul ${get('half')} (i32.const ${packBytes}))))`;

  const transpose = (z: string, x: string): string => {
    const place = (pack: number, limb: number, lane: number): number => pack * packBytes + 8 * (limb * lanes + lane);
    const moves: string[] = [];
    for (let i = 0; i < packBytes / (8 * lanes); i++) {
      for (let a = 0; a < lanes; a++) {
        for (let b = 0; b < lanes; b++) {
          const loaded = `(i64.load offset=${place(b, i, a)} ${get(x)})`;
          moves.push(`(i64.store offset=${place(a, i, b)} ${get(z)} ${loaded})`);
        }
      }
    }
    return moves.join('\n    ');
  };
  /** A tile is `lanes` packs; `pairs` are butterflies between them, with the pointer to their twiddles. */
  const acrossLanes = (kernel: string, pairs: readonly (readonly [number, number, string])[]): string =>
    repeat('next', 'n', [
      transpose('work', 'x'),
      ...pairs.map(([a, b, w]) =>
        call(kernel, plus(get('work'), a * packBytes), plus(get('work'), b * packBytes), get(w)),
      ),
      transpose('x', 'work'),
      step('x', lanes * packBytes),
      ...['w', 'wb', 'v'].map((w) => step(w, lanes * TWIDDLE_BYTES)),
    ]);
  const wide: readonly (readonly [number, number, string])[] =
    lanes === 2
      ? [[0, 1, 'w']]
      : [
          [0, 2, 'w'],
          [1, 3, 'wb'],
        ];
  const narrow: readonly (readonly [number, number, string])[] =
    lanes === 2
      ? []
      : [
          [0, 1, 'v'],
          [2, 3, 'v'],
        ];

  const perForm = FORMS.flatMap((form) => [
    exported(`dif_row_${form}`, ['x', 'y', 'w', 'n'], [], run(`dif_${form}`, true)),
    exported(`dit_row_${form}`, ['x', 'y', 'w', 'n'], [], run(`dit_${form}`, true)),
    exported(`sum_row_${form}`, ['x', 'y', 'n'], [], run(`sum_${form}`, false)),
    exported(
      `dif_stage_${form}`,
      ['x', 'w', 'half', 'blocks'],
      ['y', 'at', 'n'],
      repeat('block', 'blocks', [
        other,
        call(`sum_${form}`, get('x'), get('y')),
        ...both,
        `(local.set $at ${plus(get('w'), TWIDDLE_BYTES)})`,
        `(local.set $n ${plus(get('half'), -1)})`,
        repeat('next', 'n', [call(`dif_${form}`, get('x'), get('y'), get('at')), ...both, step('at', TWIDDLE_BYTES)]),
        `(local.set $x ${get('y')})`,
      ]),
    ),
    exported(
      `dit_stage_${form}`,
      ['x', 'w', 'half', 'blocks'],
      ['y', 'at', 'n'],
      repeat('block', 'blocks', [
        other,
        `(local.set $at ${get('w')})`,
        `(local.set $n ${get('half')})`,
        repeat('next', 'n', [call(`dit_${form}`, get('x'), get('y'), get('at')), ...both, step('at', TWIDDLE_BYTES)]),
        `(local.set $x ${get('y')})`,
      ]),
    ),
  ]);
  const crossing = ['x', 'w', 'wb', 'v', 'n', 'work'];
  return [
    ...perForm,
    // Tight, as the inverse transform begins with it and the forward one ends with it.
    exported('dif_cross', crossing, [], acrossLanes('dif_apart', [...wide, ...narrow])),
    exported('dit_cross', crossing, [], acrossLanes('dit_apart', [...narrow, ...wide])),
    exported(
      'scale_row',
      ['x', 't', 'r', 'n'],
      [],
      repeat('next', 'n', [call('scale', get('x'), get('t'), get('r')), step('x', packBytes)]),
    ),
    exported(
      'join_row',
      ['at', 'stride', 'a', 'b', 'c', 'scale', 'k', 'n'],
      [],
      repeat('next', 'n', [
        call('join', ...['at', 'stride', 'a', 'b', 'c', 'scale', 'k'].map(get)),
        step('at', 32),
        ...['a', 'b', 'c'].map((x) => step(x, packBytes)),
      ]),
    ),
  ];
}
