/**
 * Inversion of one element that stands for a whole batch: divsteps after Bernstein and Yang (Fast constant-time gcd
 * computation and modular inversion, 2019), in the variable-time form of libsecp256k1's modinv32: 30 steps at a time on
 * the lowest bits alone, as a matrix that is then applied to f, g and, modulo p, to d, e. Signed limbs of 30 bits in
 * i64, so that no product of limb and matrix wraps. Time depends on the value: values are products of a batch's
 * differences.
 *
 * Against x^(p - 2) on lanes, about 15 us: 2 to 3 us, and whether the value is zero is known before.
 */
import { inverseModulo } from './arithmetic.ts';

const LIMB_BITS = 30;
const LIMBS = 9;
const MASK = (1n << BigInt(LIMB_BITS)) - 1n;

const get = (name: string): string => `(local.get $${name})`;
const set = (name: string, value: string): string => `(local.set $${name} ${value})`;
const i64 = (value: bigint | number): string => `(i64.const ${value})`;
const add = (...terms: readonly string[]): string => terms.reduce((a, b) => `(i64.add ${a} ${b})`);
const mul = (a: string, b: string): string => `(i64.mul ${a} ${b})`;
const and = (a: string, b: string): string => `(i64.and ${a} ${b})`;
const low = (a: string): string => and(a, i64(MASK));
const shiftDown = (a: string): string => `(i64.shr_s ${a} ${i64(LIMB_BITS)})`;
const negative = (a: string): string => `(i64.sub ${i64(0)} ${a})`;
const limbs = (value: bigint): bigint[] =>
  Array.from({ length: LIMBS }, (_, i) => (value >> BigInt(LIMB_BITS * i)) & MASK);
const each = (f: (i: number) => string): string => Array.from({ length: LIMBS }, (_, i) => f(i)).join('\n    ');

/**
 * `NAME_invert_words(at)`: the canonical value in the 32 bytes at `at` becomes its inverse, below 2 p; the answer is 0.
 * Where it is zero it stays so, and the answer is 1.
 */
