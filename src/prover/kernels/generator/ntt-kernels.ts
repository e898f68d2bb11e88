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
import { get, plus, type Sizes, step } from './control.ts';
import { limbOffset } from './field-kernels.ts';
import { type Element, FmaArithmetic, type FmaOptions, LIMBS, type Size } from './fma-arithmetic.ts';
import type { Float, Recorder } from './ir.ts';
import { type ConstantPool, kernelFunction, type Target } from './wat.ts';

export interface NttOptions extends FmaOptions {
  readonly modulus: bigint;
  readonly target: Target;
  readonly pool: ConstantPool;
  readonly sizes: Sizes;
}

type Twiddle = (i: number, j: number) => Float;

export function nttKernels(options: NttOptions): string[] {
  return [...butterflies(options), ...tables(options), ...loops(options.sizes)];
}

/** Of what a stage takes and of what it leaves. */
type Form = 'loose' | 'tight';
const TAKEN: Readonly<Record<Form, Size>> = { loose: 'reduced', tight: 'wide' };
const FORMS = ['loose', 'tight'] as const;

function butterflies({ modulus, target, pool, chain }: NttOptions): string[] {
  const kernel = (
    name: string,
    parameters: readonly string[],
    body: (F: FmaArithmetic, ir: Recorder) => void,
  ): string =>
    kernelFunction(`fr_ntt_${name}`, parameters, target, pool, (ir) =>
      body(new FmaArithmetic(ir, modulus, { chain }), ir),
    );
  const store = (F: FmaArithmetic, ir: Recorder, pointer: string, value: Element, size: Size): void => {
    F.require(value, size).forEach((limb, i) => {
      ir.store(pointer, limbOffset(i), limb);
    });
  };
  const offset = (i: number, j: number): number => 8 * (LIMBS * i + j);
  const shared =
    (F: FmaArithmetic, ir: Recorder): Twiddle =>
    (i, j) =>
      ir.loadForAllLanes('w', offset(i, j), F.limbMax(j, 'reduced'));
  const apart =
    (F: FmaArithmetic, ir: Recorder): Twiddle =>
    (i, j) =>
      ir.loadLaneByLane('w', offset(i, j), TWIDDLE_BYTES, F.limbMax(j, 'reduced'));

  const inFrequency = (form: Form, twiddle: typeof shared) => (F: FmaArithmetic, ir: Recorder) => {
    const [x, y] = [F.load('x', TAKEN[form], limbOffset), F.load('y', TAKEN[form], limbOffset)];
    const difference = F.carry(F.lazySub(x, y));
    const sum = F.lazyAdd(x, y);
    if (form === 'loose') store(F, ir, 'x', sum, 'wide');
    else store(F, ir, 'x', F.reduce(sum), 'reduced');
    const product = F.mulByRows(difference, twiddle(F, ir));
    if (form === 'loose') store(F, ir, 'y', product, 'wide');
    else store(F, ir, 'y', F.reduce(product), 'reduced');
  };
  const inTime = (form: Form, twiddle: typeof shared) => (F: FmaArithmetic, ir: Recorder) => {
    const y = F.load('y', TAKEN[form], limbOffset);
    const product = F.mulByRows(form === 'loose' ? y : F.carry(y), twiddle(F, ir));
    const x = F.load('x', TAKEN[form], limbOffset);
    const [sum, difference] = [F.lazyAdd(x, product), F.lazySub(x, product)];
    if (form === 'loose') {
      store(F, ir, 'x', sum, 'wide');
      store(F, ir, 'y', difference, 'wide');
    } else {
      store(F, ir, 'x', F.reduce(sum), 'reduced');
      store(F, ir, 'y', F.reduce(difference), 'reduced');
    }
  };
  return FORMS.flatMap((form) => [
    kernel(`dif_${form}`, ['x', 'y', 'w'], inFrequency(form, shared)),
    kernel(`dit_${form}`, ['x', 'y', 'w'], inTime(form, shared)),
    // Either, where the twiddle is one.
    kernel(`sum_${form}`, ['x', 'y'], (F, ir) => {
      const [x, y] = [F.load('x', TAKEN[form], limbOffset), F.load('y', TAKEN[form], limbOffset)];
      const [sum, difference] = [F.lazyAdd(x, y), F.lazySub(x, y)];
      store(F, ir, 'x', form === 'loose' ? sum : F.reduce(sum), form === 'loose' ? 'wide' : 'reduced');
      store(F, ir, 'y', form === 'loose' ? difference : F.reduce(difference), form === 'loose' ? 'wide' : 'reduced');
    }),
  ]).concat([
    kernel('dif_apart', ['x', 'y', 'w'], inFrequency('tight', apart)),
    kernel('dit_apart', ['x', 'y', 'w'], inTime('tight', apart)),
    // x t, and t moves on by a step of its progression.
    kernel('scale', ['x', 't', 'r'], (F, ir) => {
      const t = F.load('t', 'stored', limbOffset);
      store(F, ir, 'x', F.mul(F.load('x', 'wide', limbOffset), t), 'wide');
      store(F, ir, 't', F.mul(t, F.load('r', 'reduced', limbOffset)), 'stored');
    }),
  ]);
}

function tables({ modulus, target, pool, chain }: NttOptions): string[] {
  return [
    // One row of a twiddle a lane, `stride` bytes apart: x k, k the plain power of two that belongs to the row.
    kernelFunction('fr_ntt_row', ['at', 'stride', 'x', 'k'], target, pool, (ir) => {
      const F = new FmaArithmetic(ir, modulus, { chain });
      const product = F.mul(F.load('x', 'stored', limbOffset), F.load('k', 'reduced', limbOffset));
      F.require(F.reduce(product), 'reduced').forEach((limb, i) => {
        for (const which of [0, 1] as const) {
          const address = `(i32.add (local.get $at) (i32.mul (local.get $stride) (i32.const {lane+${which}})))`;
          ir.effect(`(v128.store64_lane offset=${8 * i} ${which} ${address} {0})`, limb);
        }
      });
    }),
    // (a b - c n) k as canonical words, n and k packs: what is left of two scaled products when all are joined.
    kernelFunction('fr_ntt_join', ['at', 'stride', 'a', 'b', 'c', 'scale', 'k'], target, pool, (ir) => {
      const F = new FmaArithmetic(ir, modulus, { chain });
      const load = (pointer: string): Element => F.load(pointer, 'reduced', limbOffset);
      const difference = F.sumOfProducts([
        [load('a'), load('b')],
        [F.neg(load('c')), load('scale')],
      ]);
      F.toWords(F.mul(difference, load('k'))).forEach((bits, word) => {
        for (const which of [0, 1] as const) {
          const address = `(i32.add (local.get $at) (i32.mul (local.get $stride) (i32.const {lane+${which}})))`;
          ir.effect(`(v128.store64_lane offset=${8 * word} ${which} ${address} {0})`, bits);
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
    for (let i = 0; i < LIMBS; i++) {
      for (let a = 0; a < lanes; a++) {
        for (let b = 0; b < lanes; b++) {
          const loaded = `(f64.load offset=${place(b, i, a)} ${get(x)})`;
          moves.push(`(f64.store offset=${place(a, i, b)} ${get(z)} ${loaded})`);
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
