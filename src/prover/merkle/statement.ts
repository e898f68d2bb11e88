/**
 * The Merkle circuit's side of a statement: its inputs by name, and where its inputs stand in the witness.
 *
 * The names are those of circuits/merkle/merkle-inclusion.circom. The witness of a circom circuit begins with the
 * constant, the public inputs and the private inputs, in the order of their declaration; a test compares `merkleWires`
 * with the compiler's symbols for each listed depth.
 */
import { ZkraftError } from '../../common/index.ts';
import type { CircuitInput, MerklePath } from '../types.ts';
import { checkDepth, MERKLE_DEPTH_MAX } from './tree.ts';

/** In the circuit's order. */
export const MERKLE_PUBLIC_SIGNALS: readonly string[] = ['root', 'externalHash'];

/** `merkle-<depth>`. Throws `invalid_depth`. */
export function merkleCircuitId(depth: number): string {
  checkDepth(depth);
  return `merkle-${depth}`;
}

/** The depth that a circuit id names; undefined when it is not one of the Merkle circuit's. */
export function merkleCircuitDepth(circuitId: string): number | undefined {
  const match = /^merkle-([1-9]\d?)$/.exec(circuitId);
  const depth = Number(match?.[1]);
  return match && depth <= MERKLE_DEPTH_MAX ? depth : undefined;
}

export interface MerkleWitnessParts {
  readonly leaf: bigint;
  readonly leafIndex: number;
  readonly externalHash: bigint;
  readonly path: MerklePath;
}

/** Of a leaf's index, least significant first. */
export const indexBits = (leafIndex: number, depth: number): number[] =>
  Array.from({ length: depth }, (_, level) => Math.floor(leafIndex / 2 ** level) % 2);

/** Inputs of the circuit of depth `path.siblings.length`. */
export function merkleInput({ leaf, leafIndex, externalHash, path }: MerkleWitnessParts): CircuitInput {
  return {
    root: path.root.toString(),
    externalHash: externalHash.toString(),
    leaf: leaf.toString(),
    siblings: path.siblings.map(String),
    pathBits: indexBits(leafIndex, path.siblings.length).map(String),
  };
}

export interface MerkleWires {
  readonly root: number;
  readonly externalHash: number;
  readonly leaf: number;
  readonly siblings: readonly number[];
  readonly pathBits: readonly number[];
}

/** Indices into the witness. */
export function merkleWires(depth: number): MerkleWires {
  checkDepth(depth);
  const run = (first: number): number[] => Array.from({ length: depth }, (_, level) => first + level);
  return { root: 1, externalHash: 2, leaf: 3, siblings: run(4), pathBits: run(4 + depth) };
}

/** A false statement is told from malformed input by the template that refuses it. */
export function explainMerkle(failed: { readonly template: string }): ZkraftError | undefined {
  if (failed.template !== 'TopIsRoot') return undefined;
  return new ZkraftError('wrong_path', 'the leaf and its path do not lead to the root; check leaves, index and root', {
    field: 'root',
  });
}
