/**
 * Scalars as signed digits, without carries: with H the sum of half of every digit's range, the digits of s are those of
 * s + H in plain binary, each less its half. So every digit is read by itself, at its place.
 *
 * Scalars are first taken to +-r/2: r - 1 is then one digit, and the bits of a witness or its small differences, of
 * either sign, are few digits that are not zero.
 */
import { R } from '../../../common/index.ts';

/** Bits that digits must cover: with their signs, they reach beyond r/2 on both sides. */
export const SCALAR_BITS = 254;
/** 32-bit words of a recoded scalar: one more than its digits need. */
export const RECODED_WORDS = 9;
const SCALAR_WORDS = 8;

const wordsOf = (x: bigint): Uint32Array =>
  Uint32Array.from({ length: RECODED_WORDS }, (_, i) => Number((x >> BigInt(32 * i)) & 0xffff_ffffn));

const HALF_R = wordsOf(R / 2n);

/** Digit places: `stored` blocks of `spacingBits`, each cut into `widths` from its lowest bit. */
export interface DigitPlaces {
  readonly spacingBits: number;
  readonly stored: number;
  readonly widths: readonly number[];
}

export class Recoder {
  readonly #positive: Uint32Array;
  readonly #negative: Uint32Array;

  constructor({ spacingBits, stored, widths }: DigitPlaces) {
    let halves = 0n;
    for (let block = 0; block < stored; block++) {
      let bit = block * spacingBits;
      for (const width of widths) {
        halves += 1n << BigInt(bit + width - 1);
        bit += width;
      }
    }
    if (halves >> BigInt(32 * RECODED_WORDS) !== 0n) throw new RangeError('digits beyond a recoded scalar');
    this.#positive = wordsOf(halves);
    this.#negative = wordsOf(halves - R);
  }

  /** One canonical scalar, 8 words from `from`, to RECODED_WORDS words from `to`. */
  recode(scalars: Uint32Array, from: number, recoded: Uint32Array, to: number): void {
    let above = SCALAR_WORDS - 1;
    while (above > 0 && scalars[from + above] === HALF_R[above]) above--;
    const negative = (scalars[from + above] as number) > (HALF_R[above] as number);
    const addend = negative ? this.#negative : this.#positive;
    let carry = 0;
    for (let i = 0; i < SCALAR_WORDS; i++) {
      const sum = (scalars[from + i] as number) + (addend[i] as number) + carry;
      recoded[to + i] = sum;
      carry = sum > 0xffff_ffff ? 1 : 0;
    }
    recoded[to + SCALAR_WORDS] = (addend[SCALAR_WORDS] as number) + carry;
  }
}
