/** Sums of scalars times points, over tables of a key's points or over points of any kind. See ../README.md. */
export { BucketSum, type SumTerm } from './bucket-sum.ts';
export { GROUPS, type Group, type GroupName, type PlainPoint } from './groups.ts';
export {
  additionsOf,
  buildWorkBytes,
  planSum,
  planTable,
  type SumShape,
  sumWorkBytes,
  type TableShape,
  tableBytes,
} from './plan.ts';
export { buildTableSlice, finitePoints, type PointTable, placeTable } from './table.ts';
