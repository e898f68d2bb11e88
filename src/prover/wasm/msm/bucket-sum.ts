/**
 * Sums of products over tables, by buckets: each signed digit d of a scalar adds or subtracts its point's multiple to
 * bucket |d|; then the sum of d B_d is what was asked for.
 *
 * Additions come in batches to different buckets (slot-batch.ts). One that meets its bucket taken waits in a queue for
 * the next batch. Where digits are skewed (bits, equal scalars) the queue fills up: then what waits for one bucket is
 * summed in pairs, as a tree, in slots of its own, so that batches stay wide whatever the scalars are.
 *
 * Buckets are reduced by halving: bucket p + 2^s joins bucket p, for all p that are multiples of 2^(s + 1), while the
 * buckets left behind in earlier steps are summed in the same batches, by the same distance; after the last step bucket
 * 2^j holds the sum T_j of what has weight 2^j, and the rest is Horner's rule. This takes two additions a bucket, as
 * running sums do, all of them independent of one another within a step, and no equal points by construction.
 */
import type { Kernels } from '../../kernels/index.ts';
import { align, GROUPS, NEGATIVE, type PlainPoint } from './groups.ts';
import { bucketsOf, digitWidths, QUEUE_MAX, type SumShape, slotsOf } from './plan.ts';
import { RECODED_WORDS, Recoder } from './recode.ts';
import { BATCH, SlotBatch } from './slot-batch.ts';
import type { PointTable } from './table.ts';

/** Points `from` to `to` - 1 of a table, with scalars of 32 bytes each: canonical, plain, little-endian. */
export interface SumTerm {
  readonly table: PointTable;
  readonly scalarsAt: number;
  readonly from: number;
  readonly to: number;
}

/** Where Horner's rule keeps what it has: bucket 0, which no digit goes to. */
const RESULT = 0;

export class BucketSum {
  readonly #kernels: Kernels;
  readonly #shape: SumShape;
  readonly #pointsMax: number;
  readonly #widths: readonly number[];
  readonly #recoder: Recoder;
  readonly #recoded: Uint32Array;
  readonly #batch: SlotBatch;
  readonly #queueSlots: Uint32Array;
  readonly #queueOperands: Uint32Array;
  /** For each bucket, 1 + where in the queue a partner waits; 0 none. */
  readonly #partner: Int32Array;
  readonly #total: number;
  readonly #firstPair: number;
  #waiting = 0;

  /** `at`: `sumWorkBytes` of memory for sums over `pointsMax` points, a multiple of 16. */
  constructor(kernels: Kernels, shape: SumShape, pointsMax: number, at: number) {
    const { buffer } = kernels.memory;
    this.#kernels = kernels;
    this.#shape = shape;
    this.#pointsMax = pointsMax;
    this.#widths = digitWidths(shape);
    this.#recoder = new Recoder({ ...shape, widths: this.#widths });
    const { buckets, total } = slotsOf(shape);
    let next = at;
    const take = (bytes: number): number => {
      const here = next;
      next += align(bytes);
      return here;
    };
    this.#recoded = new Uint32Array(buffer, take(pointsMax * RECODED_WORDS * 4), pointsMax * RECODED_WORDS);
    this.#queueSlots = new Uint32Array(buffer, take(4 * QUEUE_MAX), QUEUE_MAX);
    this.#queueOperands = new Uint32Array(buffer, take(4 * QUEUE_MAX), QUEUE_MAX);
    this.#partner = new Int32Array(buffer, take(4 * (buckets + 1)), buckets + 1).fill(0);
    this.#batch = new SlotBatch(kernels, GROUPS[shape.group], total, next);
    this.#total = buckets + 1;
    this.#firstPair = buckets + 2;
    this.clear();
  }

  /** Additions done so far, doublings and exceptions apart. */
  get additions(): number {
    return this.#batch.additions;
  }

  /** The total is zero again. */
  clear(): void {
    this.#batch.clear(this.#total, this.#total + 1);
  }

