import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import {
  checkLeaves,
  type Hash2,
  MERKLE_LEAVES_MAX,
  merkleCircuitDepth,
  merkleCircuitId,
  merkleInput,
  SmallMerkleTree,
  verifyPath,
  zeroRoots,
} from '../../src/prover/merkle/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import { naiveLevels, oraclePoseidon } from '../support/merkle-circuits.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const random = new SeededRandom(7);
const someLeaves = (count: number): bigint[] => Array.from({ length: count }, () => random.bigintBelow(R - 1n) + 1n);

let hash: Hash2;
/** The same values as `hash`, remembered: these tests ask for the same nodes again and again. */
let remembered: Hash2;
let oracle: Hash2;

before(async () => {
  hash = await poseidon2();
  oracle = await oraclePoseidon();
  const known = new Map<string, bigint>();
  remembered = (left, right) => {
    const key = `${left},${right}`;
    const value = known.get(key) ?? hash(left, right);
    known.set(key, value);
    return value;
  };
});

describe('the hash', () => {
  it("is circomlib's Poseidon, by its published vector", () => {
    assert.equal(hash(1n, 2n), 7853200120776062878684798364095072458815029376092732009249414926327459813530n);
  });
});

describe('a Merkle tree', () => {
  it('has a path for every leaf, of every count from 1 to 64, that recomputes the root of a naive tree', () => {
    const depth = 6;
    const all = someLeaves(64);
    const oracleNodes = new Map<string, bigint>();
    const oracleHash: Hash2 = (left, right) => {
      const key = `${left},${right}`;
      const node = oracleNodes.get(key) ?? oracle(left, right);
      oracleNodes.set(key, node);
      return node;
    };
    for (let count = 1; count <= 64; count++) {
      const leaves = all.slice(0, count);
      const levels = naiveLevels(oracleHash, leaves, depth);
      const tree = new SmallMerkleTree(remembered, leaves, depth);
      assert.equal(tree.root, levels[depth]?.[0], `root of ${count}`);
      for (let index = 0; index < count; index++) {
        const { siblings } = tree.path(index);
        siblings.forEach((sibling, height) => {
          assert.equal(sibling, levels[height]?.[(index >> height) ^ 1], `${count} leaves, ${index}, height ${height}`);
        });
        let node = leaves[index] as bigint;
        siblings.forEach((sibling, height) => {
          node = (index >> height) & 1 ? oracleHash(sibling, node) : oracleHash(node, sibling);
        });
        assert.equal(node, levels[depth]?.[0]);
        assert.ok(verifyPath(remembered, leaves[index] as bigint, index, tree.path(index)));
      }
    }
  });

  it('agrees with a naive tree for sampled counts up to 1000, at every power of two and its neighbours', () => {
    const depth = 10;
    for (const count of [127, 128, 129, 333, 511, 512, 513, 769, 999, 1000]) {
      const leaves = someLeaves(count);
      const levels = naiveLevels(oracle, leaves, depth);
      const tree = new SmallMerkleTree(hash, leaves, depth);
      assert.equal(tree.root, levels[depth]?.[0], `${count}`);
      for (const index of [0, 1, count >> 1, count - 2, count - 1]) {
        tree.path(index).siblings.forEach((sibling, height) => {
          assert.equal(sibling, levels[height]?.[(index >> height) ^ 1]);
        });
      }
    }
  });

  it('is the same tree one level up when it is made one level deeper', () => {
    const leaves = someLeaves(5);
    for (const depth of [3, 8, 20, 31]) {
      const shallow = new SmallMerkleTree(hash, leaves, depth);
      const deep = new SmallMerkleTree(hash, leaves, depth + 1);
      assert.equal(deep.root, oracle(shallow.root, zeroRoots(hash, depth)[depth] as bigint));
      assert.equal(deep.path(4).siblings.length, depth + 1);
    }
  });

  it('does not let [a, b, c] and [a, b, c, c] share a root', () => {
    const [a, b, c] = someLeaves(3) as [bigint, bigint, bigint];
    assert.notEqual(new SmallMerkleTree(hash, [a, b, c], 4).root, new SmallMerkleTree(hash, [a, b, c, c], 4).root);
  });

  it('costs one hash for each node above a leaf and one a level, not one a position', () => {
    let hashes = 0;
    const counted: Hash2 = (left, right) => {
      hashes++;
      return hash(left, right);
    };
    new SmallMerkleTree(counted, someLeaves(9), 32);
    // 5 + 3 + 2 + 1 above the leaves, 28 on the way up, 32 roots of empty subtrees.
    assert.equal(hashes, 11 + 28 + 32);
  });

  it('hands a hash that does pairs side by side a level at a time', () => {
    const asked: number[] = [];
    const pairs = (nodes: readonly bigint[]): bigint[] => {
      asked.push(nodes.length);
      return nodes.flatMap((node, i) => (i % 2 === 0 ? [hash(node, nodes[i + 1] as bigint)] : []));
    };
    const leaves = someLeaves(9);
    const sideBySide: Hash2 = Object.assign((left: bigint, right: bigint) => hash(left, right), { pairs });
    const tree = new SmallMerkleTree(sideBySide, leaves, 6);
    assert.deepEqual(asked, [10, 6, 4, 2, 2, 2]);
    assert.deepEqual(tree.path(8), new SmallMerkleTree(hash, leaves, 6).path(8));
  });

  it('refuses zero as a leaf, values that are not below r, too many leaves, too small a depth, naming which', () => {
    assert.throws(() => checkLeaves([1n, 0n], 4), isRefusal('invalid_leaf', /leaves\[1\] is zero/));
    assert.throws(() => checkLeaves([1n, 2n, R], 4), isRefusal('invalid_leaf', /leaves\[2\]/));
    assert.throws(() => checkLeaves([-1n], 4), isRefusal('invalid_leaf', /leaves\[0\]/));
    assert.throws(() => checkLeaves([], 4), isRefusal('invalid_leaves'));
    assert.throws(() => checkLeaves(new Array(MERKLE_LEAVES_MAX + 1).fill(1n), 32), isRefusal('invalid_leaves'));
    assert.throws(() => checkLeaves([1n, 2n, 3n], 1), isRefusal('invalid_depth', /holds 2 leaves, not 3/));
    for (const depth of [0, 33, 1.5, Number.NaN]) {
      assert.throws(() => checkLeaves([1n], depth), isRefusal('invalid_depth'));
    }
  });

  it('has no path for a position that holds padding', () => {
    const tree = new SmallMerkleTree(hash, someLeaves(3), 4);
    for (const index of [3, 15, 16, -1, 0.5]) {
      assert.throws(() => tree.path(index), isRefusal('invalid_leaf_index', /0 to 2/));
    }
  });
});

