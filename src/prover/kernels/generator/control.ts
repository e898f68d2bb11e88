/**
 * What is written around the arithmetic by hand: loops over packs, inversion, and batched-affine point addition, as
 * WebAssembly text over the small functions of one field.
 *
 * The same text serves every tier: it knows of packs and cells only by their sizes.
 */

import { POINT_SCRATCH_PACKS } from '../layout-constants.ts';

export interface Sizes {
  /** A pack of one prime-field element a lane. */
  readonly packBytes: number;
  /** One prime-field element outside lanes. */
  readonly cellBytes: number;
  readonly lanes: number;
}

export const get = (name: string): string => `(local.get $${name})`;
export const plus = (x: string, n: number | string): string =>
  n === 0 ? x : `(i32.add ${x} ${typeof n === 'number' ? `(i32.const ${n})` : n})`;
export const step = (name: string, n: number): string => `(local.set $${name} ${plus(get(name), n)})`;

/** `NAME_n(z, x, y, n)` and the like: the function over n packs that follow one another. */
export function loopOver(name: string, operands: readonly string[], bytes: number): string {
  const parameters = [...operands, 'n'];
  return `(func $${name}_n (export "${name}_n") ${parameters.map((p) => `(param $${p} i32)`).join(' ')}
  (block $done (loop $next
    (br_if $done (i32.eqz ${get('n')}))
    (call $${name} ${operands.map(get).join(' ')})
    ${operands.map((p) => step(p, bytes)).join(' ')}
    ${step('n', -1)}
    (br $next))))`;
}

export function copyFunction(name: string, bytes: number): string {
  return `(func $${name}_copy (param $z i32) (param $x i32) (memory.copy ${get('z')} ${get('x')} (i32.const ${bytes})))`;
}

/** `NAME_gather` and its kin for Fq2, from those of Fq: a cell's imaginary part follows its real one. */
export function quadraticCells(name: string, base: string, sizes: Sizes): string {
  const { packBytes, cellBytes } = sizes;
  const into = (
    suffix: string,
  ): string => `(func $${name}_${suffix} (param $z i32) (param $list i32) (param $offset i32)
  (call $${base}_${suffix} ${get('z')} ${get('list')} ${get('offset')})
  (call $${base}_${suffix} ${plus(get('z'), packBytes)} ${get('list')} ${plus(get('offset'), cellBytes)}))`;
  return [
    into('gather'),
    into('gather_signed'),
    `(func $${name}_scatter (param $list i32) (param $offset i32) (param $x i32)
  (call $${base}_scatter ${get('list')} ${get('offset')} ${get('x')})
  (call $${base}_scatter ${get('list')} ${plus(get('offset'), cellBytes)} ${plus(get('x'), packBytes)}))`,
  ].join('\n');
}

/**
 * `NAME_inverse(z, x, work)`: x^(p - 2) in every lane, by windows of four bits; zero stays zero. `nibbles` is where the
 * exponent's 64 hexadecimal digits stand, a byte each, the highest first. `work` has room for 17 packs.
 */
export function fermatInverse(name: string, nibbles: number, { packBytes }: Sizes): string {
  const entry = (index: string): string => `(i32.add ${get('work')} (i32.mul ${index} (i32.const ${packBytes})))`;
  return `(func $${name}_inverse (export "${name}_inverse") (param $z i32) (param $x i32) (param $work i32)
  (local $i i32) (local $digit i32) (local $acc i32)
  (local.set $acc ${plus(get('work'), 16 * packBytes)})
  (call $${name}_copy ${entry('(i32.const 1)')} ${get('x')})
  (local.set $i (i32.const 2))
  (loop $table
    (call $${name}_mul ${entry(get('i'))} ${entry(plus(get('i'), -1))} ${entry('(i32.const 1)')})
    ${step('i', 1)}
    (br_if $table (i32.lt_u ${get('i')} (i32.const 16))))
  (call $${name}_copy ${get('acc')} ${entry(`(i32.load8_u offset=${nibbles} (i32.const 0))`)})
  (local.set $i (i32.const 1))
  (loop $digits
    ${`(call $${name}_sqr ${get('acc')} ${get('acc')})\n    `.repeat(4)}
    (local.set $digit (i32.load8_u offset=${nibbles} ${get('i')}))
    (if ${get('digit')} (then (call $${name}_mul ${get('acc')} ${get('acc')} ${entry(get('digit'))})))
    ${step('i', 1)}
    (br_if $digits (i32.lt_u ${get('i')} (i32.const 64))))
  (call $${name}_copy ${get('z')} ${get('acc')}))`;
}

