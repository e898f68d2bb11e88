/**
 * f^(m (q^12 - 1) / r), m = 2x (6x^2 + 3x + 1): the power that the reference and snarkjs take, value for value.
 * (Fuentes-Castaneda, Knapp, Rodriguez-Henriquez, SAC 2011: three powers of x, the rest a handful of products.)
 *
 * After the easy part, (q^6 - 1)(q^2 + 1), an inverse is a conjugate and squares are cyclotomic.
 */
import { BN_X } from '../../reference/core.ts';
import type { Room } from './lane-memory.ts';
import { windowForm } from './signed-digits.ts';
import type { Fq12Lanes } from './tower.ts';

/** Of 63 squarings and 12 products, beside 4 for the odd multiples 1, 3, 5, 7. */
const X_DIGITS = windowForm(BN_X, 4).reverse();
const ODD = 4;

/** Elements of Fq12 that the exponentiation needs room for. */
export const FINAL_WORK_ELEMENTS = 30;

export class FinalExponentiation {
  readonly #tower: Fq12Lanes;
  readonly #elements: readonly number[];
  /** base^1, base^3, base^5, base^7. */
  readonly #odd: readonly number[];
  readonly #spare: readonly [number, number];
  #next = 0;

  constructor(tower: Fq12Lanes, room: Room) {
    this.#tower = tower;
    const elements = Array.from({ length: FINAL_WORK_ELEMENTS }, () => room.packs(6));
    this.#odd = elements.slice(0, ODD);
    this.#spare = [elements[ODD] as number, elements[ODD + 1] as number];
    this.#elements = elements.slice(ODD + 2);
  }

  #element(): number {
    const at = this.#elements[this.#next];
    if (at === undefined) throw new RangeError('the final exponentiation is out of room');
    this.#next += 1;
    return at;
  }

  #product(x: number, y: number): number {
    const z = this.#element();
    this.#tower.mul(z, x, y);
    return z;
  }

  #square(x: number): number {
    const z = this.#element();
    this.#tower.cyclotomicSquare(z, x);
    return z;
  }

  /** base^-x, the inverse being free. */
  #powerOfMinusX(base: number): number {
    const tower = this.#tower;
    const [first, ...others] = this.#odd as [number, ...number[]];
    let [now, other] = this.#spare;
    tower.copy(first, base);
    tower.cyclotomicSquare(now, base);
    others.reduce((before, odd) => {
      tower.mul(odd, before, now);
      return odd;
    }, first);
    let started = false;
    for (const digit of X_DIGITS) {
      if (started) {
        tower.cyclotomicSquare(other, now);
        [now, other] = [other, now];
      }
      if (digit === 0) continue;
      const odd = this.#odd[(Math.abs(digit) - 1) / 2] as number;
      if (!started) {
        tower.copy(now, odd);
        started = true;
        continue;
      }
      // x^-odd is conj(x^odd): conjugating before and after the product multiplies by it.
      if (digit < 0) tower.conjugate(now, now);
      tower.mul(other, now, odd);
      if (digit < 0) tower.conjugate(other, other);
      [now, other] = [other, now];
    }
    const result = this.#element();
    tower.conjugate(result, now);
    return result;
  }

  /** f^((q^6 - 1) (q^2 + 1)) */
  #easyPart(f: number): number {
    const tower = this.#tower;
    const [inverse, conjugate] = [this.#element(), this.#element()];
    tower.inverse(inverse, f);
    tower.conjugate(conjugate, f);
    const once = this.#product(conjugate, inverse);
    tower.frobenius(conjugate, once, 2);
    return this.#product(conjugate, once);
  }

  /** The power of the element at f, to z, which may be f. */
  compute(z: number, f: number): void {
    const tower = this.#tower;
    this.#next = 0;
    const g = this.#easyPart(f);
    const y1 = this.#square(this.#powerOfMinusX(g));
    const y3 = this.#product(this.#square(y1), y1);
    const y4 = this.#powerOfMinusX(y3);
    const y6 = this.#powerOfMinusX(this.#square(y4));
    tower.conjugate(y3, y3);
    tower.conjugate(y6, y6);
    const y8 = this.#product(this.#product(y6, y4), y3);
    const y9 = this.#product(y8, y1);
    const l0 = this.#product(this.#product(y8, y4), g);
    tower.conjugate(g, g);
    const l3 = this.#product(g, y9);
    // l0 l1^q l2^(q^2) l3^(q^3), l1 = y9 and l2 = y8.
    tower.frobenius(y9, y9, 1);
    tower.frobenius(y8, y8, 2);
    tower.frobenius(l3, l3, 3);
    tower.mul(z, this.#product(y9, l0), this.#product(y8, l3));
  }
}
