/** Merkle trees of fixed depth with zero padding. See README.md. */
export { DEFAULT_DEPTH, depthFor, LISTED_DEPTHS } from './depth.ts';
export {
  explainMerkle,
  indexBits,
  MERKLE_PUBLIC_SIGNALS,
  type MerkleWitnessParts,
  merkleCircuitDepth,
  merkleCircuitId,
  merkleInput,
  merkleWires,
} from './statement.ts';
export {
  checkDepth,
  checkLeaf,
  checkLeafIndex,
  checkLeaves,
  type Hash2,
  MERKLE_DEPTH_MAX,
  MERKLE_LEAVES_MAX,
  SmallMerkleTree,
  verifyPath,
  zeroRoots,
} from './tree.ts';
