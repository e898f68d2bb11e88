/** The leaves of `bench tree`: the smaller tree's are the first of the larger one's. Both are full. */
import { readInteger, SCALAR_BYTES, viewOf } from '../../../src/prover/formats/index.ts';
import { scalarBytes } from '../scalars.ts';

export const DEPTHS = { ours: 18, baseline: 11 } as const;
export const LEAVES = { ours: 2 ** DEPTHS.ours, baseline: 2 ** DEPTHS.baseline } as const;

export function leavesOf(side: 'ours' | 'baseline'): bigint[] {
  const view = viewOf(scalarBytes('tree', LEAVES[side]));
  return Array.from({ length: LEAVES[side] }, (_, i) => readInteger(view, i * SCALAR_BYTES));
}
