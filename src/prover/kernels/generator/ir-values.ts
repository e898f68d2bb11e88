/**
 * The values that kernels compute with, each with its bounds, and the instructions that they become.
 *
 * A value stands for one number in each lane. There are two kinds:
 *   Float  an f64 that is a whole number, a multiple of `step` (a power of two), of magnitude at most `max`.
 *          It is exact as long as max <= 2^53 step; every operation demands that of its result.
 *   Bits   an i64 that is `bias + payload` modulo 2^64, the bias known, the payload a signed number in [lo, hi].
 *          Reinterpreting an f64 costs nothing: in the binade [2^52, 2^53) the bit pattern of 2^52 + n is n above a
 *          constant, which is then the bias.
 * Two more are f64s on their way to become Bits:
 *   High   C1 + 2^51 H, with C1 = 1.5 * 2^103 whose binade has unit 2^51: what a fused a b + C1 rounds to.
 *   Low    1.5 * 2^52 + e: the exact rest a b - 2^51 H, above a constant whose binade has unit 1.
 *
 * What is done with them, and why each bound holds, is ir.ts.
 */
export const DIGIT_BITS = 51n;
export const DIGIT = 1n << DIGIT_BITS;
export const HALF_DIGIT = DIGIT / 2n;
/** The largest whole number up to which all are f64s. */
export const EXACT_MAX = 1n << 53n;
export const WORD = 1n << 64n;

/** 1.5 * 2^103 as a number and as bits: the middle of the binade with unit 2^51. */
export const C1 = 3n << 102n;
export const C1_BITS = 0x4668_0000_0000_0000n;
/** Half of the room that C1's binade leaves on either side. */
export const HIGH_MAX = 1n << 102n;
/** 1.5 * 2^52: the middle of the binade with unit 1. */
export const CENTER = 3n << 51n;
export const CENTER_BITS = 0x4338_0000_0000_0000n;
/** 2^52: the beginning of that binade, where the bit pattern's low part is the number itself. */
export const ORIGIN = 1n << 52n;
export const ORIGIN_BITS = 0x4330_0000_0000_0000n;

export interface Value {
  readonly node: number;
}
export interface Float extends Value {
  readonly kind: 'float';
  readonly max: bigint;
  readonly step: bigint;
}
export interface High extends Value {
  readonly kind: 'high';
  /** Of the sum of products inside, before rounding. */
  readonly max: bigint;
}
export interface Low extends Value {
  readonly kind: 'low';
  readonly max: bigint;
}
export interface Bits extends Value {
  readonly kind: 'bits';
  readonly bias: bigint;
  readonly lo: bigint;
  readonly hi: bigint;
}

/** The low halves of both lanes side by side, as products of 32 by 32 bits want them. */
export interface Narrow extends Value {
  readonly kind: 'narrow';
  readonly max: bigint;
}

/** One instruction on vectors; the emitter turns it into text, once per 128 bits of the lanes. */
export type Instruction =
  | { readonly op: 'constant'; readonly bits: bigint }
  | { readonly op: 'load'; readonly pointer: string; readonly offset: number }
  | { readonly op: 'store'; readonly pointer: string; readonly offset: number; readonly args: readonly number[] }
  | {
      readonly op: 'shift';
      readonly code: 'i64x2.shl' | 'i64x2.shr_u';
      readonly by: number;
      readonly args: readonly number[];
    }
  | { readonly op: 'apply'; readonly code: string; readonly args: readonly number[] }
  /** Text with `{0}`, `{1}` for the arguments, and `{lane}` for the first lane of these 128 bits. */
  | { readonly op: 'text'; readonly text: string; readonly args: readonly number[]; readonly effect: boolean };

export const abs = (x: bigint): bigint => (x < 0n ? -x : x);
export const floorShift = (x: bigint, by: bigint): bigint => x >> by;

const float64 = new DataView(new ArrayBuffer(8));
export function bitsOf(value: number): bigint {
  float64.setFloat64(0, value);
  return float64.getBigUint64(0);
}

export class InexactError extends Error {}
