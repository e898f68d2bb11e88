/**
 * BN254's fields on integer lanes: nine limbs of 29 bits, each in a 64-bit slot, Montgomery form with R = 2^261. For
 * machines and engines without relaxed SIMD, or where it does not fuse.
 *
 * Values are unsigned and lie below 2 p; R is 169 times q, so a product of factors of up to 8 p comes out below 1.4 p
 * without any subtraction. A difference a - b is a + C - b with C a multiple of p whose limbs are all larger than b's.
 * Products are 32 by 32 bits (`extmul`) on limbs packed together; a column holds 18 of 2^58 and the quotients' 9.
 */
import { FIELD_CELL_STRIDE, TWIDDLE_BYTES } from '../layout-constants.ts';
import { type Arithmetic, entry, inverseModulo, modulo, type Representation, type Size } from './arithmetic.ts';
import { type Bits, InexactError, type Narrow, type Recorder } from './ir.ts';
import { kernelFunction } from './wat.ts';

const LIMBS = 9;
const BITS = 29;
const LIMB = 1n << 29n;
const R = 1n << BigInt(LIMBS * BITS);
const TOP = BigInt((LIMBS - 1) * BITS);

export interface IntElement {
  readonly limbs: readonly Bits[];
  /** The value is at most this. */
  readonly max: bigint;
}

const limbsOf = (x: bigint): bigint[] =>
  Array.from({ length: LIMBS }, (_, i) => (i === LIMBS - 1 ? x >> TOP : (x >> BigInt(BITS * i)) & (LIMB - 1n)));

class IntArithmetic implements Arithmetic<IntElement> {
  readonly #ir: Recorder;
  readonly #p: bigint;
  readonly #limbsOfP: readonly bigint[];
  readonly #minusInverse: bigint;
  /** 2^261 - p: added where p is to be taken off, the 261st bit being dropped or telling. */
  readonly #complement: readonly bigint[];

  constructor(ir: Recorder, modulus: bigint) {
    this.#ir = ir;
    this.#p = modulus;
    this.#limbsOfP = limbsOf(modulus);
    this.#minusInverse = modulo(-inverseModulo(modulus, LIMB), LIMB);
    this.#complement = limbsOf(R - modulus);
  }

