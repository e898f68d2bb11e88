import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import {
  BucketSum,
  type GroupName,
  type PlainPoint,
  planSum,
  planTable,
  type SumShape,
  sumWorkBytes,
} from '../../src/prover/wasm/index.ts';
import { KERNEL_NAMES, testKernels } from '../support/kernels.ts';
import { Bump, expectedSum, plainSum, tableOf, writeScalars } from '../support/msm.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const AMPLE = 1e9;
const MEMORY_BYTES = 64 << 20;

/** One table, and a sum over all of it for each list of scalars. */
function sumsOf(
  kernels: Kernels,
  shape: SumShape,
  logarithms: readonly number[],
  lists: readonly (readonly bigint[])[],
): (PlainPoint | null)[] {
  const bump = new Bump();
  const table = tableOf(kernels, bump, shape, logarithms);
  const { points } = table;
  const scalarsAt = bump.take(32 * logarithms.length);
  const sum = new BucketSum(kernels, shape, points, bump.take(sumWorkBytes(kernels, shape, points)));
  return lists.map((scalars) => {
    writeScalars(kernels, scalarsAt, scalars);
    sum.clear();
    sum.add([{ table, scalarsAt, from: 0, to: points }]);
    return sum.total();
  });
}

const shapesFor = (kernels: Kernels, group: GroupName, points: number): SumShape[] => [
  planTable(kernels, group, points, AMPLE),
  planTable(kernels, group, points, 5 * points * (group === 'g1' ? 80 : 160)),
  planTable(kernels, group, points, 1),
];

const some = new SeededRandom(71);
const randomScalars = (n: number): bigint[] => Array.from({ length: n }, () => some.bigintBelow(R));
const smallLogarithms = (n: number): number[] => Array.from({ length: n }, () => 1 + some.below(400));

for (const name of KERNEL_NAMES) {
  describe(`sums of products, ${name}`, () => {
    let kernels: Kernels;
    before(async () => {
      kernels = await testKernels(name, MEMORY_BYTES);
    });

    for (const group of ['g1', 'g2'] as const) {
      it(`are those of the definition in ${group}, for few points`, () => {
        for (const logarithms of [[], [0], [5], [1, -1], [3, 3], [7, 0, -9]]) {
          const lists = [
            [some.bigintBelow(R), some.bigintBelow(R), some.bigintBelow(R)],
            [1n, 1n, 1n],
            [R - 1n, R - 1n, 1n],
            [2n, R - 2n, (R - 1n) / 2n],
            [(R + 1n) / 2n, 1n << 253n, (1n << 253n) - 1n],
          ].map((list) => list.slice(0, logarithms.length));
          const expected = lists.map((list) => plainSum(group, logarithms, list));
          for (const shape of shapesFor(kernels, group, 40).slice(0, name === 'fma2-locals' ? 3 : 1)) {
            assert.deepEqual(sumsOf(kernels, shape, logarithms, lists), expected, JSON.stringify(shape));
          }
        }
      });

      // Where batches fill and queues overflow is the same in all modules: one of them takes enough points for it.
      const n = name === 'fma2-locals' && group === 'g1' ? 1000 : 120;
      const scalarsOf: readonly (readonly [string, (i: number) => bigint])[] = [
        ['random', () => some.bigintBelow(R)],
        ['equal', () => R / 3n],
        ['bits', () => BigInt(some.below(2))],
        ['ones and minus ones', (i) => (i % 2 === 0 ? 1n : R - 1n)],
        ['few again and again', (i) => [R / 7n, R - 5n, 3n][i % 3] as bigint],
        ['the same in pairs', (i) => R / BigInt(2 + (i >> 1))],
        ['zero', () => 0n],
      ];
      const pointsOf: readonly (readonly [string, (i: number) => number])[] = [
        ['points of every kind', () => some.below(401) - 200],
        ['infinities among points', (i) => (i % 3 === 1 ? 0 : 1 + some.below(400))],
        ['one point', () => 11],
        ['opposite points', (i) => (i % 2 === 0 ? 1 : -1) * (1 + (i >> 1))],
      ];
      for (const [what, point] of pointsOf) {
        it(`are right in ${group} over ${what}`, () => {
          const logarithms = Array.from({ length: n }, (_, i) => point(i));
          for (const shape of shapesFor(kernels, group, n)) {
            const lists = scalarsOf.map(([, scalar]) => logarithms.map((_, i) => scalar(i)));
            const sums = sumsOf(kernels, shape, logarithms, lists);
            scalarsOf.forEach(([kind], i) => {
              const expected = expectedSum(group, logarithms, lists[i] as bigint[]);
              assert.deepEqual(sums[i], expected, `${kind}, ${JSON.stringify(shape)}`);
            });
          }
        });
      }
    }
  });
}

