/**
 * What the kernels of a field are written in: arithmetic on one element a lane, whatever its representation.
 *
 * Elements are in one of two sizes when they are in memory. `reduced`: what `reduce` leaves, points' coordinates,
 * constants. `stored`: any product. `wide`: a sum or difference of reduced ones that was not reduced again. Between loading and storing they may be lazy: sums and differences without carries,
 * good as factors of one product. Whether a lazy value still fits is found out at generation, by InexactError.
 */
import type { Bits, Recorder } from './ir.ts';
import type { ConstantPool, Target } from './wat.ts';

export type Size = 'reduced' | 'stored' | 'wide';

export interface Arithmetic<E> {
  load(pointer: string, size: Size, offset?: number): E;
  /** Fails unless the bounds of that size are kept to. */
  store(pointer: string, element: E, size: Size, offset?: number): void;
  /** `value` in Montgomery form. */
  constant(value: bigint): E;
  lazyAdd(a: E, b: E): E;
  lazySub(a: E, b: E): E;
  neg(a: E): E;
  /** The same value with limbs in range again. */
  carry(a: E): E;
  reduce(a: E): E;
  mul(a: E, b: E): E;
  square(a: E): E;
  /** One reduction for all. */
  sumOfProducts(pairs: readonly (readonly [E, E])[]): E;
  /** Lanes 0, 1 are of `a`, 2, 3 of `b`: the two that the result has. Of two-lane modules. */
  shuffle(lanes: readonly [number, number], a: E, b: E): E;
  /** k a, lazy; k small. */
  times(k: bigint, a: E): E;
  /** a + k b, lazy. */
  plusTimes(a: E, k: bigint, b: E): E;
  /** As small as `wide` asks for: nothing to do where a sum of two reduced elements is. */
  loosen(a: E): E;
  /** a w, w a twiddle of TWIDDLE_BYTES at `pointer`: one for all lanes, or one each, TWIDDLE_BYTES apart. */
  mulByTwiddle(a: E, pointer: string, lanes: 'shared' | 'apart'): E;
  /** One of the five rows of a twiddle, 40 bytes, a lane at each address. */
  storeTwiddleRow(a: E, address: (lane: 0 | 1) => string): void;
  /** Four 64-bit words, little-endian, of a value that is not in Montgomery form. */
  fromWords(words: readonly Bits[]): E;
  /** The canonical value of `a` taken out of Montgomery form. */
  toWords(a: E): Bits[];
  /** The canonical value of a product as it stands, form and all. */
  productToWords(product: E): Bits[];
}

/** A representation: its sizes, and how its elements move between lanes and cells. */
export interface Representation<E> {
  /** Bytes of a pack for two lanes, 16 a limb; offsets in kernels are counted in these. */
  readonly pairBytes: number;
  readonly cellBytes: number;
  /** The R of Montgomery's form. */
  readonly montgomeryR: bigint;
  arithmetic(ir: Recorder, modulus: bigint): Arithmetic<E>;
  /** The limbs of a constant, as they stand in memory: 64-bit patterns. */
  pattern(value: bigint, modulus: bigint): bigint[];
  /** Whether a twiddle's row is its value times a power of two (`mulByRows`), or the value itself. */
  readonly twiddleRows: 'powers' | 'value';
  /** NAME_gather, NAME_gather_signed, NAME_scatter, NAME_spread (lane l to the cell at z + l FIELD_CELL_STRIDE). */
  cellKernels(name: string, modulus: bigint, target: Target, pool: ConstantPool): string[];
}

export function modulo(x: bigint, p: bigint): bigint {
  const rest = x % p;
  return rest < 0n ? rest + p : rest;
}

export function inverseModulo(x: bigint, p: bigint): bigint {
  let [r0, r1, t0, t1] = [p, modulo(x, p), 0n, 1n];
  while (r1 !== 0n) {
    const quotient = r0 / r1;
    [r0, r1, t0, t1] = [r1, r0 - quotient * r1, t1, t0 - quotient * t1];
  }
  return modulo(t0, p);
}

export const entry = <T>(list: readonly T[], i: number): T => {
  const found = list[i];
  if (found === undefined) throw new RangeError(`no entry ${i} of ${list.length}`);
  return found;
};
