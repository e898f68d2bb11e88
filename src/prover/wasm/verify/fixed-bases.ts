/**
 * Sums of s_i P_i over fixed points of G1 (a key's IC, and alpha): tables once, additions only afterwards.
 *
 * A scalar s, 0 < s < r, is made odd by adding r where it is even, and written in 64 digits of four bits, all of them odd,
 * -15 .. 15 (Joye, Tunstall 2009): d_j = (bits 4j .. 4j + 4 of s, the lowest set) - 16. No digit is zero, so both lanes
 * always add: lane 0 the even digits, lane 1 the odd ones. A table holds P, 3P, .. 15P times 16^j.
 *
 * `spacing` is how many digits share a table, with four doublings of the whole sum from one to the next: 1 for keys with
 * few public signals (41 KB a signal, no doubling), 32 for long ones (1.3 KB).
 *
 * Addition is Jacobian plus affine and has exceptions; then Z is 0 at the end, and whoever asked computes the sum another
 * way. Within one point no exception is possible but between the lanes' last two; between several points it would take
 * their discrete logarithms.
 */
import { R } from '../../../common/core.ts';
import { POINT_SCRATCH_PACKS } from '../../kernels/core.ts';
import type { G1Point } from '../../reference/core.ts';
import type { LaneMemory } from './lane-memory.ts';

const DIGIT_BITS = 4;
const DIGITS = 64;
/** 1, 3, .. 15. */
const ODD_MULTIPLES = 8;
/** Up to this many bases have a table for every digit. */
const NARROW_BASES_MAX = 64;
const WIDE_SPACING = 32;

export const spacingFor = (bases: number): number => (bases <= NARROW_BASES_MAX ? 1 : WIDE_SPACING);

export const JACOBIAN_PACKS = 3;
/** A list of references, an affine point, the lanes exchanged, the functions' own; and the scalar. */
export const SUM_WORK_PACKS = 1 + 2 + JACOBIAN_PACKS + 6 + 1;
/** Batched additions at once, when tables are made. */
const BATCH = 1024;

export interface FixedBases {
  readonly count: number;
  readonly spacing: number;
  readonly at: number;
}

const POINT_CELLS = 2;
const tablesOf = (spacing: number): number => DIGITS / spacing;

/** What is kept, for so many points. */
export function fixedBasesBytes(memory: LaneMemory, count: number): number {
  return count * tablesOf(spacingFor(count)) * ODD_MULTIPLES * POINT_CELLS * memory.cellBytes;
}

/** What making the tables needs behind them. */
export function fixedBasesWorkBytes(memory: LaneMemory, count: number): number {
  const twice = fixedBasesBytes(memory, count) / ODD_MULTIPLES;
  const powers = (count + 1) * POINT_CELLS * memory.cellBytes;
  return twice + powers + 8 * BATCH + (POINT_SCRATCH_PACKS + BATCH + 4) * memory.packBytes;
}

/** Makes the tables at `at`. `work`: `fixedBasesWorkBytes`. */
export function writeFixedBases(
  memory: LaneMemory,
  points: readonly NonNullable<G1Point>[],
  at: number,
  work: number,
): FixedBases {
  const { exports: k, cellBytes } = memory;
  const bytes = POINT_CELLS * cellBytes;
  const spacing = spacingFor(points.length);
  const tables = tablesOf(spacing);
  const row = points.length * tables;
  const room = memory.room(work);
  const [twice, powers] = [room.bytes(row * bytes), room.bytes((points.length + 1) * bytes)];
  const [targets, operands, scratch] = [room.bytes(4 * BATCH), room.bytes(4 * BATCH), room.packs(2)];
  const additions = room.end;

  /** Refers to `count` points from `first` on, in batches of an even number. */
  const inBatches = (count: number, first: number, second: number, act: (n: number) => number): void => {
    for (let done = 0; done < count; done += BATCH) {
      const n = Math.min(BATCH, count - done);
      for (let i = 0; i < n; i++) {
        memory.setUint32(targets + 4 * i, (first + (done + i) * bytes) / 16);
        memory.setUint32(operands + 4 * i, (second + (done + i) * bytes) / 16);
      }
      if (act(n) !== 0) throw new RangeError('writeFixedBases: a point is not of order r');
    }
  };
  const double = (n: number): number => k.g1_double(targets, n, additions);

  // One point more where their number is odd: lanes come in pairs.
  const padded = points.length + (points.length % 2);
  for (let i = 0; i < padded; i++)
    putPoint(memory, powers + i * bytes, points[i] ?? (points[0] as Finite), scratch, targets);
  for (let j = 0; j < tables; j++) {
    for (let i = 0; i < points.length; i++) memory.copyBytes(at + (i * tables + j) * bytes, powers + i * bytes, bytes);
    if (j === tables - 1) break;
    for (let bit = 0; bit < DIGIT_BITS * spacing; bit++) inBatches(padded, powers, powers, double);
  }
  memory.copyBytes(twice, at, row * bytes);
  inBatches(row, twice, twice, double);
  for (let m = 1; m < ODD_MULTIPLES; m++) {
    const now = at + m * row * bytes;
    memory.copyBytes(now, now - row * bytes, row * bytes);
    inBatches(row, now, twice, (n) => k.g1_accumulate(targets, operands, n, additions));
  }
  return { count: points.length, spacing, at };
}

