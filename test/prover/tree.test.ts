import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { R } from '../../src/common/index.ts';
import { LeafFile, MerkleTree, selectKernels, TREE_LEAVES_MAX } from '../../src/prover/index.ts';
import { type Hash2, SmallMerkleTree, verifyPath, zeroRoots } from '../../src/prover/merkle/index.ts';
import { createLaneHash } from '../../src/prover/wasm/index.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const random = new SeededRandom(5);
const someLeaves = (count: number): bigint[] => Array.from({ length: count }, () => random.bigintBelow(R - 1n) + 1n);
const folder = mkdtempSync(join(tmpdir(), 'zkraft-tree-'));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
/** Two lower blocks and a bit of a third. */
const MANY = 2 * 4096 + 5;

let hash: Hash2;
before(async () => {
  const { kernel } = await selectKernels('auto');
  hash = await createLaneHash(kernel);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Root, leaves and paths, of sampled indices where there are many. */
function assertSame(tree: MerkleTree, leaves: readonly bigint[], depth: number, samples = leaves.length): void {
  assert.equal(tree.depth, depth);
  assert.equal(tree.leafCount, leaves.length);
  const step = Math.max(1, Math.floor(leaves.length / samples));
  for (let index = 0; index < leaves.length; index += step) {
    assert.equal(tree.leaf(index), leaves[index]);
    const path = tree.path(index);
    assert.equal(path.siblings.length, depth);
    assert.ok(verifyPath(hash, leaves[index] as bigint, index, path), `${leaves.length} leaves, ${index}`);
  }
}

describe('a tree in lanes', () => {
  it('equals the reference in root and every path, for counts around powers of two and every depth that fits', async () => {
    const all = someLeaves(129);
    for (const count of [1, 2, 3, 4, 5, 8, 9, 31, 64, 65, 127, 128, 129]) {
      const leaves = all.slice(0, count);
      for (const depth of [Math.max(1, Math.ceil(Math.log2(count))), 8, 12, 13, 20, 24, 25, 32]) {
        const reference = new SmallMerkleTree(hash, leaves, depth);
        const tree = await MerkleTree.build({ depth, leaves, threads: 0 });
        assert.equal(tree.root, reference.root, `${count} leaves, depth ${depth}`);
        leaves.forEach((_, index) => {
          assert.deepEqual(tree.path(index), reference.path(index), `${count} leaves, depth ${depth}, ${index}`);
        });
      }
    }
  });

  it('is the same over several blocks, in threads and without, from arrays, iterables and promises', async () => {
    const leaves = someLeaves(MANY);
    const levels = levelsOf(leaves, 20);
    async function* later(): AsyncGenerator<bigint> {
      for (const [i, leaf] of leaves.entries()) {
        if (i % 1000 === 0) await turn();
        yield leaf;
      }
    }
    for (const [given, threads] of [
      [leaves, 0],
      [leaves, 2],
      [new Set(leaves), 1],
      [later(), 0],
      [later(), 2],
      [leaves.map((leaf, i) => (i % 2 === 0 ? leaf.toString() : `0x${leaf.toString(16)}`)), 2],
    ] as const) {
      const tree = await MerkleTree.build({ depth: 20, leaves: given, threads });
      assert.equal(tree.root, levels[20]?.[0]);
      assertSame(tree, leaves, 20, 200);
      for (const [height, nodes] of levels.entries()) {
        for (const index of new Set([0, nodes.length >> 1, nodes.length - 1])) {
          assert.equal(tree.subtreeRoot(height, index), nodes[index], `height ${height}, ${index}`);
        }
      }
    }
  });

  it('has roots of empty subtrees for nothing, and says which subtrees there are', async () => {
    const tree = await MerkleTree.build({ depth: 32, leaves: [1n, 2n, 3n], threads: 0 });
    const zeros = zeroRoots(hash, 32);
    for (const height of [2, 11, 12, 13, 23, 24, 25, 31]) assert.equal(tree.subtreeRoot(height, 1), zeros[height]);
    assert.equal(tree.subtreeRoot(0, 2 ** 32 - 1), 0n);
    assert.equal(tree.subtreeRoot(0, 2), 3n);
    assert.equal(tree.subtreeRoot(32, 0), tree.root);
    assert.throws(() => tree.subtreeRoot(33, 0), isRefusal('invalid_depth'));
    assert.throws(() => tree.subtreeRoot(31, 2), isRefusal('invalid_leaf_index', /0 to 1/));
    for (const index of [3, -1, 0.5, 2 ** 32]) {
      assert.throws(() => tree.path(index), isRefusal('invalid_leaf_index', /0 to 2/));
      assert.throws(() => tree.leaf(index), isRefusal('invalid_leaf_index'));
    }
  });

  it('takes the depth that the leaves need when none is given', async () => {
    assert.equal((await MerkleTree.build({ leaves: [1n], threads: 0 })).depth, 8);
    assert.equal((await MerkleTree.build({ leaves: someLeaves(257), threads: 0 })).depth, 16);
  });

  it('refuses zero, what is not below r, what spells nothing, no leaves and too many, naming which', async () => {
    const build = (leaves: unknown, depth = 4): Promise<MerkleTree> =>
      MerkleTree.build({ depth, leaves: leaves as bigint[], threads: 0 });
    await assert.rejects(build([1n, 0n]), isRefusal('invalid_leaf', /leaves\[1\] is zero/));
    await assert.rejects(build([1n, 2n, R]), isRefusal('invalid_leaf', /leaves\[2\]/));
    await assert.rejects(build(['1', '07']), isRefusal('invalid_leaf', /leaves\[1\] is "07"/));
    await assert.rejects(build([1n, -1n]), isRefusal('invalid_leaf', /leaves\[1\]/));
    await assert.rejects(build([1n, 7]), isRefusal('invalid_leaf', /leaves\[1\] is a number/));
    await assert.rejects(build([]), isRefusal('invalid_leaves'));
    await assert.rejects(build(7), isRefusal('invalid_leaves'));
    await assert.rejects(build('123'), isRefusal('invalid_leaves'));
    await assert.rejects(build(someLeaves(17)), isRefusal('invalid_depth', /holds 16 leaves/));
    await assert.rejects(build(new Set(someLeaves(17))), isRefusal('invalid_depth', /holds 16 leaves/));
    await assert.rejects(build([1n], 33), isRefusal('invalid_depth'));
    await assert.rejects(build(new Array(TREE_LEAVES_MAX + 1), 32), isRefusal('invalid_leaves', /16777216/));
    await assert.rejects(MerkleTree.build({ leaves: [1n], threads: 65 }), isRefusal('config_invalid', /threads is 65/));
  });
});

describe('leaves appended', () => {
  it('leave the tree that all of them would have made, wherever they begin and end', async () => {
    const leaves = someLeaves(MANY);
    for (const depth of [14, 25]) {
      for (const cuts of [[1, 2, 3, 7, 8], [4095, 4096], [4096, 4097, 8192], [5000], [MANY - 1]]) {
        const tree = await MerkleTree.build({ depth, leaves: leaves.slice(0, cuts[0]), threads: 0 });
        for (const [i, from] of cuts.entries()) {
          await tree.append(leaves.slice(from, cuts[i + 1]), { threads: i % 2 });
          assertSame(tree, leaves.slice(0, cuts[i + 1]), depth, 40);
        }
        assert.equal(tree.root, levelsOf(leaves, depth)[depth]?.[0], cuts.join());
      }
    }
  });

  it('wait for one another, and are not seen before they are all there', async () => {
    const leaves = someLeaves(40);
    const tree = await MerkleTree.build({ depth: 8, leaves: leaves.slice(0, 10), threads: 0 });
    const { root } = tree;
    const both = Promise.all([tree.append(leaves.slice(10, 20)), tree.append(leaves.slice(20))]);
    assert.equal(tree.root, root);
    await both;
    assertSame(tree, leaves, 8);
  });

  it('change nothing when one is wrong, when there are too many or none, or when they are aborted', async () => {
    const leaves = someLeaves(4100);
    const tree = await MerkleTree.build({ depth: 13, leaves, threads: 0 });
    const { root } = tree;
    const stop = new AbortController();
    function* stopping(): Generator<bigint> {
      for (let i = 0n; i < 4092n; i++) {
        if (i === 4091n) stop.abort();
        yield 5n + i;
      }
    }
    await assert.rejects(tree.append([...someLeaves(3), 0n]), isRefusal('invalid_leaf', /leaves\[3\]/));
    await assert.rejects(tree.append(someLeaves(4093)), isRefusal('invalid_depth'));
    await assert.rejects(tree.append(new Set(someLeaves(4093))), isRefusal('invalid_depth'));
    await assert.rejects(tree.append(stopping(), { threads: 0, signal: stop.signal }), isRefusal('cancelled'));
    await tree.append([]);
    // After a whole block was hashed.
    const wide = await MerkleTree.build({ depth: 14, leaves: [...leaves, 1n, 2n, 3n], threads: 0 });
    const before = wide.path(4096);
    for (const threads of [0, 1]) {
      const wrong = wide.append([...someLeaves(9000), 0n], { threads });
      await assert.rejects(wrong, isRefusal('invalid_leaf', /leaves\[9000\]/));
      assert.deepEqual(wide.path(4096), before);
    }
    assert.equal(tree.root, root);
    assertSame(tree, leaves, 13, 100);
    await tree.append([9n]);
    assertSame(tree, [...leaves, 9n], 13, 100);
  });
});

describe('a build that is aborted', () => {
  it('ends at once, wherever it is: before, in a thread, without threads, or waiting for a leaf', async () => {
    const build = async (leaves: Parameters<typeof MerkleTree.build>[0]['leaves'], threads: number): Promise<void> => {
      const stop = new AbortController();
      let abortedAtMs = 0;
      const building = MerkleTree.build({
        depth: 20,
        leaves,
        threads,
        signal: stop.signal,
        onProgress: ({ leavesRead }) => {
          if (leavesRead < 8192) return;
          abortedAtMs ||= performance.now();
          stop.abort();
        },
      });
      await assert.rejects(building, isRefusal('cancelled'));
      assert.ok(abortedAtMs > 0);
      assert.ok(performance.now() - abortedAtMs < 5000);
    };
    function* endless(): Generator<bigint> {
      for (let leaf = 1n; ; leaf++) yield leaf;
    }
    async function* hanging(): AsyncGenerator<bigint> {
      yield* endless0(9000);
      await new Promise(() => {});
    }
    function* endless0(count: number): Generator<bigint> {
      for (let i = 1; i <= count; i++) yield BigInt(i);
    }
    await build(endless(), 0);
    await build(endless(), 2);
    await build(hanging(), 2);
    await assert.rejects(MerkleTree.build({ leaves: [1n], signal: AbortSignal.abort() }), isRefusal('cancelled'));
  });

  it('starts no more threads than there are blocks', async () => {
    let started = 0;
    const count = (): void => {
      started += 1;
    };
    process.on('worker', count);
    try {
      const tree = await MerkleTree.build({ leaves: someLeaves(2 * 4096), threads: 8 });
      assert.equal(started, 2);
      // To the half of one block that is there, and one more.
      await tree.append(someLeaves(4096 + 1), { threads: 8 });
      assert.equal(started, 4);
    } finally {
      process.off('worker', count);
    }
  });

  it('said how far it was: leaves read and hashed, in order, to the last', async () => {
    const seen: number[] = [];
    const leaves = someLeaves(MANY);
    let last: unknown;
    await MerkleTree.build({
      leaves,
      threads: 1,
      onProgress: (progress) => {
        seen.push(progress.leavesHashed);
        last = progress;
      },
    });
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
    assert.ok(seen.length >= 4);
    assert.deepEqual(last, { leavesRead: MANY, leavesHashed: MANY, leavesTotal: MANY });
  });
});

describe('a file of leaves', () => {
  const rootOf = async (path: string): Promise<bigint> =>
    (await MerkleTree.build({ depth: 14, leaves: new LeafFile(path, { name: 'the file' }), threads: 0 })).root;

  it('is one leaf a line, or a JSON array, whatever its chunks', async () => {
    const leaves = someLeaves(MANY);
    const expected = (await MerkleTree.build({ depth: 14, leaves, threads: 0 })).root;
    const texts = leaves.map((leaf, i) => (i % 3 === 0 ? `0x${leaf.toString(16).toUpperCase()}` : leaf.toString()));
    assert.equal(await rootOf(file('lines.txt', `\n# a comment\n\n ${texts.join('\r\n')}`)), expected);
    assert.equal(await rootOf(file('lines-end.txt', `${texts.join('\n\n')}\n`)), expected);
    assert.equal(await rootOf(file('array.json', JSON.stringify(texts))), expected);
    assert.equal(await rootOf(file('pretty.json', `\n ${JSON.stringify(texts, null, 2)}\n`)), expected);
  });

  it('passes on what the listener of its reading throws, as it is', async () => {
    const mistake = new RangeError('no such bar');
    const leaves = new LeafFile(file('listened', '1\n2\n'), {
      onRead: () => {
        throw mistake;
      },
    });
    await assert.rejects(MerkleTree.build({ leaves, threads: 0 }), (thrown) => thrown === mistake);
  });

  it('has its wrong leaves named by index and line', async () => {
    const wrong = (content: string, code: string, text: RegExp, field = 'leaves'): Promise<void> =>
      assert.rejects(rootOf(file('wrong', content)), (error: { code: string; message: string; field: string }) => {
        assert.deepEqual([error.code, error.field], [code, field], error.message);
        assert.match(error.message, text);
        return true;
      });
    await wrong('1\n# no\n\n0\n', 'invalid_leaf', /leaves\[1\] \(the file, line 4\) is zero/, 'leaves[1]');
    await wrong('1\n2\n0x\n', 'invalid_leaf', /leaves\[2\] \(the file, line 3\) is "0x"/, 'leaves[2]');
    await wrong(`1\n${R}`, 'invalid_leaf', /leaves\[1\] \(the file, line 2\) is not below r/, 'leaves[1]');
    await wrong('["1", "2", "x"]', 'invalid_leaf', /leaves\[2\] \(the file\) is "x"/, 'leaves[2]');
    await wrong('["1", 2]', 'invalid_leaf', /leaves\[1\] \(the file\) is no string/, 'leaves[1]');
    await wrong('["1" "2"]', 'file_invalid', /comma/);
    await wrong('["1", "2"', 'file_invalid', /middle/);
    await wrong('["1", "2', 'file_invalid', /middle/);
    await wrong('["1"] []', 'file_invalid', /follows/);
    await wrong('["1",]', 'invalid_leaf', /leaves\[1\]/, 'leaves[1]');
    await wrong('', 'invalid_leaves', /no leaves/);
    await wrong('# nothing\n', 'invalid_leaves', /no leaves/);
    await wrong('[]', 'invalid_leaves', /no leaves/);
    await wrong(`["${'1'.repeat(600_000)}"]`, 'file_invalid', /more than 4096/);
    await wrong('1'.repeat(600_000), 'file_invalid', /more than 4096/);
  });

  it('must be there, be a file, and be text', async () => {
    await assert.rejects(rootOf(join(folder, 'none')), isRefusal('file_not_found'));
    await assert.rejects(rootOf(folder), isRefusal('file_invalid', /regular/));
    await assert.rejects(rootOf(file('bytes', Uint8Array.of(0x31, 0xff, 0xfe))), isRefusal('file_invalid', /UTF-8/));
  });
});

/** Level by level, side by side, with nothing clever: nodes above a leaf, to the root of `depth`. */
function levelsOf(leaves: readonly bigint[], depth: number): bigint[][] {
  const zeros = zeroRoots(hash, depth);
  const levels = [[...leaves]];
  for (let height = 0; height < depth; height++) {
    const below = levels[height] as bigint[];
    levels.push(hash.pairs?.(below.length % 2 === 0 ? below : [...below, zeros[height] as bigint]) ?? []);
  }
  return levels;
}
