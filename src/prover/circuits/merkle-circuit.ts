/**
 * The project's own circuit, and how a depth of it gets its keys: each depth is a circuit of its own, `merkle-<depth>`.
 * Which depth a task gets is told in ../merkle/depth.ts.
 */
import { fileURLToPath } from 'node:url';
import { checkDepth, merkleCircuitId } from '../merkle/index.ts';
import type { CircomSource } from './compile.ts';
import { type SetUpOptions, type SetUpResult, setUpCircuit } from './set-up.ts';

const CIRCUIT_DIR = fileURLToPath(new URL('../../../circuits/merkle/', import.meta.url));

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
