/** Witnesses of the Merkle circuit by our hasher beside those of circom's program, over trees of many shapes. */
import assert from 'node:assert/strict';
import { R } from '../../src/common/index.ts';
import { compileCircuit, merkleSource } from '../../src/prover/circuits/index.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import { type Hash2, indexBits, merkleInput, SmallMerkleTree } from '../../src/prover/merkle/index.ts';
import {
  encodeWireNames,
  type MerklePathValues,
  type MerkleWireMap,
  MerkleWitnessFiller,
  mapMerkleWires,
  parseWireNames,
} from '../../src/prover/merkle-witness/index.ts';
import { encodeWtns, WitnessProgram } from '../../src/prover/witness/index.ts';
import { allKernels } from './kernels.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface CompiledDepth {
  readonly depth: number;
  readonly program: WitnessProgram;
  readonly names: readonly string[];
  readonly map: MerkleWireMap;
}

export async function compileDepth(depth: number): Promise<CompiledDepth> {
  const { wasm, symbols } = await compileCircuit(merkleSource(depth));
  const program = new WitnessProgram(wasm);
  const names = parseWireNames(encodeWireNames(symbols, program.wires));
  const map = mapMerkleWires(names, depth);
  assert.ok(map, `every wire of depth ${depth} has a value`);
  return { depth, program, names, map };
}

export interface NamedFiller {
  readonly name: string;
  readonly filler: MerkleWitnessFiller;
}

/** One for each kernel module that this engine runs. */
export async function allFillers(): Promise<readonly NamedFiller[]> {
  return await Promise.all(
    (await allKernels()).map(async (kernels: Kernels) => ({
      name: kernels.name,
      filler: await MerkleWitnessFiller.create(kernels),
    })),
  );
}

/** A statement about one leaf of a tree. */
export interface TreeStatement {
  readonly tree: SmallMerkleTree;
  readonly leaves: readonly bigint[];
  readonly leafIndex: number;
  readonly externalHash: bigint;
}

export function pathOf({ tree, leaves, leafIndex, externalHash }: TreeStatement): MerklePathValues {
  const { root, siblings } = tree.path(leafIndex);
  return {
    root,
    siblings,
    externalHash,
    leaf: leaves[leafIndex] as bigint,
    pathBits: indexBits(leafIndex, tree.depth).map(BigInt),
    nodes: tree.nodes(leafIndex),
  };
}

/** Trees full and sparse, leaves at the edges of the field, first and last indices, with and without an external hash. */
export function treeStatements(hash: Hash2, depth: number, random: SeededRandom): TreeStatement[] {
  const most = Math.min(2 ** depth, 40);
  const below = (max: bigint): bigint => random.bigintBelow(max);
  return [1, 2, most >> 1, most].flatMap((count, i) => {
    const leaves = Array.from({ length: Math.max(1, count) }, () => below(R - 1n) + 1n);
    leaves[0] = i % 2 === 0 ? R - 1n : 1n;
    const last = leaves.length - 1;
    if (last > 0) leaves[last] = i % 2 === 0 ? 1n : R - 1n;
    const tree = new SmallMerkleTree(hash, leaves, depth);
    return [...new Set([0, last, last >> 1])].map((leafIndex, j) => ({
      tree,
      leaves,
      leafIndex,
      externalHash: [0n, below(R), R - 1n][(i + j) % 3] as bigint,
    }));
  });
}

/** Every byte of both .wtns files. */
export function assertFilled(
  { program, map, depth }: CompiledDepth,
  { name, filler }: NamedFiller,
  statement: TreeStatement,
): void {
  const path = pathOf(statement);
  const filled = filler.fill(map, path);
  assert.ok(filled, `${name} fills depth ${depth}`);
  const input = merkleInput({ ...path, leafIndex: statement.leafIndex, path });
  const expected = encodeWtns(program.run(input));
  assert.ok(
    Buffer.from(encodeWtns(filled)).equals(expected),
    `${name}, depth ${depth}, leaf ${statement.leafIndex} of ${statement.leaves.length}`,
  );
}
