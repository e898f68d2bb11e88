/**
 * Fq12 = Fq2[w] / (w^6 - xi) in the kernels' memory: what is composed of kernels here because it is rare.
 *
 * An element is six packs, the coefficients of w^0 .. w^5. The tower of the reference has the same elements with
 * c0 = (w^0, w^2, w^4) and c1 = (w^1, w^3, w^5), as v = w^2.
 */
import { Fq2, type Fq2Element, Fq12, FROBENIUS_GAMMA } from '../../reference/core.ts';
import type { LaneMemory } from './lane-memory.ts';

const SIX = [0, 1, 2, 3, 4, 5] as const;
const gamma = (k: number): Fq2Element => FROBENIUS_GAMMA[k % 6] as Fq2Element;

/** What w^k is multiplied by under x -> x^(q^e), e = 1, 2, 3. */
function frobeniusFactor(e: 1 | 2 | 3, k: number): Fq2Element {
  const once = gamma(k);
  const twice = Fq2.mul(Fq2.conjugate(once), once);
  if (e === 1) return once;
  return e === 2 ? twice : Fq2.mul(Fq2.conjugate(twice), once);
}

export const TOWER_CONSTANT_PACKS = 18;
export const TOWER_WORK_PACKS = 33;

export class Fq12Lanes {
  readonly memory: LaneMemory;
  readonly #factors: number;
  readonly #work: number;
  readonly #bytes: number;

  /** `constants` keeps what `writeTowerConstants` wrote; `work` has room for TOWER_WORK_PACKS. */
  constructor(memory: LaneMemory, constants: number, work: number) {
    this.memory = memory;
    this.#factors = constants;
    this.#work = work;
    this.#bytes = memory.packBytes;
  }

  setOne(z: number): void {
    this.memory.putFq12(z, Fq12.one);
  }

  copy(z: number, x: number): void {
    this.memory.copy(z, x, 6);
  }

  /** z is neither x nor y. */
  mul(z: number, x: number, y: number): void {
    this.memory.exports.f12_mul(z, x, y, this.#work);
  }

  /** z is not x. */
  square(z: number, x: number): void {
    this.memory.exports.f12_sqr(z, x, this.#work);
  }

  /** z is not x. */
  cyclotomicSquare(z: number, x: number): void {
    this.memory.exports.f12_cyclotomic(z, x, this.#work);
  }

  /** x^(q^6): w changes its sign. The inverse, in the cyclotomic subgroup. z may be x. */
  conjugate(z: number, x: number): void {
    for (const k of SIX) {
      if (k % 2 === 1) this.memory.exports.f2_neg(z + k * this.#bytes, x + k * this.#bytes);
      else if (z !== x) this.memory.copy(z + k * this.#bytes, x + k * this.#bytes, 1);
    }
  }

  /** x^(q^e). z may be x. */
  frobenius(z: number, x: number, e: 1 | 2 | 3): void {
    const { f2_conjugate, f2_mul } = this.memory.exports;
    for (const k of SIX) {
      const [to, from] = [z + k * this.#bytes, x + k * this.#bytes];
      const factor = this.#factors + (6 * (e - 1) + k) * this.#bytes;
      if (e === 2) {
        f2_mul(to, from, factor);
      } else {
        f2_conjugate(to, from);
        f2_mul(to, to, factor);
      }
    }
  }

  /**
   * 1 / x = conj(x) / N with N = x conj(x) = c0^2 - v c1^2 in Fq6, which is inverted by its adjoint; zero stays zero.
   * z is not x.
   */
  inverse(z: number, x: number): void {
    const { exports: k } = this.memory;
    const at = (i: number): number => this.#work + i * this.#bytes;
    // The norm has even powers of w only: a product like any other.
    const [conjugate, norm] = [z, at(18)];
    this.conjugate(conjugate, x);
    this.mul(norm, x, conjugate);
    const [n0, n1, n2] = [norm, norm + 2 * this.#bytes, norm + 4 * this.#bytes];
    // The adjoint (d0, d1, d2) in Fq6, as in the reference's Fq6.inverse.
    const [d0, d1, d2, t, s] = [at(24), at(26), at(28), at(30), at(31)];
    k.f2_sqr(d0, n0);
    k.f2_mul(t, n1, n2);
    k.f2_xi(t, t);
    k.f2_sub(d0, d0, t);
    k.f2_sqr(d1, n2);
    k.f2_xi(d1, d1);
    k.f2_mul(t, n0, n1);
    k.f2_sub(d1, d1, t);
    k.f2_sqr(d2, n1);
    k.f2_mul(t, n0, n2);
    k.f2_sub(d2, d2, t);
    k.f2_mul(t, n2, d1);
    k.f2_mul(s, n1, d2);
    k.f2_add(t, t, s);
    k.f2_xi(t, t);
    k.f2_mul(s, n0, d0);
    k.f2_add(t, t, s);
    this.inverseFq2(s, t);
    // As an element of Fq12 with zeros at odd powers.
    const zero = at(32);
    k.f2_sub(zero, s, s);
    for (const [i, d] of [d0, d1, d2].entries()) {
      k.f2_mul(d, d, s);
      this.memory.copy(at(24 + 2 * i + 1), zero, 1);
    }
    const scale = at(18);
    this.memory.copy(scale, at(24), 6);
    const product = at(24);
    this.mul(product, conjugate, scale);
    this.copy(z, product);
  }

  /** (x0 - x1 u) / (x0^2 + x1^2). Uses the work space's first 18 packs; z may be x. */
  inverseFq2(z: number, x: number): void {
    const { exports: k, packBytes } = this.memory;
    const [norm, work] = [this.#work, this.#work + packBytes];
    // Seventeen packs of work follow: callers keep theirs behind.
    k.f2_norm(norm, x);
    k.fq_inverse(norm, norm, work);
    // The inverse is a product; scaling wants it reduced.
    k.f2_conjugate(z, x);
    k.fq_mul(z, z, norm);
    k.fq_sub(norm, norm, norm);
    k.fq_add(z, z, norm);
  }
}

export function writeTowerConstants(memory: LaneMemory, at: number): void {
  for (const e of [1, 2, 3] as const) {
    for (const k of SIX) memory.putFq2(at + (6 * (e - 1) + k) * memory.packBytes, frobeniusFactor(e, k));
  }
}
