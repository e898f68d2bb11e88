/** Our side of `bench msm`: a sum over tables of the bases, made before, on one thread. */

import {
  BucketSum,
  buildTableSlice,
  buildWorkBytes,
  finitePoints,
  type PlainPoint,
  placeTable,
  planTable,
  sumWorkBytes,
  tableBytes,
} from '../../../src/prover/wasm/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { openKernels } from '../kernels.ts';
import { pointText, readInstance } from './instance.ts';

/** As much as a prover gives to one circuit. */
const TABLE_BYTES_MAX = 1024 * 1024 * 1024;

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  const { group, bases, scalars } = await readInstance(order);
  const { name, tier, kernels, take } = await openKernels();
  const groupName = group === 'G1' ? 'g1' : 'g2';
  const finite = finitePoints(groupName, bases);
  const shape = planTable(kernels, groupName, finite.length, TABLE_BYTES_MAX);
  const at = take(tableBytes(kernels, shape, finite.length));
  const workAt = take(buildWorkBytes(kernels, groupName));
  const scalarsAt = take(scalars.length);
  const sumAt = take(sumWorkBytes(kernels, shape, finite.length));
  const table = placeTable(kernels, shape, finite, at);
  buildTableSlice(kernels, table, bases, 0, finite.length, workAt);
  new Uint8Array(kernels.memory.buffer).set(scalars, scalarsAt);
  const sum = new BucketSum(kernels, shape, finite.length, sumAt);
  let total: PlainPoint | null = null;
  return {
    name,
    tier,
    run: async (_, operations) => {
      for (let i = 0; i < operations; i++) {
        sum.clear();
        sum.add([{ table, scalarsAt, from: 0, to: finite.length }]);
        total = sum.total();
      }
      return undefined;
    },
    result: async () => pointText(total === null ? [] : [...total.x, ...total.y]),
    close: async () => {},
  };
}
