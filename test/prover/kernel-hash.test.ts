import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { poseidon2 } from '../../src/prover/index.ts';
import { createKernelMemory, instantiateKernels, loadKernelModule } from '../../src/prover/kernels/index.ts';
import { poseidon2Reference } from '../../src/prover/reference/index.ts';
import { createLaneHash, LaneHasher } from '../../src/prover/wasm/index.ts';
import { KERNEL_NAMES } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const EDGES = [0n, 1n, 2n, R - 1n, R - 2n, (R - 1n) / 2n, 1n << 253n, (1n << 51n) - 1n, (1n << 50n) + 1n];

const hashers = (): Promise<readonly (readonly [name: string, LaneHasher])[]> =>
  Promise.all(KERNEL_NAMES.map(async (name) => [name, await LaneHasher.create(await loadKernelModule(name))] as const));

const words = (values: readonly bigint[]): Uint8Array =>
  new Uint8Array(
    BigUint64Array.from(values.flatMap((value) => [0n, 1n, 2n, 3n].map((i) => BigInt.asUintN(64, value >> (64n * i)))))
      .buffer,
  );

describe('hashing side by side', () => {
  it('is Poseidon(2) of circomlibjs on every pair of edges and on random values, in every module', async () => {
    const oracle = await poseidon2();
    const random = new SeededRandom(3);
    const nodes = EDGES.flatMap((left) => EDGES.flatMap((right) => [left, right]));
    for (let i = 0; i < 1000; i++) nodes.push(random.bigintBelow(R));
    const expected = Array.from({ length: nodes.length / 2 }, (_, i) =>
      oracle(nodes[2 * i] as bigint, nodes[2 * i + 1] as bigint),
    );
    for (const [name, hasher] of await hashers()) assert.deepEqual(hasher.hashPairs(nodes), expected, name);
  });

  it('leaves no trace of one slice, pack or call in another, whatever the number of pairs', async () => {
    const expected = Array.from({ length: 300 }, (_, i) => poseidon2Reference(BigInt(2 * i), BigInt(2 * i + 1)));
    for (const [name, hasher] of await hashers()) {
      for (const count of [1, 2, 3, 5, 255, 256, 257, 300]) {
        const nodes = Array.from({ length: 2 * count }, (_, i) => BigInt(i));
        assert.deepEqual(hasher.hashPairs(nodes), expected.slice(0, count), `${name}, ${count}`);
        const target = new Uint8Array(32 * count + 8).fill(0xa5);
        hasher.hashWords(target.subarray(0, 32 * count), words(nodes));
        assert.deepEqual(target.subarray(0, 32 * count), words(expected.slice(0, count)), `${name}, ${count}`);
        assert.deepEqual([...target.subarray(32 * count)], new Array(8).fill(0xa5));
      }
    }
  });

  it('refuses half a pair', async () => {
    const hasher = await LaneHasher.create(await loadKernelModule('int2-memory'));
    assert.throws(() => hasher.hashPairs([1n, 2n, 3n]));
    assert.throws(() => hasher.hashWords(new Uint8Array(32), new Uint8Array(32)));
  });

  it('is not to be had from kernels that hash wrong in any lane', async () => {
    for (const name of KERNEL_NAMES) {
      const kernels = await instantiateKernels(await loadKernelModule(name), createKernelMemory(4));
      for (let lane = 0; lane < kernels.lanes; lane++) {
        const broken: typeof kernels.exports.poseidon2_words = (target, ...rest) => {
          kernels.exports.poseidon2_words(target, ...rest);
          const view = new DataView(kernels.memory.buffer);
          view.setUint8(target + 32 * lane + 7, view.getUint8(target + 32 * lane + 7) ^ 1);
        };
        const exports = { ...kernels.exports, poseidon2_words: broken };
        assert.throws(() => new LaneHasher({ ...kernels, exports, element: (of) => kernels.element(of) }), {
          code: 'backend_unavailable',
        });
      }
      assert.ok(new LaneHasher(kernels));
    }
  });

  it('is one hash at a time for whoever asks so', async () => {
    for (const name of KERNEL_NAMES) {
      const hash = await createLaneHash(await loadKernelModule(name));
      assert.equal(hash(R - 1n, 1n), poseidon2Reference(R - 1n, 1n), name);
      assert.deepEqual(hash.pairs?.([1n, 2n, 3n, 4n]), [poseidon2Reference(1n, 2n), poseidon2Reference(3n, 4n)]);
    }
  });

  it('takes words of any 256 bits without writing beyond what is its own', async () => {
    // What a kernel is given are elements; that a caller's mistake stays the caller's is a matter of bounds.
    for (const name of KERNEL_NAMES) {
      const kernels = await instantiateKernels(await loadKernelModule(name), createKernelMemory(4));
      const hasher = new LaneHasher(kernels);
      hasher.hashWords(new Uint8Array(64), new Uint8Array(128).fill(0xff));
      assert.deepEqual(hasher.hashPairs([1n, 2n]), [poseidon2Reference(1n, 2n)], name);
    }
  });
});