type Finite = NonNullable<G1Point>;

/** As two cells. `scratch`: 2 packs; `list`: two references. */
function putPoint(memory: LaneMemory, at: number, { x, y }: Finite, scratch: number, list: number): void {
  memory.setUint32(list, at / 16);
  memory.setUint32(list + 4, at / 16);
  memory.putFq(scratch, x);
  memory.exports.fq_scatter(list, 0, scratch);
  memory.putFq(scratch, y);
  memory.exports.fq_scatter(list, memory.cellBytes, scratch);
}

/**
 * sum to `t`, the sum of scalars_i times base_(from + i), as a Jacobian point that is the same in both lanes.
 * Scalars are in [0, r). False: all of them are zero, and nothing was written. Z is 0 after an exception, see above.
 * `work`: SUM_WORK_PACKS.
 */
export function sumOfFixedBases(
  memory: LaneMemory,
  bases: FixedBases,
  from: number,
  scalars: readonly bigint[],
  t: number,
  work: number,
): boolean {
  const { exports: k, packBytes } = memory;
  const room = memory.room(work);
  const [list, q, swapped, own] = [room.packs(1), room.packs(2), room.packs(JACOBIAN_PACKS), room.packs(6)];
  const digits = room.packs(1);
  const tables = tablesOf(bases.spacing);
  const bytes = POINT_CELLS * memory.cellBytes;
  const recoded = scalars.flatMap((s, i) =>
    s === 0n ? [] : [{ base: from + i, digits: oddDigits(memory, digits, s) }],
  );
  if (recoded.length === 0) return false;

  const reference = (base: number, j: number, digit: number): number => {
    const multiple = (Math.abs(digit) - 1) / 2;
    const at = bases.at + ((multiple * bases.count + base) * tables + j) * bytes;
    return (at / 16 + (digit < 0 ? 0x8000_0000 : 0)) >>> 0;
  };
  let started = false;
  for (let round = bases.spacing - 1; round >= 0; round--) {
    if (started) for (let bit = 0; bit < DIGIT_BITS; bit++) k.j1_double(t, own);
    for (const { base, digits: d } of recoded) {
      for (let j = 0; j < tables; j += 2) {
        memory.setUint32(list, reference(base, j, d[j * bases.spacing + round] as number));
        memory.setUint32(list + 4, reference(base, j + 1, d[(j + 1) * bases.spacing + round] as number));
        const into = started ? q : t;
        k.fq_gather(into, list, 0);
        k.fq_gather_signed(into + packBytes, list, memory.cellBytes);
        if (started) {
          k.j1_add_affine(t, q, own);
        } else {
          memory.copy(t + 2 * packBytes, memory.one, 1);
          started = true;
        }
      }
    }
  }
  for (let i = 0; i < JACOBIAN_PACKS; i++) k.j1_swap(swapped + i * packBytes, t + i * packBytes);
  k.j1_add(t, swapped, own);
  return true;
}

/** 64 odd digits of 0 < s < r, or of s + r, which is the same scalar. `words`: 32 bytes. */
function oddDigits(memory: LaneMemory, words: number, s: bigint): Int8Array {
  memory.putWords(words, s % 2n === 0n ? s + R : s);
  const digits = new Int8Array(DIGITS);
  for (let j = 0; j < DIGITS - 1; j++) {
    const bits = memory.getUint16(words + (j >> 1)) >> (4 * (j % 2));
    digits[j] = ((bits & 31) | 1) - 16;
  }
  digits[DIGITS - 1] = (memory.getUint16(words + 30) >> 12) | 1;
  return digits;
}
