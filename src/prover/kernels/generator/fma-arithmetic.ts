/**
 * BN254's fields on f64 lanes with fused multiply-add: five limbs of 51 bits, Montgomery form with R = 2^255.
 *
 * An element is x = sum of x_i 2^(51 i); limbs are whole, balanced (|x_i| <= 2^50 and a few more from the last carry),
 * so that sums of two products stay inside one binade, a Montgomery quotient adds at most p / 2, and nothing is ever
 * subtracted conditionally. Values lie in about +-0.7 p: a representative, not the canonical one.
 *
 * Product: 25 limb products a_i b_j = 2^51 H + e, H into column i + j + 1 and e into column i + j, both as 64-bit
 * integers read off the floats' bit patterns. Two products of a column share one H where their sum fits.
 * Reduction by 2^255: the low three digits z_0..z_2 are folded at once, z_i times (2^(51 (i - 3)) mod p), 15 products
 * that do not wait for one another; then two exact Montgomery steps, each with a quotient q = y_0 (-1/p) mod 2^51.
 * 2^(51 * 3) has then been divided out by the fold and 2^(51 * 2) by the steps.
 */
import { FIELD_CELL_STRIDE, TWIDDLE_BYTES } from '../layout-constants.ts';
import { type Arithmetic, entry, inverseModulo, modulo, type Representation, type Size } from './arithmetic.ts';
import {
  type Bits,
  bitsOf,
  DIGIT,
  DIGIT_BITS,
  type Float,
  HALF_DIGIT,
  type High,
  InexactError,
  type Recorder,
} from './ir.ts';
import { kernelFunction } from './wat.ts';

export const LIMBS = 5;
/** A single element, not in lanes, as tables and buckets keep it. */
export const CELL_BYTES = 8 * LIMBS;
export const MONTGOMERY_R = 1n << (DIGIT_BITS * BigInt(LIMBS));
const FOLDED = 3;

/** What every stored limb but the top one keeps to: balanced, with the last carry's excess. */
export const LIMB_MAX = HALF_DIGIT + 64n;

/**
 * How large a value may be shows in its top limb. With T and S the bounds of two factors' top limbs and P = 0.378 that of
 * p / 2, all in units of 2^50, a product's is at most T S / 2 + P.
 *   reduced   0.379: what `reduce` leaves
 *   stored    0.62: any product of stored elements, or of a stored one and the difference of two reduced ones
 *   wide      1.6, and other limbs of twice their size: what a loose stage of a transform leaves.
 */
const LIMBS_MAX: Readonly<Record<Size, readonly [others: bigint, top: bigint]>> = {
  reduced: [LIMB_MAX, (HALF_DIGIT * 379n) / 1000n],
  stored: [LIMB_MAX, (HALF_DIGIT * 62n) / 100n],
  wide: [2n * LIMB_MAX, (HALF_DIGIT * 16n) / 10n],
};

export type Element = readonly Float[];

export interface FmaOptions {
  /** Whether two products of a column may share a high part: fewer operations, longer latency. */
  readonly chain: boolean;
}

/** The representative in [-p/2, p/2]. */
const centered = (x: bigint, p: bigint): bigint => {
  const rest = modulo(x, p);
  return rest > p / 2n ? rest - p : rest;
};

/** Balanced digits, the top one taking what is left. */
export function balancedLimbs(x: bigint): bigint[] {
  const limbs: bigint[] = [];
  let rest = x;
  for (let i = 0; i < LIMBS - 1; i++) {
    const digit = centered(rest, DIGIT);
    limbs.push(digit);
    rest = (rest - digit) / DIGIT;
  }
  limbs.push(rest);
  return limbs;
}

/** A column of the product: the sum so far. */
class Column {
  sum: Bits | undefined;
  readonly #recorder: Recorder;
  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }
  add(term: Bits): void {
    this.sum = this.sum === undefined ? term : this.#recorder.addBits(this.sum, term);
  }
  get total(): Bits {
    if (this.sum === undefined) throw new InexactError('an empty column');
    return this.sum;
  }
}

export class FmaArithmetic implements Arithmetic<Element> {
  readonly modulus: bigint;
  readonly #ir: Recorder;
  readonly #chain: boolean;
  readonly #modulusLimbs: readonly bigint[];
  readonly #quotientFactor: bigint;
  readonly #foldLimbs: readonly (readonly bigint[])[];

