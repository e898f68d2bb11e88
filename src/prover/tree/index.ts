/** Merkle trees of up to 2^24 leaves, in lanes and threads. See README.md. */
export { LeafFile, type LeafFileOptions } from './leaf-file.ts';
export type { Leaf, Leaves } from './leaves.ts';
export { type BuildOptions, type GrowOptions, MerkleTree, TREE_LEAVES_MAX, type TreeProgress } from './merkle-tree.ts';