  /** The total gains the sum of scalar times point over all terms. */
  add(terms: readonly SumTerm[]): void {
    this.#recode(terms);
    const batch = this.#batch;
    batch.restart(this.#total);
    for (let pass = this.#widths.length - 1, place = this.#shape.spacingBits; pass >= 0; pass--) {
      const width = this.#widths[pass] as number;
      place -= width;
      batch.clear(1, bucketsOf(width) + 1);
      this.#collect(terms, place, width);
      while (this.#waiting > 0 || batch.adds > 0 || batch.copies > 0) {
        batch.flush();
        this.#sumQueue();
      }
      this.#reduceBuckets(width);
    }
    if (!batch.isEmpty(RESULT)) {
      this.#put(this.#total, batch.reference(RESULT));
      batch.flush();
    }
  }

  /** The total's coordinates as canonical words at `target`, 32 bytes a part, x then y; false: infinity, no words. */
  writeTotal(target: number): boolean {
    if (this.#batch.isEmpty(this.#total)) return false;
    this.#batch.write(this.#total, target);
    return true;
  }

  /** The total; null is infinity. */
  total(): PlainPoint | null {
    const parts = GROUPS[this.#shape.group].parts;
    const words = new DataView(this.#kernels.memory.buffer, this.#queueSlots.byteOffset, 2 * 32 * parts);
    if (!this.writeTotal(words.byteOffset)) return null;
    const part = (i: number): bigint =>
      [3, 2, 1, 0].reduce((sum, word) => (sum << 64n) | words.getBigUint64(32 * i + 8 * word, true), 0n);
    return {
      x: Array.from({ length: parts }, (_, i) => part(i)),
      y: Array.from({ length: parts }, (_, i) => part(parts + i)),
    };
  }

  #recode(terms: readonly SumTerm[]): void {
    const { buffer } = this.#kernels.memory;
    let to = 0;
    for (const { table, scalarsAt, from, to: end } of terms) {
      const { group, spacingBits, stored } = this.#shape;
      if (table.group !== group || table.spacingBits !== spacingBits || table.stored !== stored) {
        throw new RangeError('a table of another shape than the sum');
      }
      if (from < 0 || end > table.points || to / RECODED_WORDS + Math.max(0, end - from) > this.#pointsMax) {
        throw new RangeError(`points ${from} to ${end} are more than the table or the sum has room for`);
      }
      const indices = new Uint32Array(buffer, table.indicesAt, table.points);
      const scalars = new Uint32Array(buffer, scalarsAt);
      for (let entry = from; entry < end; entry++, to += RECODED_WORDS) {
        this.#recoder.recode(scalars, 8 * (indices[entry] as number), this.#recoded, to);
      }
    }
  }

  /** The digits at `place` of every block go to the buckets. */
  #collect(terms: readonly SumTerm[], place: number, width: number): void {
    const { spacingBits, stored } = this.#shape;
    const recoded = this.#recoded;
    const batch = this.#batch;
    const { stamps, targets, operands, firstReference, referenceStep: step } = batch;
    const mask = 2 ** width - 1;
    const half = 2 ** (width - 1);
    let { now, adds } = batch;
    let words = 0;
    for (const { table, from, to } of terms) {
      let reference = (table.at >>> 4) + from * stored * step;
      for (let entry = from; entry < to; entry++, words += RECODED_WORDS) {
        for (let bit = place, block = 0; block < stored; block++, bit += spacingBits, reference += step) {
          const word = words + (bit >>> 5);
          const shift = bit & 31;
          const low = (recoded[word] as number) >>> shift;
          const high = ((recoded[word + 1] as number) << 1) << (31 - shift);
          const digit = ((low | high) & mask) - half;
          if (digit === 0) continue;
          const slot = digit < 0 ? -digit : digit;
          const operand = digit < 0 ? reference | NEGATIVE : reference;
          const stamp = stamps[slot] as number;
          if (stamp !== now && stamp !== 0) {
            stamps[slot] = now;
            targets[adds] = firstReference + slot * step;
            operands[adds++] = operand;
            if (adds < BATCH) continue;
            batch.adds = adds;
            this.#turn();
          } else {
            batch.adds = adds;
            this.#put(slot, operand);
          }
          now = batch.now;
          adds = batch.adds;
        }
      }
    }
    batch.adds = adds;
  }

  /** Into the batch, or behind it where the slot is taken. */
  #put(slot: number, operand: number): void {
    const batch = this.#batch;
    const stamp = batch.stamps[slot] as number;
    if (stamp === batch.now) {
      this.#queueSlots[this.#waiting] = slot;
      this.#queueOperands[this.#waiting++] = operand;
      if (this.#waiting === QUEUE_MAX) this.#turn();
    } else if (stamp === 0) {
      batch.copy(slot, operand);
      if (batch.copies === BATCH) this.#turn();
    } else {
      batch.add(slot, operand);
      if (batch.adds === BATCH) this.#turn();
    }
  }

  /** A batch is done; what waits is tried again, or summed where too much does. */
  #turn(): void {
    this.#batch.flush();
    if (this.#waiting > QUEUE_MAX / 2) {
      this.#sumQueue();
      return;
    }
    const batch = this.#batch;
    const waiting = this.#waiting;
    let kept = 0;
    for (let i = 0; i < waiting; i++) {
      const slot = this.#queueSlots[i] as number;
      const stamp = batch.stamps[slot] as number;
      // One place is left free: `put` adds before it asks whether a batch is full.
      if (stamp === batch.now || batch.adds === BATCH - 1 || batch.copies === BATCH - 1) {
        this.#queueSlots[kept] = slot;
        this.#queueOperands[kept++] = this.#queueOperands[i] as number;
      } else if (stamp === 0) {
        batch.copy(slot, this.#queueOperands[i] as number);
      } else {
        batch.add(slot, this.#queueOperands[i] as number);
      }
    }
    this.#waiting = kept;
  }

  /** What waits for one bucket is summed as a tree; the sums go to their buckets. The batch must be empty. */
  #sumQueue(): void {
    const batch = this.#batch;
    let pairs = this.#firstPair;
    for (let formed = true; formed; ) {
      formed = false;
      const waiting = this.#waiting;
      let kept = 0;
      for (let i = 0; i < waiting; i++) {
        const slot = this.#queueSlots[i] as number;
        const operand = this.#queueOperands[i] as number;
        if (this.#isPair(operand) && batch.isEmpty(batch.slotOf(operand))) continue;
        const partner = this.#partner[slot] as number;
        if (partner === 0) {
          this.#queueSlots[kept] = slot;
          this.#queueOperands[kept++] = operand;
          this.#partner[slot] = kept;
          continue;
        }
        formed = true;
        this.#partner[slot] = 0;
        const other = this.#queueOperands[partner - 1] as number;
        if (this.#isPair(other)) batch.add(batch.slotOf(other), operand);
        else if (this.#isPair(operand)) {
          batch.add(batch.slotOf(operand), other);
          this.#queueOperands[partner - 1] = operand;
        } else {
          batch.copy(pairs, other);
          batch.add(pairs, operand);
          this.#queueOperands[partner - 1] = batch.reference(pairs++);
        }
        if (batch.adds === BATCH) batch.flush();
      }
      this.#waiting = kept;
      for (let i = 0; i < kept; i++) this.#partner[this.#queueSlots[i] as number] = 0;
      batch.flush();
    }
    const waiting = this.#waiting;
    for (let i = 0; i < waiting; i++) {
      const slot = this.#queueSlots[i] as number;
      if (batch.isEmpty(slot)) batch.copy(slot, this.#queueOperands[i] as number);
      else batch.add(slot, this.#queueOperands[i] as number);
      if (batch.copies === BATCH || batch.adds === BATCH) batch.flush();
    }
    this.#waiting = 0;
    batch.flush();
  }

  /** Operands that are sums of pairs carry no sign, and are the only slots that wait. */
  #isPair(operand: number): boolean {
    return operand >= this.#batch.reference(this.#firstPair) && operand < this.#batch.reference(this.#slotsEnd);
  }

  get #slotsEnd(): number {
    return this.#firstPair + QUEUE_MAX / 2;
  }

  /** result = result 2^width + the sum of d B_d. */
  #reduceBuckets(width: number): void {
    const batch = this.#batch;
    const buckets = bucketsOf(width);
    for (let distance = 1; distance < buckets; distance *= 2) {
      this.#join(2 * distance, distance, buckets);
      for (let first = 1; first < distance; first *= 2) this.#join(first, distance, buckets);
      batch.flush();
    }
    for (let weight = buckets; weight >= 1; weight /= 2) {
      if (!batch.isEmpty(RESULT)) batch.double(RESULT);
      if (batch.isEmpty(weight)) continue;
      this.#put(RESULT, batch.reference(weight));
      batch.flush();
    }
  }

  /** Buckets first, first + 2 distance, ... gain those at `distance` from them. */
  #join(first: number, distance: number, buckets: number): void {
    const batch = this.#batch;
    for (let slot = first; slot + distance < buckets; slot += 2 * distance) {
      if (!batch.isEmpty(slot + distance)) this.#put(slot, batch.reference(slot + distance));
    }
  }
}