  #limbMax(i: number, max: bigint): bigint {
    return i === LIMBS - 1 ? max >> TOP : LIMB - 1n;
  }

  /** Both sizes are the same here: below 2 p, limbs in range. */
  load(pointer: string, _size: Size, offset = 0): IntElement {
    const max = 2n * this.#p;
    const limbs = Array.from({ length: LIMBS }, (_, i) =>
      this.#ir.loadBits(pointer, offset + 16 * i, this.#limbMax(i, max)),
    );
    return { limbs, max };
  }

  store(pointer: string, element: IntElement, _size: Size, offset = 0): void {
    if (element.max > 2n * this.#p) throw new InexactError(`a value of up to ${element.max} is not below 2 p`);
    element.limbs.forEach((limb, i) => {
      if (limb.lo < 0n || limb.hi > this.#limbMax(i, 2n * this.#p)) throw new InexactError(`limb ${i} is out of range`);
      this.#ir.storeWord(pointer, offset + 16 * i, limb);
    });
  }

  constant(value: bigint): IntElement {
    const x = modulo(value * R, this.#p);
    return { limbs: limbsOf(x).map((limb) => this.#ir.constantBits(limb)), max: x };
  }

  lazyAdd(a: IntElement, b: IntElement): IntElement {
    return { limbs: a.limbs.map((limb, i) => this.#ir.addBits(limb, entry(b.limbs, i))), max: a.max + b.max };
  }

  lazySub(a: IntElement, b: IntElement): IntElement {
    const above = this.#multipleAbove(b);
    const limbs = a.limbs.map((limb, i) => {
      const raised = this.#ir.addBits(limb, this.#ir.constantBits(entry(above.limbs, i)));
      return this.#ir.subtractBits(raised, entry(b.limbs, i), entry(above.limbs, i));
    });
    return { limbs, max: a.max + above.value };
  }

  neg(a: IntElement): IntElement {
    const above = this.#multipleAbove(a);
    const limbs = a.limbs.map((limb, i) => {
      const constant = this.#ir.constantBits(entry(above.limbs, i));
      return this.#ir.subtractBits(constant, limb, entry(above.limbs, i));
    });
    return this.reduce({ limbs, max: above.value });
  }

  /** A multiple of p, written with limbs of which each is at least as large as b's may be. */
  #multipleAbove(b: IntElement): { readonly limbs: readonly bigint[]; readonly value: bigint } {
    const borrow = b.limbs.slice(0, LIMBS - 1).reduce((most, limb) => {
      const need = (limb.hi + LIMB) / LIMB;
      return need > most ? need : most;
    }, 1n);
    for (let k = b.max / this.#p; ; k++) {
      const value = k * this.#p;
      const limbs = limbsOf(value).map((limb, i) => {
        if (i === 0) return limb + borrow * LIMB;
        return i === LIMBS - 1 ? limb - borrow : limb + borrow * LIMB - borrow;
      });
      if (limbs.every((limb, i) => limb >= entry(b.limbs, i).hi)) return { limbs, value };
    }
  }

  carry(a: IntElement): IntElement {
    const ir = this.#ir;
    let carried: Bits | undefined;
    const limbs = a.limbs.map((limb, i) => {
      const sum = carried ? ir.addBits(limb, carried) : limb;
      if (i === LIMBS - 1) return ir.claimBits(sum, a.max >> TOP, 'the value is nowhere above its bound');
      carried = ir.shiftRight(sum, BITS);
      return ir.mask(sum, BITS);
    });
    return { limbs, max: a.max };
  }

  /** Takes k p off, k the whole number below top limb / (p's + 1): one too few at most, and a little. */
  reduce(a: IntElement): IntElement {
    const ir = this.#ir;
    const scale = 50;
    const pTop = entry(this.#limbsOfP, LIMBS - 1);
    const reciprocal = (1n << BigInt(scale)) / (pTop + 1n);
    const settled = this.carry(a);
    const product = ir.multiply(ir.narrow(entry(settled.limbs, LIMBS - 1)), ir.constantNarrow(reciprocal));
    const k = ir.shiftRight(product, scale);
    const times = ir.narrow(k);
    const complemented = settled.limbs.map((limb, i) =>
      ir.addBits(limb, ir.multiply(times, ir.constantNarrow(entry(this.#complement, i)))),
    );
    // value + k (2^261 - p): the top limb holds k too much at bit 29.
    const summed = this.carry({ limbs: complemented, max: a.max + k.hi * (R - this.#p) });
    const excess = ir.shiftLeft(k, BITS);
    // (top + 1) / (pTop + 1) is off value / p by less than one part in pTop for each p; hence 1.01 p.
    if (a.max > 1000n * this.#p) throw new InexactError('too large to be reduced at once');
    const max = (this.#p * 101n) / 100n;
    const top = ir.subtractBits(entry(summed.limbs, LIMBS - 1), excess, 0n);
    return {
      limbs: [...summed.limbs.slice(0, LIMBS - 1), ir.claimBits(top, max >> TOP, 'k p was taken off')],
      max,
    };
  }

  mul(a: IntElement, b: IntElement): IntElement {
    return this.sumOfProducts([[a, b]]);
  }

  square(a: IntElement): IntElement {
    const ir = this.#ir;
    const narrow = a.limbs.map((limb) => ir.narrow(limb));
    const doubled = a.limbs.map((limb) => ir.narrow(ir.addBits(limb, limb)));
    const columns = Array.from({ length: 2 * LIMBS - 1 }, (_, k) => {
      const products: Bits[] = [];
      for (let i = Math.max(0, k - LIMBS + 1); 2 * i < k; i++) {
        products.push(ir.multiply(entry(doubled, i), entry(narrow, k - i)));
      }
      if (k % 2 === 0) products.push(ir.multiply(entry(narrow, k / 2), entry(narrow, k / 2)));
      return products.reduce((sum, product) => ir.addBits(sum, product));
    });
    return this.#montgomery(columns, a.max * a.max);
  }

  sumOfProducts(pairs: readonly (readonly [IntElement, IntElement])[]): IntElement {
    const ir = this.#ir;
    const narrow = new Map<Bits, Narrow>();
    const narrowed = (limb: Bits): Narrow => {
      const known = narrow.get(limb);
      if (known !== undefined) return known;
      const made = ir.narrow(limb);
      narrow.set(limb, made);
      return made;
    };
    const factors = pairs.map(([a, b]) => [a.limbs.map(narrowed), b.limbs.map(narrowed)] as const);
    const columns = Array.from({ length: 2 * LIMBS - 1 }, (_, k) => {
      const products = factors.flatMap(([a, b]) => {
        const low = Math.max(0, k - LIMBS + 1);
        const high = Math.min(LIMBS - 1, k);
        return Array.from({ length: high - low + 1 }, (_, i) => ir.multiply(entry(a, low + i), entry(b, k - low - i)));
      });
      return products.reduce((sum, product) => ir.addBits(sum, product));
    });
    return this.#montgomery(
      columns,
      pairs.reduce((sum, [a, b]) => sum + a.max * b.max, 0n),
    );
  }

  /** Reduced, as no sum of two is small enough to be left in memory. */
  loosen(a: IntElement): IntElement {
    return this.reduce(a);
  }

  shuffle(lanes: readonly [number, number], a: IntElement, b: IntElement): IntElement {
    return {
      limbs: a.limbs.map((limb, i) => this.#ir.shuffleBits(lanes, limb, entry(b.limbs, i))),
      max: a.max > b.max ? a.max : b.max,
    };
  }

  times(k: bigint, a: IntElement): IntElement {
    const ir = this.#ir;
    const factor = ir.constantNarrow(k < 0n ? -k : k);
    const limbs = a.limbs.map((limb) => ir.multiply(ir.narrow(limb), factor));
    const product: IntElement = this.carry({ limbs, max: a.max * factor.max });
    return k < 0n ? this.neg(product) : product;
  }

  plusTimes(a: IntElement, k: bigint, b: IntElement): IntElement {
    return k < 0n ? this.lazySub(a, this.times(-k, b)) : this.lazyAdd(a, this.times(k, b));
  }

  /** Here a twiddle is its value: nine 32-bit limbs, the first of its rows. */
  mulByTwiddle(a: IntElement, pointer: string, lanes: 'shared' | 'apart'): IntElement {
    const ir = this.#ir;
    const factors = a.limbs.map((limb) => ir.narrow(limb));
    const twiddle = Array.from({ length: LIMBS }, (_, i) => {
      const max = this.#limbMax(i, 2n * this.#p);
      return lanes === 'shared'
        ? ir.narrowForAllLanes(pointer, 4 * i, max)
        : ir.narrowLaneByLane(pointer, 4 * i, TWIDDLE_BYTES, max);
    });
    const columns = Array.from({ length: 2 * LIMBS - 1 }, (_, k) => {
      const low = Math.max(0, k - LIMBS + 1);
      const high = Math.min(LIMBS - 1, k);
      return Array.from({ length: high - low + 1 }, (_, i) =>
        ir.multiply(entry(factors, low + i), entry(twiddle, k - low - i)),
      ).reduce((sum, product) => ir.addBits(sum, product));
    });
    return this.#montgomery(columns, a.max * 2n * this.#p);
  }

  storeTwiddleRow(a: IntElement, address: (lane: 0 | 1) => string): void {
    a.limbs.forEach((limb, i) => {
      for (const lane of [0, 1] as const) {
        this.#ir.effect(`(v128.store32_lane offset=${4 * i} ${2 * lane} ${address(lane)} {0})`, limb);
      }
    });
  }

  /** Digit by digit: q = t (-1/p) mod 2^29 makes the column a multiple of 2^29. */
  #montgomery(columns: readonly Bits[], productMax: bigint): IntElement {
    const ir = this.#ir;
    const p = this.#limbsOfP.map((limb) => ir.constantNarrow(limb));
    const quotients: Narrow[] = [];
    const limbs: Bits[] = [];
    let carried: Bits | undefined;
    columns.forEach((column, k) => {
      let sum = carried ? ir.addBits(column, carried) : column;
      for (let i = Math.max(0, k - LIMBS + 1); i < Math.min(k, LIMBS); i++) {
        sum = ir.addBits(sum, ir.multiply(entry(quotients, i), entry(p, k - i)));
      }
      if (k < LIMBS) {
        const quotient = ir.narrowProduct(ir.narrow(ir.mask(sum, BITS)), this.#minusInverse, BITS);
        quotients.push(quotient);
        sum = ir.addBits(sum, ir.multiply(quotient, entry(p, 0)));
      } else {
        limbs.push(ir.mask(sum, BITS));
      }
      carried = ir.shiftRight(sum, BITS);
    });
    const max = productMax / R + this.#p;
    limbs.push(ir.claimBits(carried as Bits, max >> TOP, 'Montgomery: (x + q p) / R with q below R'));
    return { limbs, max };
  }

  fromWords(words: readonly Bits[]): IntElement {
    const limbs = Array.from({ length: LIMBS }, (_, i) => this.#ir.field(words, BITS * i, i === LIMBS - 1 ? 24 : BITS));
    return { limbs, max: (1n << 256n) - 1n };
  }

  toWords(a: IntElement): Bits[] {
    const one: IntElement = { limbs: limbsOf(1n).map((limb) => this.#ir.constantBits(limb)), max: 1n };
    return this.productToWords(this.mul(a, one));
  }

  productToWords(product: IntElement): Bits[] {
    const ir = this.#ir;
    if (product.max >= 2n * this.#p) throw new InexactError('too large for one subtraction');
    const plain = product;
    // With 2^261 - p added, bit 261 tells whether p or more was there.
    const raised = this.carry({
      limbs: plain.limbs.map((limb, i) => ir.addBits(limb, ir.constantBits(entry(this.#complement, i)))),
      max: plain.max + R - this.#p,
    });
    const above = ir.onesWhereBit(entry(raised.limbs, LIMBS - 1), BITS);
    const canonical = plain.limbs.map((limb, i) => ir.select(ir.mask(entry(raised.limbs, i), BITS), limb, above));
    return Array.from({ length: 4 }, (_, word) => {
      const first = Math.floor((64 * word) / BITS);
      let bits = ir.shiftRight(entry(canonical, first), 64 * word - BITS * first);
      for (let i = first + 1; i < LIMBS && BITS * i < 64 * (word + 1); i++) {
        bits = ir.or(bits, ir.shiftLeft(entry(canonical, i), BITS * i - 64 * word));
      }
      return bits;
    });
  }
}

/** Cells are nine 32-bit limbs and four bytes of nothing. */
export const intRepresentation: Representation<IntElement> = {
  pairBytes: 16 * LIMBS,
  cellBytes: 40,
  montgomeryR: R,
  twiddleRows: 'value',
  arithmetic: (ir, modulus) => new IntArithmetic(ir, modulus),
  pattern: (value, modulus) => limbsOf(modulo(value, modulus)),

  cellKernels(name, modulus, target, pool) {
    const reference = (which: 0 | 1): string => `(i32.load (i32.add (local.get $list) (i32.const {lane+${which}*4})))`;
    const address = (which: 0 | 1): string =>
      `(i32.add (i32.shl ${reference(which)} (i32.const 4)) (local.get $offset))`;
    const gather = (ir: Recorder, i: number): Bits =>
      ir.word(`(v128.load32_lane offset=${4 * i} 2 ${address(1)} (v128.load32_zero offset=${4 * i} ${address(0)}))`);
    const max = 2n * modulus;
    const limbMax = (i: number): bigint => (i === LIMBS - 1 ? max >> TOP : LIMB - 1n);
    return [
      kernelFunction(`${name}_gather`, ['z', 'list', 'offset'], target, pool, (ir) => {
        for (let i = 0; i < LIMBS; i++) ir.storeWord('z', 16 * i, gather(ir, i));
      }),
      kernelFunction(`${name}_gather_signed`, ['z', 'list', 'offset'], target, pool, (ir) => {
        const F = new IntArithmetic(ir, modulus);
        const sign = (which: 0 | 1): string =>
          `(i64.sub (i64.const 0) (i64.extend_i32_u (i32.shr_u ${reference(which)} (i32.const 31))))`;
        const mask = ir.word(`(i64x2.replace_lane 1 (i64x2.splat ${sign(0)}) ${sign(1)})`);
        const because = 'cells hold what scatter wrote, which was stored before';
        const limbs = Array.from({ length: LIMBS }, (_, i) => ir.claimBits(gather(ir, i), limbMax(i), because));
        const negative = F.neg({ limbs, max });
        const chosen = limbs.map((limb, i) => ir.select(entry(negative.limbs, i), limb, mask));
        F.store('z', { limbs: chosen, max: negative.max > max ? negative.max : max }, 'stored');
      }),
      kernelFunction(`${name}_scatter`, ['list', 'offset', 'x'], target, pool, (ir) => {
        for (let i = 0; i < LIMBS; i++) {
          const limb = ir.loadWord('x', 16 * i);
          for (const which of [0, 1] as const) {
            ir.effect(`(v128.store32_lane offset=${4 * i} ${2 * which} ${address(which)} {0})`, limb);
          }
        }
      }),
      kernelFunction(`${name}_spread`, ['z', 'x'], target, pool, (ir) => {
        for (let i = 0; i < LIMBS; i++) {
          const limb = ir.loadWord('x', 16 * i);
          for (const which of [0, 1] as const) {
            const cell = `(i32.add (local.get $z) (i32.const {lane+${which}*${FIELD_CELL_STRIDE}}))`;
            ir.effect(`(v128.store32_lane offset=${4 * i} ${2 * which} ${cell} {0})`, limb);
          }
        }
      }),
    ];
  },
};