describe('a sum', () => {
  let kernels: Kernels;
  before(async () => {
    kernels = await testKernels('fma2-locals', MEMORY_BYTES);
  });

  it('goes over several tables of one shape with one set of buckets', () => {
    const lists = [smallLogarithms(200), smallLogarithms(70), smallLogarithms(1)];
    const shape = planTable(kernels, 'g1', 271, AMPLE);
    const bump = new Bump();
    const scalars = lists.map((list) => randomScalars(list.length));
    const terms = lists.map((list, i) => {
      const scalarsAt = bump.take(32 * list.length);
      writeScalars(kernels, scalarsAt, scalars[i] as bigint[]);
      return { table: tableOf(kernels, bump, shape, list), scalarsAt, from: 0, to: list.length };
    });
    const sum = new BucketSum(kernels, shape, 271, bump.take(sumWorkBytes(kernels, shape, 271)));
    for (let again = 0; again < 2; again++) {
      sum.clear();
      sum.add(terms);
      assert.deepEqual(sum.total(), expectedSum('g1', lists.flat(), scalars.flat()));
    }
    sum.add(terms);
    assert.deepEqual(
      sum.total(),
      expectedSum('g1', [...lists.flat(), ...lists.flat()], [...scalars.flat(), ...scalars.flat()]),
      'a second sum joins the first',
    );
  });

  it('is the sum of its slices, over a table that was built in slices', () => {
    for (const group of ['g1', 'g2'] as const) {
      const logarithms = Array.from({ length: 99 }, (_, i) => (i % 10 === 0 ? 0 : i));
      const scalars = randomScalars(99);
      const shape = planTable(kernels, group, 89, AMPLE);
      const bump = new Bump();
      const table = tableOf(kernels, bump, shape, logarithms, 3);
      const scalarsAt = bump.take(32 * 99);
      writeScalars(kernels, scalarsAt, scalars);
      const sum = new BucketSum(kernels, shape, 60, bump.take(sumWorkBytes(kernels, shape, 60)));
      sum.add([{ table, scalarsAt, from: 0, to: 31 }]);
      sum.add([{ table, scalarsAt, from: 31, to: 31 }]);
      sum.add([{ table, scalarsAt, from: 31, to: table.points }]);
      assert.deepEqual(sum.total(), expectedSum(group, logarithms, scalars));
    }
  });

  it('of few terms takes several narrow digits from the same table', () => {
    const logarithms = smallLogarithms(500);
    const scalars = logarithms.map((_, i) => (i % 50 === 0 ? some.bigintBelow(R) : 0n));
    const wide = planTable(kernels, 'g1', 20_000, AMPLE);
    const narrow = planSum(wide, 10);
    assert.ok(narrow.passes > wide.passes);
    assert.deepEqual(sumsOf(kernels, narrow, logarithms, [scalars]), [expectedSum('g1', logarithms, scalars)]);
  });

  it('refuses a table of another shape, and more points than it has room for', () => {
    const shape = planTable(kernels, 'g1', 10, AMPLE);
    const bump = new Bump();
    const table = tableOf(kernels, bump, shape, smallLogarithms(10));
    const scalarsAt = bump.take(320);
    const sum = new BucketSum(kernels, shape, 5, bump.take(sumWorkBytes(kernels, shape, 5)));
    assert.throws(() => sum.add([{ table, scalarsAt, from: 0, to: 6 }]), RangeError);
    assert.throws(() => sum.add([{ table, scalarsAt, from: 6, to: 11 }]), RangeError);
    assert.throws(() => sum.add([{ table: { ...table, stored: 1 }, scalarsAt, from: 0, to: 1 }]), RangeError);
  });

  it('does not cost much more where digits are skewed or points are equal', () => {
    const shape = planTable(kernels, 'g1', 1000, AMPLE);
    const additions = (logarithms: readonly number[], scalars: readonly bigint[]): number => {
      const bump = new Bump();
      const table = tableOf(kernels, bump, shape, logarithms);
      const scalarsAt = bump.take(32 * 1000);
      writeScalars(kernels, scalarsAt, scalars);
      const sum = new BucketSum(kernels, shape, 1000, bump.take(sumWorkBytes(kernels, shape, 1000)));
      sum.add([{ table, scalarsAt, from: 0, to: 1000 }]);
      return sum.additions;
    };
    const usual = additions(smallLogarithms(1000), randomScalars(1000));
    const equal = additions(smallLogarithms(1000), Array(1000).fill(R / 3n));
    assert.ok(equal < 1.2 * usual, `${equal} additions where ${usual} are usual`);
  });
});
