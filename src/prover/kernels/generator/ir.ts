/**
 * The intermediate representation in which kernels are written: straight-line vector code whose every value carries
 * bounds (ir-values.ts), so that a kernel that could round, wrap or leave its binade is not generated.
 *
 * The bound of each operation is argued where it is computed, once; kernels are then free of such arguments.
 */
import {
  abs,
  type Bits,
  bitsOf,
  C1_BITS,
  CENTER,
  CENTER_BITS,
  DIGIT,
  DIGIT_BITS,
  EXACT_MAX,
  type Float,
  floorShift,
  HALF_DIGIT,
  HIGH_MAX,
  type High,
  InexactError,
  type Instruction,
  type Low,
  type Narrow,
  ORIGIN,
  ORIGIN_BITS,
  type Value,
  WORD,
} from './ir-values.ts';

export * from './ir-values.ts';

/** Instructions in the order in which they were asked for, with the bounds of each result. */
export class Recorder {
  readonly instructions: Instruction[] = [];
  readonly #constants = new Map<bigint, number>();

  #push(instruction: Instruction): number {
    this.instructions.push(instruction);
    return this.instructions.length - 1;
  }

  #apply(code: string, ...args: readonly Value[]): number {
    return this.#push({ op: 'apply', code, args: args.map(({ node }) => node) });
  }

  #constantNode(bits: bigint): number {
    const key = BigInt.asUintN(64, bits);
    let node = this.#constants.get(key);
    if (node === undefined) {
      node = this.#push({ op: 'constant', bits: key });
      this.#constants.set(key, node);
    }
    return node;
  }

  #float(node: number, max: bigint, step: bigint): Float {
    if (max > EXACT_MAX * step) {
      throw new InexactError(`a float of up to ${max} in steps of ${step} may be rounded`);
    }
    return { kind: 'float', node, max, step };
  }

  #bits(node: number, bias: bigint, lo: bigint, hi: bigint): Bits {
    return { kind: 'bits', node, bias: BigInt.asUintN(64, bias), lo, hi };
  }

  // ---- Floats

  constant(value: bigint): Float {
    const float = Number(value);
    if (BigInt(float) !== value) throw new InexactError(`${value} is no f64`);
    return this.#float(this.#constantNode(bitsOf(float)), abs(value), 1n);
  }

  /** A factor that is no whole number, for `nearest` and `spill`; it carries no bounds of its own. */
  #factor(value: number): Value {
    return { node: this.#constantNode(bitsOf(value)) };
  }

  /** A limb in memory, which whoever wrote it kept within `max`. */
  load(pointer: string, offset: number, max: bigint): Float {
    return this.#float(this.#push({ op: 'load', pointer, offset }), max, 1n);
  }

  /** One f64 of a table for all lanes, which whoever wrote it kept within `max`; `offset` is in plain bytes. */
  loadForAllLanes(pointer: string, offset: number, max: bigint): Float {
    const text = `(v128.load64_splat offset=${offset} (local.get $${pointer}))`;
    return this.#float(this.#push({ op: 'text', text, args: [], effect: false }), max, 1n);
  }

  /** The same with an f64 of its own for each lane, `stride` bytes apart. */
  loadLaneByLane(pointer: string, offset: number, stride: number, max: bigint): Float {
    const address = (which: 0 | 1): string => `(i32.add (local.get $${pointer}) (i32.const {lane+${which}*${stride}}))`;
    const first = `(v128.load64_zero offset=${offset} ${address(0)})`;
    const text = `(v128.load64_lane offset=${offset} 1 ${address(1)} ${first})`;
    return this.#float(this.#push({ op: 'text', text, args: [], effect: false }), max, 1n);
  }

  store(pointer: string, offset: number, value: Float): void {
    this.#push({ op: 'store', pointer, offset, args: [value.node] });
  }

  add(a: Float, b: Float): Float {
    return this.#float(this.#apply('f64x2.add', a, b), a.max + b.max, a.step < b.step ? a.step : b.step);
  }

  sub(a: Float, b: Float): Float {
    return this.#float(this.#apply('f64x2.sub', a, b), a.max + b.max, a.step < b.step ? a.step : b.step);
  }

  neg(a: Float): Float {
    return this.#float(this.#apply('f64x2.neg', a), a.max, a.step);
  }

  /** a + k b, exact as both parts are whole. */
  addProduct(a: Float, k: Float, b: Float): Float {
    return this.#float(this.#apply('f64x2.relaxed_madd', k, b, a), a.max + k.max * b.max, 1n);
  }

  /** `a` to the nearest multiple of 2^51: adding C1 rounds to its unit, taking it away again is exact. */
  roundToDigit(a: Float): Float {
    if (a.max > HIGH_MAX) throw new InexactError('too large to be rounded to a digit');
    const center: Value = { node: this.#constantNode(C1_BITS) };
    const raised: Value = { node: this.#apply('f64x2.add', a, center) };
    return this.#float(this.#apply('f64x2.sub', raised, center), a.max + HALF_DIGIT, DIGIT);
  }

  /** a minus its nearest multiple of 2^51, of which `rounded` is the result: at most half a digit is left. */
  restOfRounding(a: Float, rounded: Float): Float {
    return this.#float(this.#apply('f64x2.sub', a, rounded), HALF_DIGIT, 1n);
  }

  /** `a` plus a multiple of 2^51 counted in digits. */
  addCarry(a: Float, multiple: Float): Float {
    if (multiple.step !== DIGIT) throw new InexactError('a carry is a multiple of a digit');
    const node = this.#apply('f64x2.relaxed_madd', multiple, this.#factor(2 ** -51), a);
    return this.#float(node, a.max + multiple.max / DIGIT, 1n);
  }

  /**
   * The whole number nearest to a / divisor, by one fused product into the binade with unit 1. The factor 1 / divisor is
   * off by 2^-53 of itself at most, so the result is off by less than 1/2 + 2^-52 |a / divisor|.
   */
  nearestQuotient(a: Float, divisor: number): Float {
    const whole = BigInt(Math.floor(divisor));
    const max = (2n * a.max + (a.max >> 40n) + whole + 1n) / (2n * whole);
    if (max > 1n << 40n) throw new InexactError('a quotient this large is not the nearest');
    const center: Value = { node: this.#constantNode(CENTER_BITS) };
    const raised: Value = { node: this.#apply('f64x2.relaxed_madd', a, this.#factor(1 / divisor), center) };
    return this.#float(this.#apply('f64x2.sub', raised, center), max, 1n);
  }

  /** A tighter bound that the caller has proved; it says how. */
  claim(a: Float, max: bigint, _because: string): Float {
    return { ...a, max };
  }

  // ---- Products: a b = 2^51 H + e, after Niall Emmart

  /** The rounded high part of a b, on top of that of earlier products of the same column. */
  high(a: Float, b: Float, before?: High): High {
    const max = (before?.max ?? 0n) + a.max * b.max + HALF_DIGIT;
    // Then C1 + the sum lies in C1's binade, [2^103, 2^104), and its unit is 2^51.
    if (max > HIGH_MAX) throw new InexactError(`high parts of up to ${max} leave their binade`);
    const base: Value = before ?? { node: this.#constantNode(C1_BITS) };
    return { kind: 'high', node: this.#apply('f64x2.relaxed_madd', a, b, base), max };
  }

  /** Whether one more product would still fit. */
  highFits(a: Float, b: Float, before: High): boolean {
    return before.max + a.max * b.max + HALF_DIGIT <= HIGH_MAX;
  }

  /** a b minus what `high` took, |e| <= 2^50, above 1.5 * 2^52. */
  low(a: Float, b: Float, high: High): Low {
    // (C1 + 1.5 * 2^52) - h is a multiple of 2^51 below 2^104: exact; and so is the fused sum, being whole and below 2^53.
    const shifted: Value = { node: this.#constantNode(C1_BITS + CENTER / DIGIT) };
    const rest: Value = { node: this.#apply('f64x2.sub', shifted, high) };
    return { kind: 'low', node: this.#apply('f64x2.relaxed_madd', a, b, rest), max: HALF_DIGIT };
  }

  /** The same where `high` was put on top of `before`: a plain number. */
  lowOnTop(a: Float, b: Float, before: High, high: High): Float {
    const rest: Value = { node: this.#apply('f64x2.sub', before, high) };
    return this.#float(this.#apply('f64x2.relaxed_madd', a, b, rest), HALF_DIGIT, 1n);
  }

  lowPlus(low: Low, rest: Float): Low {
    const max = low.max + rest.max;
    // At 2^53 exactly the pattern is still the next one, as it is at 2^52: the ends belong to the range.
    if (max > HALF_DIGIT * 2n) throw new InexactError('low parts leave their binade');
    return { kind: 'low', node: this.#apply('f64x2.add', low, rest), max };
  }

  // ---- Bits

  highBits(high: High): Bits {
    const h = high.max / DIGIT + 1n;
    return this.#bits(high.node, C1_BITS, -h, h);
  }

  lowBits(low: Low): Bits {
    return this.#bits(low.node, CENTER_BITS, -low.max, low.max);
  }

  addBits(a: Bits, b: Bits): Bits {
    return this.#bits(this.#apply('i64x2.add', a, b), a.bias + b.bias, a.lo + b.lo, a.hi + b.hi);
  }

  /** Adds a constant to the payload. */
  addToPayload(a: Bits, n: bigint): Bits {
    return this.rebias(a, a.bias, n);
  }

  /** The same payload, plus n, above another bias: one addition of a constant. */
  rebias(a: Bits, bias: bigint, n = 0n): Bits {
    const constant: Value = { node: this.#constantNode(bias - a.bias + n) };
    return this.#bits(this.#apply('i64x2.add', a, constant), bias, a.lo + n, a.hi + n);
  }

  /** With a bias of whole digits and no wrap over 2^64, so that digit and carry can be told apart. */
  settle(a: Bits, plus = 0n): Bits {
    const settled = plus === 0n && a.bias % DIGIT === 0n && a.bias + a.lo >= 0n && a.bias + a.hi < WORD;
    if (settled) return a;
    const result = this.rebias(a, 1n << 62n, plus);
    if (result.bias + result.lo < 0n || result.bias + result.hi >= WORD) throw new InexactError('a column wraps');
    return result;
  }

  /** The payload modulo 2^51, of a settled column. */
  digit(a: Bits): Bits {
    if (a.bias % DIGIT !== 0n) throw new InexactError('a digit of a column that is not settled');
    const mask: Value = { node: this.#constantNode(DIGIT - 1n) };
    return this.#bits(this.#apply('v128.and', a, mask), 0n, 0n, DIGIT - 1n);
  }

  /** floor(payload / 2^51), of a settled column. Shifting arithmetically would be emulated on x86: the bias avoids it. */
  carry(a: Bits): Bits {
    if (a.bias % DIGIT !== 0n || a.bias + a.lo < 0n || a.bias + a.hi >= WORD) {
      throw new InexactError('a carry of a column that is not settled');
    }
    const node = this.#push({ op: 'shift', code: 'i64x2.shr_u', by: 51, args: [a.node] });
    return this.#bits(node, a.bias / DIGIT, floorShift(a.lo, DIGIT_BITS), floorShift(a.hi, DIGIT_BITS));
  }

  /** The payload, less n, as a number: moved into the binade [2^52, 2^53), whose beginning is then taken away. */
  toFloat(a: Bits, less = 0n): Float {
    const shift = a.lo >= 0n ? 0n : a.lo >= -HALF_DIGIT ? HALF_DIGIT : DIGIT;
    if (a.lo + shift < 0n || a.hi + shift >= ORIGIN) throw new InexactError('bits that fit no binade');
    const raised = this.rebias(a, ORIGIN_BITS + shift);
    const base: Value = { node: this.#constantNode(bitsOf(Number(ORIGIN + shift + less))) };
    const [lo, hi] = [a.lo - less, a.hi - less];
    return this.#float(this.#apply('f64x2.sub', raised, base), abs(lo) > abs(hi) ? abs(lo) : abs(hi), 1n);
  }

  /** A digit as the number 2^52 + digit, without taking 2^52 away: modulo 2^51 it is the digit. */
  digitAboveOrigin(a: Bits): Value & { readonly lo: bigint; readonly hi: bigint } {
    if (a.bias !== 0n || a.lo < 0n || a.hi >= DIGIT) throw new InexactError('not a digit');
    const origin: Value = { node: this.#constantNode(ORIGIN_BITS) };
    return { node: this.#apply('v128.or', a, origin), lo: ORIGIN + a.lo, hi: ORIGIN + a.hi };
  }

  /**
   * digit * factor modulo 2^51, in +-2^50: the fused rest of their product. The product has one sign, so C1's binade is
   * entered from its nearer end: from 2^103 upwards, or from just below 2^104 downwards.
   */
  productModuloDigit(digit: Bits, factor: bigint): Float {
    const raised = this.digitAboveOrigin(digit);
    const largest = raised.hi * abs(factor) + HALF_DIGIT;
    const base = factor > 0n ? 1n << 103n : (1n << 104n) - 4n * DIGIT;
    const end = factor > 0n ? base + largest : base - largest;
    if (end < 1n << 103n || end >= 1n << 104n) throw new InexactError('a quotient leaves its binade');
    const start: Value = { node: this.#constantNode(bitsOf(Number(base))) };
    const by: Value = this.constant(factor);
    const high: Value = { node: this.#apply('f64x2.relaxed_madd', raised, by, start) };
    const rest: Value = { node: this.#apply('f64x2.sub', start, high) };
    return this.#float(this.#apply('f64x2.relaxed_madd', raised, by, rest), HALF_DIGIT, 1n);
  }

  // ---- Unsigned integers: Bits without a bias

  constantBits(n: bigint): Bits {
    return this.#bits(this.#constantNode(n), 0n, n, n);
  }

  loadBits(pointer: string, offset: number, max: bigint): Bits {
    return this.#bits(this.#push({ op: 'load', pointer, offset }), 0n, 0n, max);
  }

  /** a - b, where a is known to hold `spare` more than nothing: at least b. */
  subtractBits(a: Bits, b: Bits, spare: bigint): Bits {
    if (spare > 0n && b.hi > spare) throw new InexactError('a difference that may be negative');
    return this.#bits(this.#apply('i64x2.sub', a, b), 0n, 0n, a.hi);
  }

  /** The lowest bits of an unsigned number. */
  mask(a: Bits, count: number): Bits {
    this.#requireUnsigned(a);
    const all = (1n << BigInt(count)) - 1n;
    return this.#bits(this.#apply('v128.and', a, { node: this.#constantNode(all) }), 0n, 0n, all);
  }

  narrow(a: Bits): Narrow {
    this.#requireUnsigned(a);
    if (a.hi >= 1n << 32n) throw new InexactError(`a factor of up to ${a.hi} has more than 32 bits`);
    const both = '0 1 2 3 8 9 10 11 0 1 2 3 8 9 10 11';
    const node = this.#push({ op: 'text', text: `(i8x16.shuffle ${both} {0} {0})`, args: [a.node], effect: false });
    return { kind: 'narrow', node, max: a.hi };
  }

  /** A 32-bit number of a table for all lanes, which whoever wrote it kept within `max`; `offset` is in plain bytes. */
  narrowForAllLanes(pointer: string, offset: number, max: bigint): Narrow {
    const text = `(v128.load32_splat offset=${offset} (local.get $${pointer}))`;
    return { kind: 'narrow', node: this.#push({ op: 'text', text, args: [], effect: false }), max };
  }

  /** The same with a number of its own for each lane, `stride` bytes apart. */
  narrowLaneByLane(pointer: string, offset: number, stride: number, max: bigint): Narrow {
    const address = (which: 0 | 1): string => `(i32.add (local.get $${pointer}) (i32.const {lane+${which}*${stride}}))`;
    const first = `(v128.load32_zero offset=${offset} ${address(0)})`;
    const text = `(v128.load32_lane offset=${offset} 1 ${address(1)} ${first})`;
    return { kind: 'narrow', node: this.#push({ op: 'text', text, args: [], effect: false }), max };
  }

  constantNarrow(n: bigint): Narrow {
    if (n < 0n || n >= 1n << 32n) throw new InexactError(`${n} has more than 32 bits`);
    return { kind: 'narrow', node: this.#constantNode((n << 32n) | n), max: n };
  }

  multiply(a: Narrow, b: Narrow): Bits {
    return this.#bits(this.#apply('i64x2.extmul_low_i32x4_u', a, b), 0n, 0n, a.max * b.max);
  }

  /** a * factor modulo 2^count, count at most 32. */
  narrowProduct(a: Narrow, factor: bigint, count: number): Narrow {
    const product: Value = { node: this.#apply('i32x4.mul', a, this.constantNarrow(factor)) };
    const all = (1n << BigInt(count)) - 1n;
    return { kind: 'narrow', node: this.#apply('v128.and', product, this.constantNarrow(all)), max: all };
  }

  /** A tighter bound that the caller has proved; it says how. */
  claimBits(a: Bits, max: bigint, _because: string): Bits {
    this.#requireUnsigned(a);
    return { ...a, lo: 0n, hi: max };
  }

  /** All ones in lanes whose bit `at` is set, of numbers in which it is the highest. */
  onesWhereBit(a: Bits, at: number): Value {
    const bit = this.shiftRight(a, at);
    return { node: this.#apply('i64x2.sub', { node: this.#constantNode(0n) }, this.mask(bit, 1)) };
  }

  #requireUnsigned(a: Bits): void {
    if (a.bias !== 0n || a.lo < 0n || a.hi >= WORD) throw new InexactError('not an unsigned 64-bit number');
  }

  // ---- Between lanes: moving them changes no number, so the bounds are those of whichever operand is larger

  #shuffle([first, second]: readonly [number, number], a: Value, b: Value): number {
    const bytes = [first, second].flatMap((lane) => Array.from({ length: 8 }, (_, i) => 8 * lane + i)).join(' ');
    return this.#push({ op: 'text', text: `(i8x16.shuffle ${bytes} {0} {1})`, args: [a.node, b.node], effect: false });
  }

  shuffleFloats(lanes: readonly [number, number], a: Float, b: Float): Float {
    const [max, step] = [a.max > b.max ? a.max : b.max, a.step < b.step ? a.step : b.step];
    return this.#float(this.#shuffle(lanes, a, b), max, step);
  }

  shuffleBits(lanes: readonly [number, number], a: Bits, b: Bits): Bits {
    if (a.bias !== b.bias) throw new InexactError('lanes of two biases');
    const [lo, hi] = [a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi];
    return this.#bits(this.#shuffle(lanes, a, b), a.bias, lo, hi);
  }

  // ---- Whole 64-bit words, for what enters and leaves the representation

  /** A word in [0, 2^64) from anywhere; `text` as in Instruction. */
  word(text: string, ...args: readonly Value[]): Bits {
    const node = this.#push({ op: 'text', text, args: args.map((arg) => arg.node), effect: false });
    return this.#bits(node, 0n, 0n, WORD - 1n);
  }

  /** Bits that are a limb's own f64, which whoever wrote it kept within `max`. */
  limb(a: Bits, max: bigint): Float {
    return this.#float(a.node, max, 1n);
  }

  /** Limbs that are moved and not computed with: they keep whatever bounds they have. */
  loadWord(pointer: string, offset: number): Bits {
    return this.#bits(this.#push({ op: 'load', pointer, offset }), 0n, 0n, WORD - 1n);
  }

  storeWord(pointer: string, offset: number, word: Bits): void {
    this.#push({ op: 'store', pointer, offset, args: [word.node] });
  }

  effect(text: string, ...args: readonly Value[]): void {
    this.#push({ op: 'text', text, args: args.map((arg) => arg.node), effect: true });
  }

  /** The bits from..from+count-1 of a word, or of two words that follow one another. */
  field(words: readonly Bits[], from: number, count: number): Bits {
    const [word, bit] = [Math.floor(from / 64), from % 64];
    const low = words[word] as Bits;
    let node = bit === 0 ? low.node : this.#push({ op: 'shift', code: 'i64x2.shr_u', by: bit, args: [low.node] });
    const next = words[word + 1];
    if (bit + count > 64 && next !== undefined) {
      const upper = this.#push({ op: 'shift', code: 'i64x2.shl', by: 64 - bit, args: [next.node] });
      node = this.#apply('v128.or', { node }, { node: upper });
    }
    const mask: Value = { node: this.#constantNode((1n << BigInt(count)) - 1n) };
    return this.#bits(this.#apply('v128.and', { node }, mask), 0n, 0n, (1n << BigInt(count)) - 1n);
  }

  shiftLeft(a: Bits, by: number): Bits {
    if (by === 0) return a;
    return this.#bits(this.#push({ op: 'shift', code: 'i64x2.shl', by, args: [a.node] }), 0n, 0n, WORD - 1n);
  }

  shiftRight(a: Bits, by: number): Bits {
    this.#requireUnsigned(a);
    return this.#bits(
      this.#push({ op: 'shift', code: 'i64x2.shr_u', by, args: [a.node] }),
      0n,
      a.lo >> BigInt(by),
      a.hi >> BigInt(by),
    );
  }

  or(a: Bits, b: Bits): Bits {
    return this.#bits(this.#apply('v128.or', a, b), 0n, 0n, WORD - 1n);
  }

  /** a where `mask` is all ones, b where it is zero. */
  select(a: Bits, b: Bits, mask: Value): Bits {
    const [lo, hi] = [a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi];
    if (a.bias !== b.bias) throw new InexactError('a choice between two biases');
    return this.#bits(this.#apply('v128.bitselect', a, b, mask), a.bias, lo, hi);
  }

  /** All ones where the payload is negative. */
  negativeMask(a: Bits): Value {
    if (a.bias !== 0n) throw new InexactError('a sign under a bias');
    return { node: this.#apply('i64x2.lt_s', a, { node: this.#constantNode(0n) }) };
  }
}
