/** BN254's two groups as the kernels see them: sizes of points in files and in memory, and the functions on batches. */
import type { KernelExports, Kernels } from '../../kernels/index.ts';

export type GroupName = 'g1' | 'g2';

export interface Group {
  readonly name: GroupName;
  /** Prime-field elements in a coordinate. */
  readonly parts: 1 | 2;
  /** A point in a zkey: x then y in snarkjs's Montgomery form; all zeros is infinity. */
  readonly fileBytes: number;
}

export const GROUPS: Readonly<Record<GroupName, Group>> = {
  g1: { name: 'g1', parts: 1, fileBytes: 64 },
  g2: { name: 'g2', parts: 2, fileBytes: 128 },
};

/** A point in memory: x then y as cells. */
export const pointBytes = (group: Group, cellBytes: number): number => 2 * group.parts * cellBytes;

/** Canonical coordinates, each as its one or two parts: what a sum answers. */
export interface PlainPoint {
  readonly x: readonly bigint[];
  readonly y: readonly bigint[];
}

export interface BatchFunctions {
  readonly accumulate: KernelExports['g1_accumulate'];
  readonly double: KernelExports['g1_double'];
  readonly copy: KernelExports['g1_copy'];
}

export function batchFunctions({ exports }: Kernels, group: Group): BatchFunctions {
  return group.name === 'g1'
    ? { accumulate: exports.g1_accumulate, double: exports.g1_double, copy: exports.g1_copy }
    : { accumulate: exports.g2_accumulate, double: exports.g2_double, copy: exports.g2_copy };
}

/** An address as the kernels' lists hold it. */
export const referenceTo = (address: number): number => address >>> 4;
/** Operands with this bit are subtracted. */
export const NEGATIVE = 0x8000_0000;

export const align = (bytes: number, to = 64): number => Math.ceil(bytes / to) * to;
