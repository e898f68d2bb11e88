/**
 * Complete Merkle trees of fixed depth over any two-to-one hash of field elements.
 *
 * Positions after the last leaf hold zero; an empty subtree's root is a constant of its height, so a tree costs one
 * hash a node above a leaf and `depth` more, whatever its depth. Zero is therefore never a leaf, and an index at or
 * above the number of leaves is never proved. A path has exactly `depth` siblings. What goes wrong otherwise (odd nodes
 * paired with themselves, inner nodes passed as leaves) is told in circuits/merkle.
 *
 * Pure and synchronous: 1,000 leaves are 1,000 hashes, which is for a thread, not for an event loop.
 */
import { R, ZkraftError } from '../../common/index.ts';
import type { MerklePath } from '../types.ts';

/** Must be a pure function; Poseidon(2) of circomlib everywhere in zkraft. */
export interface Hash2 {
  (left: bigint, right: bigint): bigint;
  /** The hashes of an even number of nodes, two by two: for hashes that are quicker side by side. */
  readonly pairs?: (nodes: readonly bigint[]) => bigint[];
}

export const MERKLE_DEPTH_MAX = 32;
export const MERKLE_LEAVES_MAX = 1000;

/** Throws `invalid_depth` unless `depth` is a whole number from 1 to 32. */
export function checkDepth(depth: number): void {
  if (!Number.isInteger(depth) || depth < 1 || depth > MERKLE_DEPTH_MAX) {
    throw new ZkraftError(
      'invalid_depth',
      `depth is ${depth}; it must be a whole number from 1 to ${MERKLE_DEPTH_MAX}`,
      {
        field: 'depth',
      },
    );
  }
}

/** Throws `invalid_leaves`, `invalid_leaf` naming the index, `invalid_depth` when the leaves do not fit. */
export function checkLeaves(leaves: readonly bigint[], depth: number): void {
  checkDepth(depth);
  if (leaves.length < 1 || leaves.length > MERKLE_LEAVES_MAX) {
    throw new ZkraftError('invalid_leaves', `leaves holds ${leaves.length}; it must hold 1 to ${MERKLE_LEAVES_MAX}`, {
      field: 'leaves',
    });
  }
  if (leaves.length > 2 ** depth) {
    throw new ZkraftError(
      'invalid_depth',
      `a tree of depth ${depth} holds ${2 ** depth} leaves, not ${leaves.length}`,
      {
        field: 'depth',
      },
    );
  }
  leaves.forEach((leaf, index) => {
    checkLeaf(leaf, index);
  });
}

/** Throws `invalid_leaf` naming the index, and the place where it was found if one is given. */
export function checkLeaf(leaf: bigint, index: number, place = ''): void {
  if (leaf > 0n && leaf < R) return;
  const field = `leaves[${index}]`;
  if (leaf === 0n) {
    throw new ZkraftError('invalid_leaf', `${field}${place} is zero, which is the padding and never a leaf`, { field });
  }
  throw new ZkraftError('invalid_leaf', `${field}${place} is not below r, the order of BN254's scalar field`, {
    field,
  });
}

/** Throws `invalid_leaf_index` unless there is a leaf at `leafIndex`. */
export function checkLeafIndex(leafIndex: number, leafCount: number): void {
  if (!Number.isInteger(leafIndex) || leafIndex < 0 || leafIndex >= leafCount) {
    throw new ZkraftError(
      'invalid_leaf_index',
      `leaf_index is ${leafIndex}; the ${leafCount} leaves have the indices 0 to ${leafCount - 1}`,
      { field: 'leaf_index' },
    );
  }
}

const zeroRootsOf = new WeakMap<Hash2, bigint[]>();

/** Roots of empty subtrees by height: [0, H(0,0), ...], at least `height + 1` of them. Cached for each hash function. */
export function zeroRoots(hash: Hash2, height: number): readonly bigint[] {
  const roots = zeroRootsOf.get(hash) ?? [0n];
  zeroRootsOf.set(hash, roots);
  for (let last = roots.at(-1) ?? 0n; roots.length <= height; ) {
    last = hash(last, last);
    roots.push(last);
  }
  return roots;
}

function hashPairs(hash: Hash2, nodes: readonly bigint[]): bigint[] {
  if (hash.pairs) return hash.pairs(nodes);
  const hashes: bigint[] = [];
  for (let at = 0; at < nodes.length; at += 2) hashes.push(hash(nodes[at] as bigint, nodes[at + 1] as bigint));
  return hashes;
}

/** A tree with every node that is not in an empty subtree; paths are then look-ups. */
export class SmallMerkleTree {
  readonly depth: number;
  readonly leafCount: number;
  readonly root: bigint;
  /** levels[h] holds the nodes of height h from the left, up to the last that covers a leaf. */
  readonly #levels: readonly (readonly bigint[])[];
  readonly #zeroRoots: readonly bigint[];

  /** Throws as `checkLeaves` does. */
  constructor(hash: Hash2, leaves: readonly bigint[], depth: number) {
    checkLeaves(leaves, depth);
    const zeros = zeroRoots(hash, depth);
    const levels: bigint[][] = [[...leaves]];
    let below: readonly bigint[] = leaves;
    for (let height = 1; height <= depth; height++) {
      const whole = below.length % 2 === 0 ? below : [...below, zeros[height - 1] as bigint];
      const nodes = hashPairs(hash, whole);
      levels.push(nodes);
      below = nodes;
    }
    this.depth = depth;
    this.leafCount = leaves.length;
    this.root = below[0] as bigint;
    this.#levels = levels;
    this.#zeroRoots = zeros;
  }

  /** The leaf and its parents without the root, `depth` nodes. Throws `invalid_leaf_index` as `path` does. */
  nodes(leafIndex: number): bigint[] {
    checkLeafIndex(leafIndex, this.leafCount);
    return Array.from(
      { length: this.depth },
      (_, height) => this.#levels[height]?.[Math.floor(leafIndex / 2 ** height)] as bigint,
    );
  }

  /** Throws `invalid_leaf_index` for a position that holds padding. */
  path(leafIndex: number): MerklePath {
    checkLeafIndex(leafIndex, this.leafCount);
    const siblings: bigint[] = [];
    let position = leafIndex;
    for (let height = 0; height < this.depth; height++) {
      const sibling = position % 2 === 0 ? position + 1 : position - 1;
      siblings.push(this.#levels[height]?.[sibling] ?? (this.#zeroRoots[height] as bigint));
      position = Math.floor(position / 2);
    }
    return { root: this.root, siblings };
  }
}

/** Whether `leaf`, not zero, stands at `leafIndex` of the tree of `path.siblings.length` levels with `path.root`. */
export function verifyPath(hash: Hash2, leaf: bigint, leafIndex: number, path: MerklePath): boolean {
  const depth = path.siblings.length;
  checkDepth(depth);
  if (leaf <= 0n || leaf >= R) return false;
  if (!Number.isInteger(leafIndex) || leafIndex < 0 || leafIndex >= 2 ** depth) return false;
  let node = leaf;
  let position = leafIndex;
  for (const sibling of path.siblings) {
    node = position % 2 === 0 ? hash(node, sibling) : hash(sibling, node);
    position = Math.floor(position / 2);
  }
  return node === path.root;
}
