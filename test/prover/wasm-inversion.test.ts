import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Q } from '../../src/common/index.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import { RESERVED_BYTES } from '../../src/prover/kernels/index.ts';
import { Fq } from '../../src/prover/reference/index.ts';
import { KERNEL_NAMES, testKernels } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const EDGES = [
  1n,
  2n,
  3n,
  Q - 1n,
  Q - 2n,
  (Q - 1n) / 2n,
  (Q + 1n) / 2n,
  ...[1, 29, 30, 31, 60, 62, 64, 128, 240, 253].flatMap((bit) => [(1n << BigInt(bit)) - 1n, 1n << BigInt(bit)]),
];
const AT = RESERVED_BYTES;

for (const name of KERNEL_NAMES) {
  describe(`inversion by divsteps, ${name}`, () => {
    let kernels: Kernels;
    let view: DataView;
    before(async () => {
      kernels = await testKernels(name, 1 << 20);
      view = new DataView(kernels.memory.buffer);
    });
    const put = (at: number, x: bigint): void => {
      for (let w = 0; w < 4; w++) view.setBigUint64(at + 8 * w, BigInt.asUintN(64, x >> BigInt(64 * w)), true);
    };
    const take = (at: number): bigint =>
      [3, 2, 1, 0].reduce((x, w) => (x << 64n) | view.getBigUint64(at + 8 * w, true), 0n);

    it('gives an inverse below 2 p of every value but zero', () => {
      const random = new SeededRandom(30);
      for (const x of [...EDGES, ...Array.from({ length: 1000 }, () => 1n + random.bigintBelow(Q - 1n))]) {
        put(AT, x);
        assert.equal(kernels.exports.fq_invert_words(AT), 0);
        const inverse = take(AT);
        assert.ok(inverse < 2n * Q);
        assert.equal(inverse % Q, Fq.inverse(x), `of ${x}`);
      }
    });

    it('tells of zero, and leaves it', () => {
      put(AT, 0n);
      assert.equal(kernels.exports.fq_invert_words(AT), 1);
      assert.equal(take(AT), 0n);
    });

    it('inverts every lane at once, unless one is zero', () => {
      const { exports, lanes } = kernels;
      const [words, x, z, work] = [AT, AT + 4096, AT + 8192, AT + 12_288];
      const inverses = (values: readonly bigint[]): bigint[] | undefined => {
        values.forEach((value, lane) => {
          put(words + 32 * lane, value);
        });
        exports.fq_read(x, words, 32, kernels.element('fq_plain'));
        if (exports.fq_inverse_all(z, x, work) !== 0) return undefined;
        exports.fq_write(words, 32, z);
        return values.map((_, lane) => take(words + 32 * lane));
      };
      for (let i = 0; i + lanes <= EDGES.length; i++) {
        const values = EDGES.slice(i, i + lanes);
        assert.deepEqual(inverses(values), values.map(Fq.inverse));
        assert.equal(inverses(values.map((value, lane) => (lane === i % lanes ? 0n : value))), undefined);
      }
    });
  });
}
