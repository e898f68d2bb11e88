/**
 * What is written around the arithmetic by hand: loops over packs and inversion, as WebAssembly text over the small
 * functions of one field.
 *
 * The same text serves every tier: it knows of packs and cells only by their sizes.
 */

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

/**
 * `NAME_inverse(z, x, work)`: 1 / (a + b u) = (a - b u) / (a^2 + b^2), lane by lane; zero stays zero. `work` has room
 * for 20 packs.
 */
export function quadraticInverse(name: string, base: string, { packBytes }: Sizes): string {
  const imaginary = plus(get('x'), packBytes);
  const norm = plus(get('work'), 17 * packBytes);
  const square = plus(get('work'), 18 * packBytes);
  const normOf = `(call $${base}_sqr ${norm} ${get('x')})
  (call $${base}_sqr ${square} ${imaginary})
  (call $${base}_add ${norm} ${norm} ${square})`;
  const divide = `(call $${base}_mul ${get('z')} ${get('x')} ${norm})
  (call $${base}_mul ${square} ${imaginary} ${norm})
  (call $${base}_neg ${plus(get('z'), packBytes)} ${square})
  (call $${base}_reduce ${get('z')} ${get('z')})
  (call $${base}_reduce ${plus(get('z'), packBytes)} ${plus(get('z'), packBytes)})`;
  return `(func $${name}_inverse (export "${name}_inverse") (param $z i32) (param $x i32) (param $work i32)
  ${normOf}
  (call $${base}_inverse ${norm} ${norm} ${get('work')})
  ${divide})`;
}
