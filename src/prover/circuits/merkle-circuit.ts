/**
 * The project's own circuit: which depth a task gets, and how a depth gets its keys.
 *
 * Each depth is a circuit of its own, `merkle-<depth>`. Depths 1 to 32 can be made; four are listed, so that a network
 * has keys for a few depths and not for thirty-two.
 */
import { fileURLToPath } from 'node:url';
import { ZkraftError } from '../../common/index.ts';
import { checkDepth, merkleCircuitId } from '../merkle/index.ts';
import type { CircomSource } from './compile.ts';
import { type SetUpOptions, type SetUpResult, setUpCircuit } from './set-up.ts';

/** Depths that a task is given when it asks for none. Ascending. */
export const LISTED_DEPTHS: readonly number[] = [8, 16, 20, 32];
export const DEFAULT_DEPTH = 8;

const CIRCUIT_DIR = fileURLToPath(new URL('../../../circuits/merkle/', import.meta.url));

/**
 * The depth of a task: the one requested, else `defaultDepth` if the leaves fit, else the smallest listed that fits.
 * Throws `invalid_depth` when the requested one is not 1 to 32 or too small for `leafCount`.
 */
export function depthFor(leafCount: number, requested?: number, defaultDepth: number = DEFAULT_DEPTH): number {
  const fits = (depth: number): boolean => leafCount <= 2 ** depth;
  if (requested !== undefined) {
    checkDepth(requested);
    if (fits(requested)) return requested;
    throw new ZkraftError(
      'invalid_depth',
      `a tree of depth ${requested} holds ${2 ** requested} leaves, not ${leafCount}; leave depth out or raise it`,
      { field: 'depth' },
    );
  }
  checkDepth(defaultDepth);
  const depth = [defaultDepth, ...LISTED_DEPTHS].find(fits);
  if (depth === undefined) {
    throw new ZkraftError('invalid_depth', `no listed depth holds ${leafCount} leaves`, { field: 'depth' });
  }
  return depth;
}

/** What is compiled for one depth: the template with its `main`. Throws `invalid_depth`. */
export function merkleSource(depth: number): CircomSource {
  checkDepth(depth);
  return {
    text: [
      'pragma circom 2.1.6;',
      'include "merkle-inclusion.circom";',
      `component main {public [root, externalHash]} = MerkleInclusion(${depth});`,
      '',
    ].join('\n'),
    includePaths: [CIRCUIT_DIR],
    simplification: 2,
  };
}

export interface SetUpMerkleOptions extends SetUpOptions {
  readonly depth: number;
}

/** The pinned circuit of this depth, made now if it was not there. Rejects as `setUpCircuit` does. */
export async function setUpMerkleCircuit(options: SetUpMerkleOptions): Promise<SetUpResult> {
  const { depth, ...rest } = options;
  return await setUpCircuit({
    ...rest,
    circuitId: merkleCircuitId(depth),
    source: { circom: merkleSource(depth) },
    merkleDepth: depth,
  });
}
