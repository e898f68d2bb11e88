/**
 * Many hashes side by side: `poseidon2_words(target, source, n, parameters, work)` takes n packs of pairs, 64 bytes a
 * pair as words that follow one another, and leaves a hash of 32 bytes for each. The parameters are packs in the order in
 * which they are used (../hash-parameters.ts, which also says why a partial round is what it is here), the same in all
 * lanes; `work` has room for HASH_WORK_PACKS packs.
 *
 * Constants are added after the matrix, so that the state always is what the S-boxes take in. Two things are spared: in
 * the first round the S-box of the capacity, which is known, and in the last one the rows that nobody asks for.
 */
import { POSEIDON_FULL_ROUNDS, POSEIDON_PARTIAL_ROUNDS, POSEIDON_WIDTH as WIDTH } from '../../reference/poseidon.ts';
import { elementAddress } from '../layout-constants.ts';
import { get, plus, type Sizes, step } from './control.ts';
import type { FieldOptions } from './field-kernels.ts';
import { kernelFunction } from './wat.ts';

export interface HashOptions<E> extends FieldOptions<E> {
  readonly sizes: Sizes;
}

const FIFTH = 'fr_hash_fifth';
const FIRST = 'fr_hash_first';
const ROW = 'fr_hash_row';
const PLAIN_ROW = 'fr_hash_plain_row';
const LEAVE = 'fr_hash_leave';
const LINK = 'fr_hash_link';

export function hashKernels<E>({ modulus, representation, target, pool, sizes }: HashOptions<E>): string[] {
  const { pairBytes } = representation;
  const kernel = (name: string, parameters: readonly string[], body: (F: ReturnType<typeof arithmetic>) => void) =>
    kernelFunction(name, parameters, target, pool, (ir) => body(representation.arithmetic(ir, modulus)));
  type Arithmetic = ReturnType<typeof arithmetic>;
  function arithmetic(ir: Parameters<typeof representation.arithmetic>[0]) {
    return representation.arithmetic(ir, modulus);
  }
  const fifth = (F: Arithmetic, x: E): E => F.mul(F.square(F.square(x)), x);

  return [
    kernel(FIFTH, ['z', 'x'], (F) => F.store('z', fifth(F, F.load('x', 'reduced')), 'stored')),
    // (x + k)^5. Carried: a square doubles its factor, and twice a sum would leave its binade.
    kernel(FIRST, ['z', 'x', 'k'], (F) =>
      F.store('z', fifth(F, F.carry(F.lazyAdd(F.load('x', 'reduced'), F.load('k', 'reduced')))), 'stored'),
    ),
    // A row of the matrix: x_0 + m_0 x_1 + m_1 x_2 + m_2.
    kernel(ROW, ['z', 'x', 'm'], (F) => {
      const sum = F.sumOfProducts(
        [0, 1].map((i) => [F.load('x', 'stored', (i + 1) * pairBytes), F.load('m', 'reduced', i * pairBytes)] as const),
      );
      const rest = F.lazyAdd(F.load('x', 'stored'), F.load('m', 'reduced', 2 * pairBytes));
      F.store('z', F.reduce(F.lazyAdd(sum, rest)), 'reduced');
    }),
    // A row without a constant: m_0 x_0 + m_1 x_1 + m_2 x_2.
    kernel(PLAIN_ROW, ['z', 'x', 'm'], (F) => {
      const products = Array.from(
        { length: WIDTH },
        (_, i) => [F.load('x', 'stored', i * pairBytes), F.load('m', 'reduced', i * pairBytes)] as const,
      );
      F.store('z', F.reduce(F.sumOfProducts(products)), 'reduced');
    }),
    // One of the state's hidden elements after the last partial round: x + m_0 y + m_1 y1 + m_2 x1 + m_3.
    kernel(LEAVE, ['z', 'y', 'y1', 'x', 'x1', 'm'], (F) => {
      const m = (i: number): E => F.load('m', 'reduced', i * pairBytes);
      const sum = F.sumOfProducts([
        [F.load('y', 'reduced'), m(0)],
        [F.load('y1', 'reduced'), m(1)],
        [F.load('x1', 'stored'), m(2)],
      ]);
      F.store('z', F.reduce(F.lazyAdd(F.lazyAdd(F.load('x', 'stored'), sum), m(3))), 'reduced');
    }),
    // What a partial round leaves, with x = y^5: x + m_0 y + m_1 y1 + m_2 x1 + m_3 x2 + m_4 in the place of y1.
    kernel(LINK, ['y', 'y1', 'x', 'x1', 'x2', 'm'], (F) => {
      const m = (i: number): E => F.load('m', 'reduced', i * pairBytes);
      const sum = F.sumOfProducts([
        [F.load('y', 'reduced'), m(0)],
        [F.load('y1', 'reduced'), m(1)],
        [F.load('x1', 'stored'), m(2)],
        [F.load('x2', 'stored'), m(3)],
      ]);
      F.store('y1', F.reduce(F.lazyAdd(F.lazyAdd(F.load('x', 'stored'), sum), m(4))), 'reduced');
    }),
    hashes(sizes),
  ];
}

