import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { MerkleTree, selectKernels } from '../../src/prover/index.ts';
import { type Hash2, SmallMerkleTree } from '../../src/prover/merkle/index.ts';
import { createLaneHash } from '../../src/prover/wasm/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';

let hash: Hash2;
before(async () => {
  const { kernel } = await selectKernels('auto');
  hash = await createLaneHash(kernel);
});

describe('a tree in lanes, at length', () => {
  it('equals the reference for every count of leaves from 1 to 1000 and every index, built and appended to', async () => {
    const random = new SeededRandom(23);
    const leaves = Array.from({ length: 1000 }, () => random.bigintBelow(R - 1n) + 1n);
    const grown = await MerkleTree.build({ depth: 10, leaves: leaves.slice(0, 1), threads: 0 });
    for (let count = 1; count <= 1000; count++) {
      const some = leaves.slice(0, count);
      const reference = new SmallMerkleTree(hash, some, 10);
      const built = await MerkleTree.build({ depth: 10, leaves: some, threads: 0 });
      if (count > 1) await grown.append(some.slice(-1), { threads: 0 });
      for (const tree of [built, grown]) {
        assert.equal(tree.root, reference.root, `${count} leaves`);
        for (let index = 0; index < count; index++) {
          const { siblings } = reference.path(index);
          const found = tree.path(index).siblings;
          assert.ok(found.length === 10 && found.every((s, i) => s === siblings[i]), `${count} leaves, ${index}`);
        }
      }
    }
  });

  it('of 2^20 leaves takes less than 300 MB more than an idle process', async () => {
    function* leaves(): Generator<bigint> {
      for (let i = 1n; i <= 2n ** 20n; i++) yield i * 0x1234567890abcdef1234567890abcdef1234567890abcdefn;
    }
    const idle = process.memoryUsage.rss();
    let most = idle;
    let told = 0;
    const tree = await MerkleTree.build({
      depth: 20,
      leaves: leaves(),
      threads: 2,
      onProgress: () => {
        told += 1;
        most = Math.max(most, process.memoryUsage.rss());
      },
    });
    assert.equal(tree.leafCount, 2 ** 20);
    assert.ok(told >= 2 ** 20 / 4096, `measured ${told} times`);
    assert.ok(most - idle < 300e6, `${Math.round((most - idle) / 1e6)} MB`);
    const beganAt = process.cpuUsage();
    for (let i = 0; i < 2000; i++) tree.path((i * 7919) % 2 ** 20);
    const { user, system } = process.cpuUsage(beganAt);
    assert.ok((user + system) / 2000 < 50, `${(user + system) / 2000} us a path`);
  });
});
