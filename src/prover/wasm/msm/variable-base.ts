/**
 * Pippenger's method for points that have no table: keys too large for one. Points come as a zkey's section and are
 * made a table of one multiple each, a chunk at a time, so that memory stays what was planned however many they are.
 */
import type { Kernels } from '../../kernels/index.ts';
import { BucketSum } from './bucket-sum.ts';
import { align, GROUPS, type GroupName, type PlainPoint } from './groups.ts';
import { buildWorkBytes, planVariableBase, type SumShape, sumWorkBytes, tableBytes } from './plan.ts';
import { buildTableSlice, finitePoints, placeTable } from './table.ts';

/** Memory for chunks of so many points, and for their sums. */
export function variableBaseBytes(kernels: Kernels, group: GroupName, chunkPoints: number): number {
  const shape = planVariableBase(group, chunkPoints);
  return (
    align(tableBytes(kernels, shape, chunkPoints)) +
    align(buildWorkBytes(kernels, group)) +
    sumWorkBytes(kernels, shape, chunkPoints)
  );
}

export class VariableBaseSum {
  readonly #kernels: Kernels;
  readonly #shape: SumShape;
  readonly #chunkPoints: number;
  readonly #tableAt: number;
  readonly #buildAt: number;
  readonly #sum: BucketSum;

  /** `at`: `variableBaseBytes` of memory, a multiple of 16. */
  constructor(kernels: Kernels, group: GroupName, chunkPoints: number, at: number) {
    this.#kernels = kernels;
    this.#shape = planVariableBase(group, chunkPoints);
    this.#chunkPoints = chunkPoints;
    this.#tableAt = at;
    this.#buildAt = at + align(tableBytes(kernels, this.#shape, chunkPoints));
    this.#sum = new BucketSum(kernels, this.#shape, chunkPoints, this.#buildAt + align(buildWorkBytes(kernels, group)));
  }

  clear(): void {
    this.#sum.clear();
  }

  /** The total gains the products of the section's points `from` to `to` - 1; scalar i is at scalarsAt + 32 i. */
  add(section: Uint8Array, scalarsAt: number, from: number, to: number): void {
    const { fileBytes } = GROUPS[this.#shape.group];
    if (from < 0 || to * fileBytes > section.length) throw new RangeError(`the section has no points ${from} to ${to}`);
    for (let first = from; first < to; first += this.#chunkPoints) {
      const chunk = section.subarray(first * fileBytes, Math.min(first + this.#chunkPoints, to) * fileBytes);
      const indices = finitePoints(this.#shape.group, chunk);
      const table = placeTable(this.#kernels, this.#shape, indices, this.#tableAt);
      buildTableSlice(this.#kernels, table, chunk, 0, table.points, this.#buildAt);
      this.#sum.add([{ table, scalarsAt: scalarsAt + 32 * first, from: 0, to: table.points }]);
    }
  }

  /** The total; null is infinity. */
  total(): PlainPoint | null {
    return this.#sum.total();
  }

  writeTotal(target: number): boolean {
    return this.#sum.writeTotal(target);
  }
}
