/**
 * Trees with a true proof each, made before anything is measured.
 *
 * A proof shows a root, not a leaf, so one proof of a tree answers every task about a leaf of it. Whoever submits a tree
 * and whoever "proves" it are handed the same list.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { ZkraftError } from '../../src/common/index.ts';
import {
  createProver,
  loadCircuit,
  openDirectoryArtifacts,
  type ProveResult,
  setUpMerkleCircuit,
} from '../../src/prover/index.ts';

export const DEPTH = 8;
export const LEAVES_PER_TREE = 16;
const TREES = 64;

/** As JSON between processes. */
export interface Statement {
  /** Decimal. */
  readonly leaves: readonly string[];
  /** Decimal. */
  readonly root: string;
  readonly result: ProveResult;
}

/** With the keys in `artifactsDir`, which must be there. Rejects with `bench_failed`. */
export async function proveStatements(artifactsDir: string, signal?: AbortSignal): Promise<Statement[]> {
  if (!existsSync(artifactsDir)) throw new ZkraftError('bench_failed', `there are no keys in ${artifactsDir}`);
  const artifacts = await openDirectoryArtifacts(artifactsDir);
  const circuit = await loadCircuit(artifacts, await setUpMerkleCircuit({ depth: DEPTH, artifacts }));
  await using prover = await createProver({ backend: 'auto', threads: availableParallelism() });
  return await Promise.all(
    Array.from({ length: TREES }, async (_, tree): Promise<Statement> => {
      const leaves = Array.from({ length: LEAVES_PER_TREE }, (_, i) => BigInt(1 + tree * LEAVES_PER_TREE + i));
      const result = await prover.proveMerkle(
        circuit,
        { leaves, leafIndex: 0, depth: DEPTH, externalHash: 0n },
        signal === undefined ? {} : { signal },
      );
      const [root] = result.publicSignals;
      if (root === undefined) throw new ZkraftError('bench_failed', 'the circuit shows no root');
      return { leaves: leaves.map(String), root, result };
    }),
  );
}
