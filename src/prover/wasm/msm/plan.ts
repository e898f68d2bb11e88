/**
 * How a sum is cut into digits, and what memory that takes.
 *
 * A table keeps, of each point, `stored` multiples: 2^(spacingBits j) P. A sum takes the bits between two of them in
 * one digit or in several (`passes`); the digits of one pass share one set of buckets, whatever their place, and passes
 * are put together by doublings. So one pass over a table of narrow spacing is the fixed-base method (Brickell, Gordon,
 * McCurley, Wilson 1992, with buckets as in Yao 1976), 255 bits of spacing are Pippenger's for points of any kind, and
 * between the two lies what a memory budget allows. A table also serves sums of few terms well: two passes of narrow
 * digits, with so few buckets that they cost nothing.
 */
import type { Kernels } from '../../kernels/index.ts';
import { align, GROUPS, type GroupName, pointBytes } from './groups.ts';
import { RECODED_WORDS, SCALAR_BITS } from './recode.ts';
import { BATCH, kernelWorkBytes, slotBatchBytes } from './slot-batch.ts';

export interface TableShape {
  readonly group: GroupName;
  readonly spacingBits: number;
  readonly stored: number;
}

/** A shape, and into how many digits sums cut the spacing. */
export interface SumShape extends TableShape {
  readonly passes: number;
}

/** Below that, signed digits do not reach r/2. */
const WIDTH_MIN = 3;
/** 2^15 buckets are 2.6 MB in G1: beyond, they miss the caches more than they save. */
const WIDTH_MAX = 16;
/** Doubling the sum of what is above, once for each bit, shares its inversion with nothing: as dear as so many. */
const SINGLE_DOUBLING_COST = 30;
/** Additions to buckets that wait in a batch of their own for another one to the same bucket. */
export const QUEUE_MAX = 4096;

/** The widths of a block's digits, from its lowest bit. */
export function digitWidths({ spacingBits, passes }: SumShape): number[] {
  return Array.from(
    { length: passes },
    (_, pass) => Math.floor(((pass + 1) * spacingBits) / passes) - Math.floor((pass * spacingBits) / passes),
  );
}

/** Digits are -2^(width - 1) to 2^(width - 1) - 1; bucket 0 stays empty. */
export const bucketsOf = (width: number): number => 2 ** (width - 1);

/** Additions that a sum over so many points with scalars of full size takes. */
export function additionsOf(shape: SumShape, points: number): number {
  const doublings = shape.passes > 1 ? shape.spacingBits : Math.ceil(shape.spacingBits);
  return digitWidths(shape).reduce(
    (sum, width) => sum + points * shape.stored + 2 * bucketsOf(width),
    doublings * SINGLE_DOUBLING_COST,
  );
}

const bytesPerPoint = (kernels: Kernels, shape: TableShape): number =>
  shape.stored * pointBytes(GROUPS[shape.group], kernels.cellBytes) + 4;

/** Cells, then for each entry the index of its scalar. */
export function tableBytes(kernels: Kernels, shape: TableShape, points: number): number {
  return align(points * bytesPerPoint(kernels, shape));
}

/** The cheapest number of digits for sums of about so many points over a given table. */
export function planSum(table: TableShape, points: number): SumShape {
  let best: SumShape | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let passes = Math.ceil(table.spacingBits / WIDTH_MAX); passes * WIDTH_MIN <= table.spacingBits; passes++) {
    const shape = { ...table, passes };
    const cost = additionsOf(shape, points);
    if (cost < least) [best, least] = [shape, cost];
  }
  if (best === undefined) throw new RangeError(`no digits for a spacing of ${table.spacingBits} bits`);
  return best;
}

/**
 * The cheapest table of at most `budgetBytes` for sums of `points` finite points: all those that share their buckets,
 * in whatever number of tables. One stored multiple is the least there is, even where it exceeds the budget: then sums
 * are Pippenger's, with doublings between passes and no more memory than the points themselves.
 */
export function planTable(kernels: Kernels, group: GroupName, points: number, budgetBytes: number): SumShape {
  let best: SumShape | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let spacingBits = WIDTH_MIN; spacingBits <= SCALAR_BITS; spacingBits++) {
    const stored = Math.ceil(SCALAR_BITS / spacingBits);
    const table = { group, spacingBits, stored };
    if (stored > 1 && tableBytes(kernels, table, points) > budgetBytes) continue;
    const shape = planSum(table, points);
    const cost = additionsOf(shape, points);
    if (cost < least) [best, least] = [shape, cost];
  }
  return best as SumShape;
}

/** Slots: the result in place of bucket 0, buckets, one for the widest digit, and sums of waiting pairs. */
export const slotsOf = (shape: SumShape): { readonly buckets: number; readonly total: number } => {
  const buckets = bucketsOf(Math.max(...digitWidths(shape)));
  return { buckets, total: 2 + buckets + QUEUE_MAX / 2 };
};

/** The work area of sums over at most so many points. */
export function sumWorkBytes(kernels: Kernels, shape: SumShape, points: number): number {
  const { buckets, total } = slotsOf(shape);
  return (
    align(points * RECODED_WORDS * 4) +
    2 * align(4 * QUEUE_MAX) +
    align(4 * (buckets + 1)) +
    slotBatchBytes(kernels, GROUPS[shape.group], total)
  );
}

/** The work area in which a slice of a table is built. */
export function buildWorkBytes(kernels: Kernels, group: GroupName): number {
  const { fileBytes } = GROUPS[group];
  return align(BATCH * fileBytes) + 2 * align(4 * (BATCH + 4)) + kernelWorkBytes(kernels, GROUPS[group]) + 4096;
}
