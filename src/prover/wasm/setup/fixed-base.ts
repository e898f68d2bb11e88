/**
 * Many multiples of a group's generator: the points of a key.
 *
 * The table holds d 2^(c j) G for every window j and every d = 1 .. 2^(c - 1), a window after the other. A scalar's
 * digits are signed (../msm/recode.ts), so that half a table does, and a product is one addition a window and no
 * doubling. The products of a slice advance window by window together, each in a slot of its own: every window is one
 * batch of additions, which shares its inversion and reads a part of the table that the first caches hold.
 *
 * Nothing meets an exception: below the digit of window j a scalar's own digits come to less than 2^(c j), and all of
 * them to no more than r/2. Slots would take one all the same.
 *
 * The table is public. Scalars, digits and sums in the making are not: who owns the memory wipes it.
 */
import { invariant } from '../../../common/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { Fq, G1, type G1Point, G2, type G2Point } from '../../reference/index.ts';
import { align, GROUPS, type GroupName, NEGATIVE, pointBytes } from '../msm/groups.ts';
import { RECODED_WORDS, Recoder, SCALAR_BITS } from '../msm/recode.ts';
import { BATCH, SlotBatch, slotBatchBytes } from '../msm/slot-batch.ts';
import { WORDS_BYTES, writeWords } from '../quotient/kernel-memory.ts';

/** Products that one slice holds: as many as share an inversion. */
export const SLICE_PRODUCTS_MAX = BATCH;

/** Below three bits signed digits do not reach r/2. */
const WINDOW_BITS_MIN = 3;
/** A window of G1 is then 640 KiB, which a second cache holds; the table 12 MB, of G2 24. */
const WINDOW_BITS_MAX = 14;

export interface FixedBaseShape {
  readonly group: GroupName;
  readonly windowBits: number;
  readonly windows: number;
}

/** A table in the kernels' memory; plain data, the same to all threads. */
export interface FixedBaseTable extends FixedBaseShape {
  /** Entry d of window j at + (j 2^(windowBits - 1) + d - 1) points. */
  readonly at: number;
}

/** The window for which table and products together take fewest additions. */
export function planFixedBase(group: GroupName, products: number): FixedBaseShape {
  const shapeOf = (windowBits: number): FixedBaseShape => ({
    group,
    windowBits,
    windows: Math.ceil(SCALAR_BITS / windowBits),
  });
  const cost = (shape: FixedBaseShape): number => shape.windows * (products + digitsOf(shape));
  let best = shapeOf(WINDOW_BITS_MIN);
  for (let windowBits = WINDOW_BITS_MIN + 1; windowBits <= WINDOW_BITS_MAX; windowBits++) {
    if (cost(shapeOf(windowBits)) < cost(best)) best = shapeOf(windowBits);
  }
  return best;
}

/** Entries of a window: digits are -2^(c - 1) .. 2^(c - 1) - 1. */
const digitsOf = ({ windowBits }: FixedBaseShape): number => 2 ** (windowBits - 1);
const entriesOf = (shape: FixedBaseShape): number => shape.windows * digitsOf(shape);

/** What a table takes, with what it is built in. */
export function fixedBaseBytes(kernels: Kernels, shape: FixedBaseShape): number {
  return stagingBytes(kernels) + slotBatchBytes(kernels, GROUPS[shape.group], entriesOf(shape));
}

/** One pack, its words, and a list. */
const stagingBytes = ({ lanes, packBytes }: Kernels): number => align(packBytes) + align(lanes * WORDS_BYTES) + 64;

/**
 * Builds the table of the group's generator in `fixedBaseBytes` at `at`, a multiple of 64: the powers of two in BigInt,
 * as they are few; then, for each of them, all smaller digits plus it, a batch over all windows.
 */