export function wordInversion(name: string, p: bigint): string {
  const modulus = limbs(p);
  const inverse = inverseModulo(p, 1n << BigInt(LIMB_BITS));
  const names = ['d', 'e', 'f', 'g'].flatMap((x) => Array.from({ length: LIMBS }, (_, i) => `${x}${i}`));
  const others = ['u', 'v', 'q', 'r', 'fs', 'gs', 'i', 'eta', 'zeros', 't', 'limit', 'cd', 'ce', 'md', 'me'];
  const word = (w: number): string => `(i64.load offset=${8 * w} ${get('at')})`;

  const bitsFromWords = (i: number): string => {
    const [first, bit] = [Math.floor((LIMB_BITS * i) / 64), (LIMB_BITS * i) % 64];
    const lower = `(i64.shr_u ${word(first)} ${i64(bit)})`;
    const upper = bit + LIMB_BITS > 64 && first < 3 ? `(i64.shl ${word(first + 1)} ${i64(64 - bit)})` : i64(0);
    return low(`(i64.or ${lower} ${upper})`);
  };
  const wordFromLimbs = (w: number): string => {
    const parts: string[] = [];
    for (let i = 0; i < LIMBS; i++) {
      const shift = LIMB_BITS * i - 64 * w;
      if (shift <= -LIMB_BITS || shift >= 64) continue;
      parts.push(shift >= 0 ? `(i64.shl ${get(`d${i}`)} ${i64(shift)})` : `(i64.shr_u ${get(`d${i}`)} ${i64(-shift)})`);
    }
    return parts.reduce((a, b) => `(i64.or ${a} ${b})`);
  };
  /** Limbs of d in 0 to 2^30 - 1, all but the top one, which takes the sign. */
  const settle = Array.from(
    { length: LIMBS - 1 },
    (_, i) => `${set(`d${i + 1}`, add(get(`d${i + 1}`), shiftDown(get(`d${i}`))))} ${set(`d${i}`, low(get(`d${i}`)))}`,
  ).join('\n  ');
  const addWhereNegative = `${set('t', `(i64.shr_s ${get(`d${LIMBS - 1}`)} ${i64(63)})`)}
  ${each((i) => set(`d${i}`, add(get(`d${i}`), and(i64(modulus[i] as bigint), get('t')))))}
  ${settle}`;

  /** (x, y) becomes the matrix times (x, y), over 2^30; `m` adds multiples of p, as factors in md and me. */
  const apply = (x: string, y: string, modular: boolean): string =>
    each((i) => {
      const row = (into: string, a: string, b: string, m: string): string => {
        const products = add(mul(get(a), get(`${x}${i}`)), mul(get(b), get(`${y}${i}`)));
        const sum = i === 0 ? products : add(get(into), products);
        const factor = modulus[i] as bigint;
        if (!modular) return set(into, sum);
        if (i > 0) return set(into, factor === 0n ? sum : add(sum, mul(i64(factor), get(m))));
        // The multiple of p that makes the lowest limb vanish.
        return `${set(into, sum)}
    ${set(m, `(i64.sub ${get(m)} ${low(add(mul(i64(inverse), get(into)), get(m)))})`)}
    ${set(into, add(get(into), mul(i64(factor), get(m))))}`;
      };
      const rows = `${row('cd', 'u', 'v', 'md')} ${row('ce', 'q', 'r', 'me')}`;
      const out = (value: string, from: string): string =>
        i === 0 ? '' : set(`${value}${i - 1}`, i === LIMBS ? get(from) : low(get(from)));
      const carry = `${set('cd', shiftDown(get('cd')))} ${set('ce', shiftDown(get('ce')))}`;
      const top = i === LIMBS - 1 ? `${set(`${x}${i}`, get('cd'))} ${set(`${y}${i}`, get('ce'))}` : '';
      return `${rows} ${out(x, 'cd')} ${out(y, 'ce')} ${carry} ${top}`;
    });
  const signOf = (x: string): string => `(i64.shr_s ${get(`${x}${LIMBS - 1}`)} ${i64(63)})`;
  const startMultiple = (a: string, b: string): string => add(and(get(a), signOf('d')), and(get(b), signOf('e')));

  return `(func $${name}_invert_words (export "${name}_invert_words") (param $at i32) (result i32)
  ${[...names, ...others].map((x) => `(local $${x} i64)`).join(' ')}
  ${each((i) => set(`g${i}`, bitsFromWords(i)))}
  (if (i64.eqz ${names
    .slice(-LIMBS)
    .map(get)
    .reduce((a, b) => `(i64.or ${a} ${b})`)}) (then (return (i32.const 1))))
  ${each((i) => set(`f${i}`, i64(modulus[i] as bigint)))}
  ${set('e0', i64(1))}
  ${set('eta', i64(-1))}
  (loop $batch
    ${set('u', i64(1))} ${set('v', i64(0))} ${set('q', i64(0))} ${set('r', i64(1))}
    ${set('fs', get('f0'))} ${set('gs', get('g0'))} ${set('i', i64(LIMB_BITS))}
    (block $cut (loop $steps
      ${set('zeros', `(i64.ctz (i64.or ${get('gs')} (i64.shl ${i64(-1)} ${get('i')})))`)}
      ${set('gs', `(i64.shr_s ${get('gs')} ${get('zeros')})`)}
      ${['u', 'v'].map((x) => set(x, `(i64.shl ${get(x)} ${get('zeros')})`)).join(' ')}
      ${['eta', 'i'].map((x) => set(x, `(i64.sub ${get(x)} ${get('zeros')})`)).join(' ')}
      (br_if $cut (i64.eqz ${get('i')}))
      (if (i64.lt_s ${get('eta')} ${i64(0)}) (then
        ${set('eta', negative(get('eta')))}
        ${[
          ['fs', 'gs'],
          ['u', 'q'],
          ['v', 'r'],
        ]
          .map(([a, b]) =>
            [set('t', get(a as string)), set(a as string, get(b as string)), set(b as string, negative(get('t')))].join(
              ' ',
            ),
          )
          .join(' ')}))
      ;; As many bits of g as may go: no more than are left, nor than eta allows, nor than the factor is right for.
      ${set('limit', add(get('eta'), i64(1)))}
      ${set('limit', `(select ${get('i')} ${get('limit')} (i64.gt_s ${get('limit')} ${get('i')}))`)}
      ${set('limit', `(select ${i64(6)} ${get('limit')} (i64.gt_s ${get('limit')} ${i64(6)}))`)}
      ${set(
        't',
        and(
          mul(mul(get('fs'), get('gs')), `(i64.sub ${mul(get('fs'), get('fs'))} ${i64(2)})`),
          `(i64.sub (i64.shl ${i64(1)} ${get('limit')}) ${i64(1)})`,
        ),
      )}
      ${[
        ['gs', 'fs'],
        ['q', 'u'],
        ['r', 'v'],
      ]
        .map(([a, b]) => set(a as string, add(get(a as string), mul(get(b as string), get('t')))))
        .join(' ')}
      (br $steps)))
    ${set('md', startMultiple('u', 'v'))}
    ${set('me', startMultiple('q', 'r'))}
    ${apply('d', 'e', true)}
    ${apply('f', 'g', false)}
    (br_if $batch (i64.ne ${names
      .slice(-LIMBS)
      .map(get)
      .reduce((a, b) => `(i64.or ${a} ${b})`)} ${i64(0)})))
  ;; f is 1 or -1 now, and f d the inverse, above -2 p and below 2 p.
  ${set('t', signOf('f'))}
  ${each((i) => set(`d${i}`, `(i64.sub (i64.xor ${get(`d${i}`)} ${get('t')}) ${get('t')})`))}
  ${settle}
  ${addWhereNegative}
  ${addWhereNegative}
  ${[0, 1, 2, 3].map((w) => `(i64.store offset=${8 * w} ${get('at')} ${wordFromLimbs(w)})`).join('\n  ')}
  (i32.const 0))`;
}