/** 1 / (a + b u) = (a - b u) / (a^2 + b^2). `work` has room for 20 packs. */
export function quadraticInverse(name: string, base: string, { packBytes }: Sizes): string {
  const imaginary = plus(get('x'), packBytes);
  const norm = plus(get('work'), 17 * packBytes);
  const square = plus(get('work'), 18 * packBytes);
  return `(func $${name}_inverse (export "${name}_inverse") (param $z i32) (param $x i32) (param $work i32)
  (call $${base}_sqr ${norm} ${get('x')})
  (call $${base}_sqr ${square} ${imaginary})
  (call $${base}_add ${norm} ${norm} ${square})
  (call $${base}_inverse ${norm} ${norm} ${get('work')})
  (call $${base}_mul ${get('z')} ${get('x')} ${norm})
  (call $${base}_mul ${square} ${imaginary} ${norm})
  (call $${base}_neg ${plus(get('z'), packBytes)} ${square})
  (call $${base}_reduce ${get('z')} ${get('z')})
  (call $${base}_reduce ${plus(get('z'), packBytes)} ${plus(get('z'), packBytes)}))`;
}

/** `NAME_any_zero(x, work)`: 1 if the element in some lane is zero, else 0. */
export function anyLaneZero(name: string, base: string, parts: number, { packBytes, lanes }: Sizes): string {
  const lane = (l: number): string => {
    const words = Array.from({ length: 4 * parts }, (_, w) => {
      const offset = Math.floor(w / 4) * 32 * lanes + 32 * l + 8 * (w % 4);
      return `(i64.load offset=${offset} ${get('work')})`;
    });
    return `(i64.eqz ${words.reduce((a, b) => `(i64.or ${a} ${b})`)})`;
  };
  const write = (c: number): string =>
    `(call $${base}_write ${plus(get('work'), c * 32 * lanes)} (i32.const 32) ${plus(get('x'), c * packBytes)})`;
  return `(func $${name}_any_zero (param $x i32) (param $work i32) (result i32)
  ${Array.from({ length: parts }, (_, c) => write(c)).join('\n  ')}
  ${Array.from({ length: lanes }, (_, l) => lane(l)).reduce((a, b) => `(i32.or ${a} ${b})`)})`;
}

export interface CurveOptions {
  /** g1 or g2. */
  readonly name: string;
  /** fq or fq2. */
  readonly field: string;
  /** Packs in a coordinate: 1 or 2. */
  readonly parts: 1 | 2;
  /** Where a pack of ones stands. */
  readonly one: number;
  readonly sizes: Sizes;
}

/**
 * Batched-affine addition, after Montgomery's shared inversion: 5 products and a square an addition.
 *
 *   NAME_accumulate(targets, operands, n, work)   targets += operands, with the operands' signs
 *   NAME_double(targets, n, work)                 targets doubled
 *
 * Lists hold n references, n a multiple of the lanes: a point's address / 16, its sign in bit 31 (of operands). A point
 * is x and y as cells. Targets must all differ. Both answer 0 when done; or 1 when some pair had equal x (the same
 * point, or its negative), or some y was 0, and nothing was changed: whoever calls takes such pairs out first.
 * `work` has room for POINT_SCRATCH_PACKS + 2 parts n / lanes packs.
 */
