/** What a set-up computes on the kernels: a key's scalars, and the generators' multiples by them. */
export {
  buildFixedBase,
  type FixedBaseShape,
  type FixedBaseTable,
  fixedBaseBytes,
  multiplyFixedBase,
  multiplyWorkBytes,
  planFixedBase,
  SLICE_PRODUCTS_MAX,
} from './fixed-base.ts';
export {
  computeKeyScalars,
  type KeyCircuit,
  type KeyCounts,
  type KeyScalars,
  keyCounts,
  TRAPDOOR_FIELDS,
} from './key-scalars.ts';
export { hasTwoPowerOrder, ORDER_WORK_PACKS } from './two-power-order.ts';