export interface LaneSizes {
  readonly packBytes: number;
  readonly lanes: number;
}

/**
 * `NAME_inverse_all(z, x, work)`: the inverse in every lane, by one inversion of the lanes' product. 0: done; 1: some
 * lane is zero, and nothing was changed. `work` has room for 6 packs. `plain`: where the factor for plain values is.
 */
export function inverseOfAllLanes(name: string, plain: number, { packBytes, lanes }: LaneSizes): string {
  const pack = (i: number): string => `(i32.add ${get('work')} (i32.const ${i * packBytes}))`;
  const levels = Math.log2(lanes);
  const lines: string[] = [];
  // Level by level the product of both halves, in all lanes: pack 2 l has the other halves, 2 l + 1 the product.
  let product = get('x');
  for (let level = 0; level < levels; level++) {
    lines.push(`(call $${name}_swap${level} ${pack(2 * level)} ${product})`);
    lines.push(`(call $${name}_mul ${pack(2 * level + 1)} ${product} ${pack(2 * level)})`);
    product = pack(2 * level + 1);
  }
  const words = pack(2 * levels);
  lines.push(`(call $${name}_write ${words} (i32.const 0) ${product})`);
  lines.push(`(if (call $${name}_invert_words ${words}) (then (return (i32.const 1))))`);
  lines.push(`(call $${name}_read ${product} ${words} (i32.const 0) (i32.const ${plain}))`);
  for (let level = levels - 1; level >= 0; level--) {
    const into = level === 0 ? get('z') : pack(2 * level - 1);
    lines.push(`(call $${name}_mul ${into} ${pack(2 * level + 1)} ${pack(2 * level)})`);
  }
  return `(func $${name}_inverse_all (export "${name}_inverse_all") (param $z i32) (param $x i32) (param $work i32) (result i32)
  ${lines.join('\n  ')}
  (i32.const 0))`;
}

/** `NAME_swap0(z, x)`: neighbouring lanes exchanged; `NAME_swap1`: pairs of lanes. */
export function laneSwaps(name: string, { packBytes, lanes }: LaneSizes): string {
  const load = (offset: number): string => `(v128.load offset=${offset} ${get('x')})`;
  const store = (offset: number, value: string): string => `(v128.store offset=${offset} ${get('z')} ${value})`;
  const offsets = Array.from({ length: packBytes / 16 }, (_, i) => 16 * i);
  const swap = (level: number, line: (offset: number) => string): string =>
    `(func $${name}_swap${level} (param $z i32) (param $x i32) ${offsets.map(line).join('\n  ')})`;
  const neighbours = 'i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7';
  const functions = [swap(0, (o) => store(o, `(${neighbours} ${load(o)} ${load(o)})`))];
  if (lanes === 4) functions.push(swap(1, (o) => store(o, load(o ^ 16))));
  return functions.join('\n');
}