  constructor(ir: Recorder, modulus: bigint, options: FmaOptions) {
    this.#ir = ir;
    this.#chain = options.chain;
    this.modulus = modulus;
    this.#modulusLimbs = balancedLimbs(modulus);
    this.#quotientFactor = centered(-inverseModulo(modulus, DIGIT), DIGIT);
    this.#foldLimbs = Array.from({ length: FOLDED }, (_, i) =>
      balancedLimbs(centered(inverseModulo(DIGIT ** BigInt(FOLDED - i), modulus), modulus)),
    );
  }

  /** What limb i of an element in memory keeps to. */
  limbMax(i: number, size: Size): bigint {
    return LIMBS_MAX[size][i < LIMBS - 1 ? 0 : 1];
  }

  load(pointer: string, size: Size, offset = 0): Element {
    return Array.from({ length: LIMBS }, (_, i) => this.#ir.load(pointer, offset + 16 * i, this.limbMax(i, size)));
  }

  store(pointer: string, element: Element, size: Size, offset = 0): void {
    this.require(element, size).forEach((limb, i) => {
      this.#ir.store(pointer, offset + 16 * i, limb);
    });
  }

  /** Generation fails unless the element keeps to the bounds that loading one of that size takes for granted. */
  require(element: Element, size: Size): Element {
    element.forEach((limb, i) => {
      const most = this.limbMax(i, size);
      if (limb.max > most)
        throw new InexactError(`limb ${i} may reach ${limb.max}, more than the ${most} of ${size} ones`);
    });
    return element;
  }

  constant(value: bigint): Element {
    return balancedLimbs(centered(value * MONTGOMERY_R, this.modulus)).map((limb) => this.#ir.constant(limb));
  }

  /** Limb by limb, without carries: may be a factor of the next product, not stored. */
  lazyAdd(a: Element, b: Element): Element {
    return a.map((limb, i) => this.#ir.add(limb, entry(b, i)));
  }

  lazySub(a: Element, b: Element): Element {
    return a.map((limb, i) => this.#ir.sub(limb, entry(b, i)));
  }

  neg(a: Element): Element {
    return a.map((limb) => this.#ir.neg(limb));
  }

  /** Balanced limbs again, the same value: each takes the nearest multiple of a digit off and hands it on. */
  carry(a: Element): Element {
    const out: Float[] = [];
    let carried: Float | undefined;
    for (let i = 0; i < LIMBS; i++) {
      const limb = entry(a, i);
      if (i === LIMBS - 1) {
        out.push(carried ? this.#ir.addCarry(limb, carried) : limb);
        break;
      }
      const rounded = this.#ir.roundToDigit(limb);
      const rest = this.#ir.restOfRounding(limb, rounded);
      out.push(carried ? this.#ir.addCarry(rest, carried) : rest);
      carried = rounded;
    }
    return out;
  }

  /** Into +-0.51 p, balanced: takes k p off, k the whole number nearest to the top limb over p's. */
  reduce(a: Element): Element {
    const top = entry(a, LIMBS - 1);
    const ratio = Number(this.modulus) / 2 ** 204;
    const k = this.#ir.nearestQuotient(top, ratio);
    const less = a.map((limb, i) => this.#ir.addProduct(limb, k, this.#ir.constant(-entry(this.#modulusLimbs, i))));
    // |top - k p / 2^204| <= (1/2 + 2^-12) p / 2^204, and p's top limb is off p / 2^204 by half a unit at most.
    const bound = BigInt(Math.ceil(ratio * (0.5 + 2 ** -12))) + k.max;
    less[LIMBS - 1] = this.#ir.claim(entry(less, LIMBS - 1), bound, 'k is the nearest whole number');
    return this.carry(less);
  }

  /** Sum of products, one reduction: pairs of factors, each stored or lazy. */
  mul(a: Element, b: Element): Element {
    return this.sumOfProducts([[a, b]]);
  }

  sumOfProducts(pairs: readonly (readonly [Element, Element])[]): Element {
    const columns = this.#columns();
    for (let k = 0; k <= 2 * (LIMBS - 1); k++) {
      const products: [Float, Float][] = [];
      for (const [a, b] of pairs) {
        for (let i = Math.max(0, k - LIMBS + 1); i <= Math.min(LIMBS - 1, k); i++)
          products.push([entry(a, i), entry(b, k - i)]);
      }
      this.#accumulate(products, columns, k);
    }
    return this.#montgomery(columns);
  }

  square(a: Element): Element {
    return this.sumOfSquares([a]);
  }

  /** One reduction; a square needs 15 products: a_i a_j and a_j a_i are one with a doubled factor. */
  sumOfSquares(roots: readonly Element[]): Element {
    const columns = this.#columns();
    const doubled = roots.map((a) => a.map((limb) => this.#ir.add(limb, limb)));
    for (let k = 0; k <= 2 * (LIMBS - 1); k++) {
      for (const [which, a] of roots.entries()) {
        const products: [Float, Float][] = [];
        for (let i = Math.max(0, k - LIMBS + 1); 2 * i < k; i++) {
          products.push([entry(entry(doubled, which), i), entry(a, k - i)]);
        }
        if (k % 2 === 0) products.splice(1, 0, [entry(a, k / 2), entry(a, k / 2)]);
        this.#accumulate(products, columns, k);
      }
    }
    return this.#montgomery(columns);
  }

  /**
   * a w for a factor w known long before: its rows are w 2^(51 (i + 1)) mod p, so that sum of a_i row_i is a w 2^51
   * and one Montgomery step is all that is left. 30 products where `mul` takes 50, for a factor of five times the size.
   * For a balanced `a` the result stays within 1.7 p: each of the five terms is up to p / 4, the quotient adds p / 2.
   */
  #mulByRows(a: Element, row: (i: number, j: number) => Float): Element {
    const columns = this.#columns();
    // Row by row: TurboFan keeps fewer twiddles waiting in memory than column by column, 5 to 10 % on Node 20.
    const together = this.#chain ? 2 : 1;
    for (let i = 0; i < LIMBS; i += together) {
      const some = a.slice(i, i + together);
      for (let j = 0; j < LIMBS; j++) {
        const products = some.map((limb, k): [Float, Float] => [limb, row(i + k, j)]);
        this.#accumulate(products, columns, j);
      }
    }
    this.#montgomeryStep(columns, 0);
    return this.#balance(columns.slice(1, LIMBS + 1).map((column) => column.total));
  }

  mulByTwiddle(a: Element, pointer: string, lanes: 'shared' | 'apart'): Element {
    return this.#mulByRows(a, (i, j) => {
      const [offset, max] = [8 * (LIMBS * i + j), this.limbMax(j, 'reduced')];
      return lanes === 'shared'
        ? this.#ir.loadForAllLanes(pointer, offset, max)
        : this.#ir.loadLaneByLane(pointer, offset, TWIDDLE_BYTES, max);
    });
  }

  storeTwiddleRow(a: Element, address: (lane: 0 | 1) => string): void {
    this.require(a, 'reduced').forEach((limb, i) => {
      for (const lane of [0, 1] as const) {
        this.#ir.effect(`(v128.store64_lane offset=${8 * i} ${lane} ${address(lane)} {0})`, limb);
      }
    });
  }

  loosen(a: Element): Element {
    return a;
  }

  shuffle(lanes: readonly [number, number], a: Element, b: Element): Element {
    return a.map((limb, i) => this.#ir.shuffleFloats(lanes, limb, entry(b, i)));
  }

  times(k: bigint, a: Element): Element {
    const zero = this.#ir.constant(0n);
    return this.plusTimes(
      a.map(() => zero),
      k,
      a,
    );
  }

  plusTimes(a: Element, k: bigint, b: Element): Element {
    const factor = this.#ir.constant(k);
    return a.map((limb, i) => this.#ir.addProduct(limb, factor, entry(b, i)));
  }

  #columns(): Column[] {
    return Array.from({ length: 2 * LIMBS + 1 }, () => new Column(this.#ir));
  }

  /** Products into column k, their high parts into column k + 1; two share a high part where chained and both fit. */
  #accumulate(products: readonly (readonly [Float, Float])[], columns: readonly Column[], k: number): void {
    const ir = this.#ir;
    for (let i = 0; i < products.length; ) {
      const [a, b] = entry(products, i);
      const high = ir.high(a, b);
      const low = ir.low(a, b, high);
      const next = this.#chain ? products[i + 1] : undefined;
      let last: High = high;
      let lows = low;
      if (next !== undefined && ir.highFits(next[0], next[1], high)) {
        last = ir.high(next[0], next[1], high);
        lows = ir.lowPlus(low, ir.lowOnTop(next[0], next[1], high, last));
        i++;
      }
      entry(columns, k).add(ir.lowBits(lows));
      entry(columns, k + 1).add(ir.highBits(last));
      i++;
    }
  }

  #montgomery(columns: Column[]): Element {
    const ir = this.#ir;
    const digits: Float[] = [];
    let carry: Bits | undefined;
    for (let i = 0; i < FOLDED; i++) {
      const column = ir.settle(entry(columns, i).total);
      const digit = ir.digit(column);
      digits.push(ir.toFloat(carry ? ir.addBits(digit, carry) : digit));
      carry = ir.carry(column);
    }
    if (carry) entry(columns, FOLDED).add(carry);
    for (let j = 0; j < LIMBS; j++) {
      const products = digits.map((digit, i): [Float, Float] => [
        digit,
        ir.constant(entry(entry(this.#foldLimbs, i), j)),
      ]);
      this.#accumulate(products, columns, FOLDED + j);
    }
    for (let step = FOLDED; step < LIMBS; step++) this.#montgomeryStep(columns, step);
    return this.#balance(columns.slice(LIMBS, 2 * LIMBS).map((column) => column.total));
  }

  /** Adds the multiple of p that makes the columns a multiple of the one after `step`, and carries into that. */
  #montgomeryStep(columns: readonly Column[], step: number): void {
    const ir = this.#ir;
    const column = entry(columns, step);
    const settled = ir.settle(column.total);
    const quotient = ir.productModuloDigit(ir.digit(settled), this.#quotientFactor);
    // The lowest product makes the column a multiple of a digit; only its carry is of use.
    column.sum = settled;
    for (let j = 0; j < LIMBS; j++) {
      this.#accumulate([[quotient, ir.constant(entry(this.#modulusLimbs, j))]], columns, step + j);
    }
    entry(columns, step + 1).add(ir.carry(ir.settle(column.total)));
  }

  /** Columns to balanced limbs: half a digit is added before the digit is cut, and taken off again. */
  #balance(columns: readonly Bits[]): Element {
    const ir = this.#ir;
    const out: Float[] = [];
    let carry: Bits | undefined;
    columns.forEach((column, i) => {
      if (i === LIMBS - 1) {
        out.push(ir.toFloat(carry ? ir.addBits(column, carry) : column));
        return;
      }
      const raised = ir.settle(column, HALF_DIGIT);
      const digit = ir.digit(raised);
      out.push(ir.toFloat(carry ? ir.addBits(digit, carry) : digit, HALF_DIGIT));
      carry = ir.carry(raised);
    });
    return out;
  }

  // ---- In and out: four 64-bit words, little-endian, as files have them

  /** Of words below 2^255; the 256th bit is dropped. Not in Montgomery form, limbs not balanced. */
  fromWords(words: readonly Bits[]): Element {
    return Array.from({ length: LIMBS }, (_, i) => this.#ir.toFloat(this.#ir.field(words, 51 * i, 51)));
  }

  toWords(a: Element): Bits[] {
    return this.productToWords(
      this.mul(
        a,
        [1n, 0n, 0n, 0n, 0n].map((limb) => this.#ir.constant(limb)),
      ),
    );
  }

  /** A product by a reduced factor is in +-p: p is added, and taken off again where that leaves no negative. */
  productToWords(product: Element): Bits[] {
    const ir = this.#ir;
    const raised = product.map((limb, i) => {
      const above = ir.add(limb, ir.constant(3n << 51n));
      const bits: Bits = { kind: 'bits', node: above.node, bias: 0x4338_0000_0000_0000n, lo: -limb.max, hi: limb.max };
      return ir.addToPayload(bits, entry(this.#modulusLimbs, i));
    });
    const positive = this.#unsigned(raised);
    const plain = positive.map((limb, i) => ir.addToPayload(limb, -((this.modulus >> BigInt(51 * i)) & this.#mask(i))));
    const reduced = this.#unsigned(plain);
    const negative = ir.negativeMask(entry(reduced, LIMBS - 1));
    const canonical = positive.map((limb, i) => ir.select(limb, entry(reduced, i), negative));
    const top: Bits = { ...entry(canonical, LIMBS - 1), lo: 0n, hi: (1n << 52n) - 1n };
    const limbs = [...canonical.slice(0, LIMBS - 1), top];
    return Array.from({ length: 4 }, (_, word) => {
      const first = Math.floor((64 * word) / 51);
      let bits = ir.shiftRight(entry(limbs, first), 64 * word - 51 * first);
      for (let i = first + 1; i < LIMBS && 51 * i < 64 * (word + 1); i++) {
        bits = ir.or(bits, ir.shiftLeft(entry(limbs, i), 51 * i - 64 * word));
      }
      return bits;
    });
  }

  #mask(i: number): bigint {
    return i === LIMBS - 1 ? (1n << 64n) - 1n : DIGIT - 1n;
  }

  /** Carries through signed limbs: the lower ones in [0, 2^51), the top one with the sign. */
  #unsigned(limbs: readonly Bits[]): Bits[] {
    const ir = this.#ir;
    let carry: Bits | undefined;
    return limbs.map((limb, i) => {
      const sum = carry ? ir.addBits(limb, carry) : limb;
      if (i === LIMBS - 1) return ir.rebias(sum, 0n);
      const settled = ir.settle(sum);
      carry = ir.carry(settled);
      return ir.digit(settled);
    });
  }
}

export function fmaRepresentation(options: FmaOptions): Representation<Element> {
  return {
    pairBytes: 16 * LIMBS,
    cellBytes: CELL_BYTES,
    montgomeryR: MONTGOMERY_R,
    twiddleRows: 'powers',
    arithmetic: (ir, modulus) => new FmaArithmetic(ir, modulus, options),
    pattern: (value, modulus) => balancedLimbs(centered(value, modulus)).map((limb) => bitsOf(Number(limb))),

    /** Cells are five f64; a sign is a sign bit. */
    cellKernels(name, _modulus, target, pool) {
      const reference = (which: 0 | 1): string =>
        `(i32.load (i32.add (local.get $list) (i32.const {lane+${which}*4})))`;
      const address = (which: 0 | 1): string =>
        `(i32.add (i32.shl ${reference(which)} (i32.const 4)) (local.get $offset))`;
      const sign = (which: 0 | 1): string =>
        `(i64.shl (i64.extend_i32_u (i32.shr_u ${reference(which)} (i32.const 31))) (i64.const 63))`;
      const gather = (ir: Recorder, i: number): Bits =>
        ir.word(`(v128.load64_lane offset=${8 * i} 1 ${address(1)} (v128.load64_zero offset=${8 * i} ${address(0)}))`);
      return [
        kernelFunction(`${name}_gather`, ['z', 'list', 'offset'], target, pool, (ir) => {
          for (let i = 0; i < LIMBS; i++) ir.storeWord('z', 16 * i, gather(ir, i));
        }),
        kernelFunction(`${name}_gather_signed`, ['z', 'list', 'offset'], target, pool, (ir) => {
          const mask = ir.word(`(i64x2.replace_lane 1 (i64x2.splat ${sign(0)}) ${sign(1)})`);
          for (let i = 0; i < LIMBS; i++) {
            ir.storeWord('z', 16 * i, ir.word('(v128.xor {0} {1})', gather(ir, i), mask));
          }
        }),
        kernelFunction(`${name}_scatter`, ['list', 'offset', 'x'], target, pool, (ir) => {
          for (let i = 0; i < LIMBS; i++) {
            const limb = ir.loadWord('x', 16 * i);
            for (const which of [0, 1] as const) {
              ir.effect(`(v128.store64_lane offset=${8 * i} ${which} ${address(which)} {0})`, limb);
            }
          }
        }),
        kernelFunction(`${name}_spread`, ['z', 'x'], target, pool, (ir) => {
          for (let i = 0; i < LIMBS; i++) {
            const limb = ir.loadWord('x', 16 * i);
            for (const which of [0, 1] as const) {
              const cell = `(i32.add (local.get $z) (i32.const {lane+${which}*${FIELD_CELL_STRIDE}}))`;
              ir.effect(`(v128.store64_lane offset=${8 * i} ${which} ${cell} {0})`, limb);
            }
          }
        }),
      ];
    },
  };
}
