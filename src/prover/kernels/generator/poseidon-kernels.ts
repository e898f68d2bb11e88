/**
 * Poseidon(2) on Fr, a hash a lane. The parameters are packs in the order in which they are used
 * (../poseidon-parameters.ts), the same in all lanes; `work` has room for 6 packs. What its S-boxes took in is left behind:
 * `poseidon2_trace(z, trace, left, right, parameters, work)`, of one pack (../poseidon-trace.ts). Hashing alone, in bulk,
 * has a quicker form (hash-kernels.ts).
 *
 * A partial round is its sparse form: one S-box, one sum of three products with one reduction, two products with a sum.
 */
import { POSEIDON_FULL_ROUNDS, POSEIDON_PARTIAL_ROUNDS, POSEIDON_WIDTH as WIDTH } from '../../reference/poseidon.ts';
import { AFTER_BOXES, BOX_PACKS, FULL_ROUND_PACKS, PARAMETERS_AFTER_AT } from '../poseidon-trace.ts';
import { get, plus, step } from './control.ts';
import type { FieldOptions } from './field-kernels.ts';
import { kernelFunction } from './wat.ts';

export function poseidonKernels<E>(options: FieldOptions<E>): string[] {
  const { name, modulus, representation, target, pool } = options;
  const { pairBytes } = representation;
  const dot = (count: number): string =>
    kernelFunction(`${name}_dot${count}`, ['z', 'x', 'm'], target, pool, (ir) => {
      const F = representation.arithmetic(ir, modulus);
      const pairs = Array.from(
        { length: count },
        (_, i) => [F.load('x', 'stored', i * pairBytes), F.load('m', 'reduced', i * pairBytes)] as const,
      );
      F.store('z', F.reduce(F.sumOfProducts(pairs)), 'reduced');
    });
  return [
    dot(2),
    dot(WIDTH),
    // (x + k)^5, with x + k, its square and its fourth power left at `t`.
    kernelFunction(`${name}_pow5trace`, ['z', 'x', 'k', 't'], target, pool, (ir) => {
      const F = representation.arithmetic(ir, modulus);
      const sum = F.reduce(F.lazyAdd(F.load('x', 'reduced'), F.load('k', 'reduced')));
      const square = F.square(sum);
      const fourth = F.square(square);
      F.store('z', F.mul(fourth, sum), 'stored');
      F.store('t', sum, 'reduced');
      F.store('t', square, 'stored', pairBytes);
      F.store('t', fourth, 'stored', 2 * pairBytes);
    }),
    kernelFunction(`${name}_muladd`, ['z', 'x', 'w', 'y'], target, pool, (ir) => {
      const F = representation.arithmetic(ir, modulus);
      const product = F.mul(F.load('x', 'stored'), F.load('w', 'reduced'));
      F.store('z', F.reduce(F.lazyAdd(product, F.load('y', 'reduced'))), 'reduced');
    }),
    tracedHash(name, (pairBytes * target.lanes) / 2),
  ];
}

/** From `left`, `right` and `parameters` to `z`; `trace`, `at` and `after` move on with the rounds. */
function tracedHash(field: string, packBytes: number): string {
  const call = (suffix: string, ...args: readonly string[]): string => `(call $${field}_${suffix} ${args.join(' ')})`;
  const skip = (variable: string, packs: number): string => step(variable, packs * packBytes);
  /** The state is three packs, and so is what the S-boxes leave. */
  const state = (i: number): string => plus(get('work'), i * packBytes);
  const boxed = (i: number): string => plus(get('work'), (WIDTH + i) * packBytes);
  const parameter = (i: number): string => plus(get('at'), i * packBytes);
  const trace = (i: number): string => plus(get('trace'), i * packBytes);
  const wide = [0, 1, 2];

  const box = (i: number): string => call('pow5trace', boxed(i), state(i), parameter(i), trace(BOX_PACKS * i));
  const mix = wide.map((i) => call(`dot${WIDTH}`, state(i), boxed(0), plus(get('matrix'), i * WIDTH * packBytes)));
  const after = wide.map((i) => call('add', trace(AFTER_BOXES + i), boxed(i), plus(get('after'), i * packBytes)));
  const fullRounds = (label: string): string => `
    (local.set $rounds (i32.const ${POSEIDON_FULL_ROUNDS / 2}))
    (loop $${label}
      ${[...wide.map(box), ...after, ...mix].join('\n      ')}
      ${skip('trace', FULL_ROUND_PACKS)} ${skip('after', WIDTH)} ${skip('at', WIDTH)}
      ${step('rounds', -1)}
      (br_if $${label} ${get('rounds')}))`;

  // k; m00, v1, v2; w1, w2
  const partialRound = [
    box(0),
    skip('trace', BOX_PACKS),
    call('copy', boxed(1), state(1)),
    call('copy', boxed(2), state(2)),
    call(`dot${WIDTH}`, state(0), boxed(0), parameter(1)),
    call('muladd', state(1), boxed(0), parameter(4), boxed(1)),
    call('muladd', state(2), boxed(0), parameter(5), boxed(2)),
  ];

  return `(func $poseidon2_trace (export "poseidon2_trace")
  (param $z i32) (param $trace i32) (param $left i32) (param $right i32) (param $parameters i32) (param $work i32)
  (local $at i32) (local $matrix i32) (local $rounds i32) (local $after i32)
    (local.set $after ${plus(get('parameters'), PARAMETERS_AFTER_AT * packBytes)})
    (local.set $matrix ${get('parameters')})
    (local.set $at ${plus(get('parameters'), WIDTH * WIDTH * packBytes)})
    (memory.fill ${state(0)} (i32.const 0) (i32.const ${packBytes}))
    ${call('copy', state(1), get('left'))}
    ${call('copy', state(2), get('right'))}
    ${fullRounds('first')}
    (local.set $rounds (i32.const ${POSEIDON_PARTIAL_ROUNDS}))
    (loop $partial
      ${partialRound.join('\n      ')}
      ${skip('at', 6)} ${step('rounds', -1)}
      (br_if $partial ${get('rounds')}))
    ${call('copy', boxed(1), state(1))}
    ${call('copy', boxed(2), state(2))}
    ${call('dot2', state(1), boxed(1), parameter(0))}
    ${call('dot2', state(2), boxed(1), parameter(2))}
    ${skip('at', 4)}
    ${fullRounds('last')}
    ${call('copy', get('z'), state(0))})`;
}