export function buildFixedBase(kernels: Kernels, shape: FixedBaseShape, at: number): FixedBaseTable {
  invariant(at + fixedBaseBytes(kernels, shape) <= kernels.memory.buffer.byteLength, 'memory for a table is there');
  const { group, windowBits, windows } = shape;
  const digits = digitsOf(shape);
  const slots = new SlotBatch(kernels, GROUPS[group], entriesOf(shape), at + stagingBytes(kernels));
  const slot = (window: number, digit: number): number => window * digits + digit - 1;

  const powers = powersOfTwo(group, windows * windowBits);
  const bytes = pointBytes(GROUPS[group], kernels.cellBytes);
  const entriesAt = slots.reference(0) * 16;
  for (let window = 0; window < windows; window++) {
    for (let bit = 0; bit < windowBits; bit++) {
      const coordinates = powers[window * windowBits + bit] as readonly bigint[];
      writePoint(kernels, coordinates, entriesAt + slot(window, 2 ** bit) * bytes, at);
    }
  }
  for (let power = 2; power < digits; power *= 2) {
    for (let window = 0; window < windows; window++) {
      for (let digit = 1; digit < power; digit++) {
        const sum = slot(window, power + digit);
        slots.copy(sum, slots.reference(slot(window, digit)));
        slots.add(sum, slots.reference(slot(window, power)));
        if (slots.adds === BATCH) slots.flush();
      }
    }
    slots.flush();
  }
  return { ...shape, at: entriesAt };
}

/** 2^i G for i < count: coordinates by their parts, x before y. */
function powersOfTwo(group: GroupName, count: number): (readonly bigint[])[] {
  const chain = <P>(start: P, double: (point: P) => P): P[] => {
    const points: P[] = [];
    for (let point = start; points.length < count; point = double(point)) points.push(point);
    return points;
  };
  if (group === 'g1') {
    const jacobians = chain(G1.toJacobian(G1.generator), G1.doubleJacobian);
    return G1.toAffineBatch(jacobians).map((point) => {
      const { x, y } = point as NonNullable<G1Point>;
      return [x, y];
    });
  }
  const jacobians = chain(G2.toJacobian(G2.generator), G2.doubleJacobian);
  return G2.toAffineBatch(jacobians).map((point) => {
    const { x, y } = point as NonNullable<G2Point>;
    return [x.c0, x.c1, y.c0, y.c1];
  });
}

/** Coordinates to cells. `staging`: `stagingBytes`. */
function writePoint(kernels: Kernels, coordinates: readonly bigint[], at: number, staging: number): void {
  const { exports: kernel, cellBytes, lanes, packBytes, memory } = kernels;
  const words = staging + align(packBytes);
  const list = words + align(lanes * WORDS_BYTES);
  new Uint32Array(memory.buffer, list, lanes).fill(at / 16);
  coordinates.forEach((coordinate, part) => {
    writeWords(memory, words, coordinate);
    kernel.fq_read(staging, words, 0, kernels.element('fq_plain'));
    kernel.fq_scatter(list, part * cellBytes, staging);
  });
}

/** The work area of one that multiplies: the same for both groups. */
export function multiplyWorkBytes(kernels: Kernels): number {
  return (
    align(BATCH * RECODED_WORDS * 4) +
    align(BATCH * GROUPS.g2.fileBytes) +
    2 * align(kernels.packBytes) +
    align(kernels.lanes * WORDS_BYTES) +
    64 +
    slotBatchBytes(kernels, GROUPS.g2, BATCH)
  );
}

/**
 * The multiples of the table's generator by `count` scalars, at most SLICE_PRODUCTS_MAX of them, as a zkey has them:
 * affine, x then y, 2^256 times the coordinate, little-endian; zeros for the scalar 0.
 * `scalarsAt`: 32 bytes each, canonical, little-endian. `workAt`: `multiplyWorkBytes`, a multiple of 64.
 */
