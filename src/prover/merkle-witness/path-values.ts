/** What a witness of the Merkle circuit is filled from: the inputs as numbers, and the nodes on the way to the root. */
import { parseElement, ZkraftError } from '../../common/index.ts';
import type { Hash2 } from '../merkle/index.ts';
import type { CircuitInput, SignalValue } from '../types.ts';

export interface MerkleInputs {
  readonly root: bigint;
  readonly externalHash: bigint;
  readonly leaf: bigint;
  /** From the leaf's sibling up. */
  readonly siblings: readonly bigint[];
  /** The leaf's index, least significant bit first. */
  readonly pathBits: readonly bigint[];
}

export interface MerklePathValues extends MerkleInputs {
  /** The leaf, then each parent, without the root: the lower node of each level. */
  readonly nodes: readonly bigint[];
}

const NAMES = ['root', 'externalHash', 'leaf', 'siblings', 'pathBits'] as const;

/**
 * The inputs in their plain spelling: five signals, canonical elements, flat arrays of `depth`. Undefined for anything
 * else, which is for circom's program to take or to refuse in its own words.
 */
export function readMerkleInputs(input: CircuitInput, depth: number): MerkleInputs | undefined {
  const names = Object.keys(input);
  if (names.length !== NAMES.length || !NAMES.every((name) => Object.hasOwn(input, name))) return undefined;
  const one = (name: string): bigint => parseElement(input[name], name);
  const many = (name: string): bigint[] => {
    const values: SignalValue | undefined = input[name];
    if (!Array.isArray(values) || values.length !== depth) throw new ZkraftError('invalid_input', name);
    return values.map((value: unknown) => parseElement(value, name));
  };
  try {
    return {
      root: one('root'),
      externalHash: one('externalHash'),
      leaf: one('leaf'),
      siblings: many('siblings'),
      pathBits: many('pathBits'),
    };
  } catch (error) {
    if (error instanceof ZkraftError) return undefined;
    throw error;
  }
}

/** The leaf and the parents above it, `depth` nodes; bits that are not 1 count as 0. */
export function nodesOnPath(hash: Hash2, { leaf, siblings, pathBits }: MerkleInputs): bigint[] {
  const nodes = [leaf];
  siblings.slice(0, -1).forEach((sibling, level) => {
    const node = nodes[level] as bigint;
    nodes.push(pathBits[level] === 1n ? hash(sibling, node) : hash(node, sibling));
  });
  return nodes;
}