export function pointFunctions({ name, field, parts, one, sizes }: CurveOptions): string {
  const { packBytes, cellBytes, lanes } = sizes;
  const bytes = parts * packBytes;
  const y = parts * cellBytes;
  const slot = (i: number): string => plus(get('work'), 20 * packBytes + i * bytes);
  const [acc, t, slope, x1, y1, x2, y2, x3, y3] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(slot) as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const call = (suffix: string, ...args: readonly string[]): string => `(call $${field}_${suffix} ${args.join(' ')})`;
  const offset = (n: number): string => `(i32.const ${n})`;

  /** Both passes around one inversion: `divisor` fills the divisor at $d, `finish` has its inverse in `t`. */
  const batch = (lists: readonly string[], divisor: readonly string[], finish: readonly string[]): string => `
  (local $before i32) (local $d i32) (local $left i32)
  (local.set $before ${plus(get('work'), POINT_SCRATCH_PACKS * packBytes)})
  (local.set $n (i32.div_u ${get('n')} ${offset(lanes)}))
  (local.set $d ${plus(get('before'), `(i32.mul ${get('n')} ${offset(bytes)})`)})
  (if (i32.eqz ${get('n')}) (then (return (i32.const 0))))
  ${call('copy', acc, offset(one))}
  (local.set $left ${get('n')})
  (loop $forward
    ${divisor.join('\n    ')}
    ${call('copy', get('before'), acc)}
    ${call('mul', acc, acc, get('d'))}
    ${[...lists.map((list) => step(list, 4 * lanes)), step('before', bytes), step('d', bytes), step('left', -1)].join(' ')}
    (br_if $forward ${get('left')}))
  (if (call $${field}_any_zero ${acc} ${get('work')}) (then (return (i32.const 1))))
  ${call('inverse', acc, acc, get('work'))}
  (loop $backward
    ${[...lists.map((list) => step(list, -4 * lanes)), step('before', -bytes), step('d', -bytes), step('n', -1)].join(' ')}
    ${call('mul', t, acc, get('before'))}
    ${call('mul', acc, acc, get('d'))}
    ${finish.join('\n    ')}
    ${call('scatter', get('targets'), offset(0), x3)}
    ${call('scatter', get('targets'), offset(y), y3)}
    (br_if $backward ${get('n')}))
  (i32.const 0)`;

  return `(func $${name}_accumulate (export "${name}_accumulate")
  (param $targets i32) (param $operands i32) (param $n i32) (param $work i32) (result i32)
  ${batch(
    ['targets', 'operands'],
    [
      call('gather', x1, get('targets'), offset(0)),
      call('gather', x2, get('operands'), offset(0)),
      call('sub', get('d'), x2, x1),
    ],
    [
      call('gather', x1, get('targets'), offset(0)),
      call('gather', y1, get('targets'), offset(y)),
      call('gather', x2, get('operands'), offset(0)),
      call('gather_signed', y2, get('operands'), offset(y)),
      call('mulsub', slope, t, y2, y1),
      call('sqrsub2', x3, slope, x1, x2),
      call('mulsubsub', y3, slope, x1, x3, y1),
    ],
  )})
(func $${name}_double (export "${name}_double") (param $targets i32) (param $n i32) (param $work i32) (result i32)
  ${batch(
    ['targets'],
    [call('gather', y1, get('targets'), offset(y)), call('add', get('d'), y1, y1)],
    [
      call('gather', x1, get('targets'), offset(0)),
      call('gather', y1, get('targets'), offset(y)),
      call('sqr', slope, x1),
      call('triple', slope, slope),
      call('mul', slope, slope, t),
      call('sqrsub2', x3, slope, x1, x1),
      call('mulsubsub', y3, slope, x1, x3, y1),
    ],
  )})
(func $${name}_copy (export "${name}_copy") (param $targets i32) (param $operands i32) (param $n i32) (param $work i32)
  (local.set $n (i32.div_u ${get('n')} ${offset(lanes)}))
  (block $done (loop $next
    (br_if $done (i32.eqz ${get('n')}))
    ${call('gather', x1, get('operands'), offset(0))}
    ${call('gather_signed', y1, get('operands'), offset(y))}
    ${call('scatter', get('targets'), offset(0), x1)}
    ${call('scatter', get('targets'), offset(y), y1)}
    ${[step('targets', 4 * lanes), step('operands', 4 * lanes), step('n', -1)].join(' ')}
    (br $next))))`;
}