export function multiplyFixedBase(
  kernels: Kernels,
  table: FixedBaseTable,
  scalarsAt: number,
  count: number,
  workAt: number,
): Uint8Array {
  if (count < 1 || count > SLICE_PRODUCTS_MAX) throw new RangeError(`a slice has no ${count} products`);
  invariant(workAt + multiplyWorkBytes(kernels) <= kernels.memory.buffer.byteLength, 'memory for products is there');
  const { buffer } = kernels.memory;
  const stagedAt = workAt + align(BATCH * RECODED_WORDS * 4);
  const convertAt = stagedAt + align(BATCH * GROUPS.g2.fileBytes);
  const slotsAt = convertAt + 2 * align(kernels.packBytes) + align(kernels.lanes * WORDS_BYTES) + 64;
  const recoded = new Uint32Array(buffer, workAt, BATCH * RECODED_WORDS);
  const slots = new SlotBatch(kernels, GROUPS[table.group], count, slotsAt);
  slots.clear(0, count);

  recode(table, new Uint32Array(buffer, scalarsAt, 8 * count), count, recoded);
  for (let window = 0; window < table.windows; window++) {
    addWindow(table, window, recoded, slots, count, pointBytes(GROUPS[table.group], kernels.cellBytes));
    slots.flush();
  }
  return writeOut(kernels, table.group, slots, count, stagedAt, convertAt);
}

function recode({ windowBits, windows }: FixedBaseShape, scalars: Uint32Array, count: number, to: Uint32Array): void {
  const recoder = new Recoder({ spacingBits: windowBits, stored: windows, widths: [windowBits] });
  for (let i = 0; i < count; i++) recoder.recode(scalars, 8 * i, to, RECODED_WORDS * i);
}

/** One digit of every scalar to its slot's next addition. */
function addWindow(
  table: FixedBaseTable,
  window: number,
  recoded: Uint32Array,
  slots: SlotBatch,
  count: number,
  bytes: number,
): void {
  const { windowBits } = table;
  const half = digitsOf(table);
  const mask = 2 * half - 1;
  const bit = window * windowBits;
  const [first, shift] = [bit >>> 5, bit & 31];
  const step = bytes / 16;
  // Of digit 0, which is not there.
  const reference = table.at / 16 + (window * half - 1) * step;
  for (let i = 0, word = first; i < count; i++, word += RECODED_WORDS) {
    const low = (recoded[word] as number) >>> shift;
    const high = ((recoded[word + 1] as number) << 1) << (31 - shift);
    const digit = ((low | high) & mask) - half;
    if (digit === 0) continue;
    const operand = digit > 0 ? reference + digit * step : (reference - digit * step) | NEGATIVE;
    if (slots.isEmpty(i)) slots.copy(i, operand);
    else slots.add(i, operand);
  }
}

/** Slots to the form of files, by way of `staged`. `work`: two packs, a pack's words, a list. */
function writeOut(
  kernels: Kernels,
  group: GroupName,
  slots: SlotBatch,
  count: number,
  staged: number,
  work: number,
): Uint8Array {
  const { exports: kernel, cellBytes, lanes, packBytes, memory } = kernels;
  const { fileBytes, parts } = GROUPS[group];
  const [pack, factor] = [work, work + align(packBytes)];
  const words = factor + align(packBytes);
  const list = new Uint32Array(memory.buffer, words + align(lanes * WORDS_BYTES), lanes);
  writeWords(memory, words, Fq.create(1n << 256n));
  kernel.fq_read(factor, words, 0, kernels.element('fq_plain'));
  for (let i = 0; i < count; i += lanes) {
    for (let lane = 0; lane < lanes; lane++) list[lane] = slots.reference(Math.min(i + lane, count - 1));
    for (let part = 0; part < 2 * parts; part++) {
      kernel.fq_gather(pack, list.byteOffset, part * cellBytes);
      kernel.fq_mul(pack, pack, factor);
      kernel.fq_write(staged + i * fileBytes + WORDS_BYTES * part, fileBytes, pack);
    }
  }
  const points = new Uint8Array(memory.buffer, staged, count * fileBytes).slice();
  for (let i = 0; i < count; i++) {
    if (slots.isEmpty(i)) points.fill(0, i * fileBytes, (i + 1) * fileBytes);
  }
  return points;
}
