import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { poseidon2 } from '../../src/prover/index.ts';
import { loadKernelModule } from '../../src/prover/kernels/index.ts';
import { LaneHasher } from '../../src/prover/wasm/index.ts';
import { KERNEL_NAMES } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const PAIRS = 100_000;

describe('hashing side by side, at length', () => {
  it(`is Poseidon(2) of circomlibjs on ${PAIRS} random pairs, in every module`, async () => {
    const oracle = await poseidon2();
    const random = new SeededRandom(11);
    const nodes = Array.from({ length: 2 * PAIRS }, () => random.bigintBelow(R));
    const expected = Array.from({ length: PAIRS }, (_, i) =>
      oracle(nodes[2 * i] as bigint, nodes[2 * i + 1] as bigint),
    );
    for (const name of KERNEL_NAMES) {
      const hasher = await LaneHasher.create(await loadKernelModule(name));
      const hashes = hasher.hashPairs(nodes);
      const wrong = hashes.findIndex((hash, i) => hash !== expected[i]);
      assert.equal(wrong, -1, `${name}, pair ${wrong}`);
    }
  });
});