const set = (name: string, value: string): string => `(local.set $${name} ${value})`;
const call = (name: string, ...args: readonly string[]): string => `(call $${name} ${args.join(' ')})`;

function hashes({ packBytes, lanes }: Sizes): string {
  const place = (i: number): string => plus(get('work'), i * packBytes);
  const state = (i: number): string => place(i);
  const boxed = (i: number): string => place(WIDTH + i);
  /** Of the first round: its capacity stays where it is, for all hashes. */
  const first = (i: number): string => place(2 * WIDTH + i);
  const other = place(3 * WIDTH);
  const parameter = (i: number): string => plus(get('at'), i * packBytes);
  const plain = `(i32.const ${elementAddress('fr_plain', packBytes)})`;
  const wide = [0, 1, 2];

  /** From what the S-boxes left: three rows of the matrix, each of two factors and a constant. */
  const mix = (from: string): string[] => [
    ...wide.map((i) => call(ROW, state(i), from, parameter(3 * i))),
    step('at', 3 * WIDTH * packBytes),
  ];
  const boxes = wide.map((i) => call(FIFTH, boxed(i), state(i)));
  const repeated = (label: string, times: number, body: readonly string[]): string =>
    `(local.set $rounds (i32.const ${times}))
    (loop $${label}
      ${[...body, step('rounds', -1)].join('\n      ')}
      (br_if $${label} ${get('rounds')}))`;
  /** The oldest x is nobody's afterwards: it becomes the place of the next. */
  const link = [
    call(FIFTH, get('x'), get('y')),
    call(LINK, ...['y', 'y1', 'x', 'x1', 'x2', 'at'].map(get)),
    `(local.set $swap ${get('y')}) (local.set $y ${get('y1')}) (local.set $y1 ${get('swap')})`,
    `(local.set $swap ${get('x2')}) (local.set $x2 ${get('x1')}) (local.set $x1 ${get('x')}) (local.set $x ${get('swap')})`,
    step('at', 5 * packBytes),
  ];
  const half = POSEIDON_FULL_ROUNDS / 2;

  return `(func $poseidon2_words (export "poseidon2_words")
  (param $target i32) (param $source i32) (param $n i32) (param $parameters i32) (param $work i32)
  ${['at', 'rounds', 'y', 'y1', 'x', 'x1', 'x2', 'swap'].map((name) => `(local $${name} i32)`).join(' ')}
  ${call('fr_copy', first(0), get('parameters'))}
  (block $done (loop $hash
    (br_if $done (i32.eqz ${get('n')}))
    (local.set $at ${plus(get('parameters'), packBytes)})
    ${[0, 1]
      .flatMap((side) => [
        call('fr_read', state(1), plus(get('source'), 32 * side), '(i32.const 64)', plain),
        call(FIRST, first(1 + side), state(1), parameter(side)),
      ])
      .join('\n    ')}
    ${step('at', 2 * packBytes)}
    ${mix(first(0)).join('\n    ')}
    ${repeated('opening', half - 2, [...boxes, ...mix(boxed(0))])}
    ${boxes.join('\n    ')}
    ;; Into the chain: its y, x1 and x2; y1 is nothing.
    ${[ROW, ROW, PLAIN_ROW].map((row, i) => call(row, state(i), boxed(0), parameter(3 * i))).join('\n    ')}
    ${step('at', 3 * WIDTH * packBytes)}
    (memory.fill ${other} (i32.const 0) (i32.const ${packBytes}))
    ${set('y', state(0))} ${set('y1', other)} ${set('x1', state(1))} ${set('x2', state(2))} ${set('x', boxed(0))}
    ${repeated('chain', POSEIDON_PARTIAL_ROUNDS, link)}
    ${[1, 2].map((i) => call(LEAVE, boxed(i), ...['y', 'y1', 'x1', 'x2'].map(get), parameter(4 * (i - 1)))).join('\n    ')}
    ${step('at', 8 * packBytes)}
    ${wide.map((i) => call(FIFTH, boxed(i), i === 0 ? get('y') : boxed(i))).join('\n    ')}
    ${mix(boxed(0)).join('\n    ')}
    ${repeated('closing', half - 2, [...boxes, ...mix(boxed(0))])}
    ${boxes.join('\n    ')}
    ${call(PLAIN_ROW, state(0), boxed(0), parameter(0))}
    ${call('fr_write', get('target'), '(i32.const 32)', state(0))}
    ${step('source', 64 * lanes)} ${step('target', 32 * lanes)} ${step('n', -1)}
    (br $hash))))`;
}
