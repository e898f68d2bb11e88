import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Q, R } from '../../src/common/index.ts';
import { KERNEL_MODULES } from '../../src/prover/kernels/index.ts';
import { G1, type G1Point } from '../../src/prover/reference/index.ts';
import { multiplyPoint, multiplyPointBytes } from '../../src/prover/wasm/index.ts';
import { KERNEL_NAMES, TestMemory, testKernels } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const GENERATOR: G1Point = { x: 1n, y: 2n };
const random = new SeededRandom(97);
const EDGES = [0n, 1n, 2n, 3n, 15n, 16n, 17n, 31n, 32n, (R - 1n) / 2n, (R + 1n) / 2n, R - 16n, R - 2n, R - 1n];
const SCALARS = [...EDGES, ...Array.from({ length: 20 }, () => random.bigintBelow(R))];

for (const name of KERNEL_NAMES.filter((module) => KERNEL_MODULES[module].lanes === 2)) {
  describe(`a scalar times a point, ${name}`, () => {
    it("is the reference's, at the edges and between them", async () => {
      const kernels = await testKernels(name, 1 << 17);
      const at = new TestMemory(kernels).take(multiplyPointBytes(kernels));
      const points = [GENERATOR, { x: 1n, y: Q - 2n }, G1.multiply(GENERATOR, random.bigintBelow(R))];
      for (const point of points) {
        for (const scalar of SCALARS) {
          assert.deepEqual(multiplyPoint(kernels, point, scalar, at), G1.multiply(point, scalar), `${scalar}`);
        }
      }
      assert.equal(multiplyPoint(kernels, null, 5n, at), null);
    });
  });
}