describe('verifyPath', () => {
  it('says no to another leaf, index, sibling, root, to padding and to an index beyond the tree', () => {
    const leaves = someLeaves(5);
    const tree = new SmallMerkleTree(hash, leaves, 3);
    const path = tree.path(4);
    const leaf = leaves[4] as bigint;
    assert.ok(verifyPath(hash, leaf, 4, path));
    assert.ok(!verifyPath(hash, leaf + 1n, 4, path));
    assert.ok(!verifyPath(hash, leaf, 5, path));
    assert.ok(!verifyPath(hash, leaf, 12, path));
    assert.ok(!verifyPath(hash, leaf, 4, { ...path, root: path.root + 1n }));
    assert.ok(!verifyPath(hash, leaf, 4, { ...path, siblings: path.siblings.map((s, i) => (i === 1 ? s + 1n : s)) }));
    const padding = { root: tree.root, siblings: [leaf, ...path.siblings.slice(1)] };
    assert.ok(!verifyPath(hash, 0n, 5, padding), 'position 5 honestly holds zero, which is no leaf');
    assert.ok(!verifyPath(hash, leaf + R, 4, path), 'not reduced');
  });
});

describe('a circuit id', () => {
  it('names a depth from 1 to 32 and nothing else', () => {
    for (let depth = 1; depth <= 32; depth++) assert.equal(merkleCircuitDepth(merkleCircuitId(depth)), depth);
    for (const id of ['merkle-0', 'merkle-33', 'merkle-08', 'merkle-8 ', 'merkle', 'xmerkle-8', 'merkle--1']) {
      assert.equal(merkleCircuitDepth(id), undefined, id);
    }
    assert.throws(() => merkleCircuitId(33), isRefusal('invalid_depth'));
  });

  it('goes with inputs whose path bits are the index, least significant first, up to depth 32', () => {
    const siblings = new Array<bigint>(32).fill(1n);
    const input = merkleInput({ leaf: 9n, leafIndex: 2 ** 31 + 5, externalHash: 3n, path: { root: 4n, siblings } });
    assert.deepEqual(input.pathBits, ['1', '0', '1', ...new Array<string>(28).fill('0'), '1']);
  });
});
