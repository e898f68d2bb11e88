/**
 * True statements with real proofs, few enough to be made in a minute, and many different tasks about them.
 *
 * A proof shows a root, not a leaf, so one proof of a tree is the true answer to a task about any of its leaves. A task
 * is (owner, tree, leaf): the gateway's content hash takes tree and leaf, and is unique for each owner. So a few
 * hundred proofs answer a hundred thousand tasks of which no two are the same request.
 */
import { randomUUID } from 'node:crypto';
import { packElements, toBytesBE } from '../../src/common/index.ts';
import { contentHash } from '../../src/gateway/content-hash.ts';
import {
  type ArtifactStore,
  createProver,
  loadCircuit,
  proofToBytes,
  setUpMerkleCircuit,
} from '../../src/prover/index.ts';
import type { NewTask } from '../../src/store/index.ts';

const DEPTH = 4;
export const LEAVES_PER_TREE = 2 ** DEPTH;
const EXTERNAL_HASH = 0n;
const LANES = 2;

/** A tree whose root was proved. */
export interface Statement {
  readonly leaves: Uint8Array;
  readonly root: Uint8Array;
  /** 256 bytes, as workers report it. */
  readonly proof: Uint8Array;
  readonly publicSignals: Uint8Array[];
}

export interface Statements {
  readonly circuitId: string;
  readonly circuitDigest: string;
  readonly all: readonly Statement[];
}

/** Makes the circuit's keys, pins them in `artifacts`, and proves `trees` trees of 16 leaves. */
export async function proveStatements(artifacts: ArtifactStore, trees: number): Promise<Statements> {
  const circuit = await loadCircuit(artifacts, await setUpMerkleCircuit({ depth: DEPTH, artifacts }));
  const prover = await createProver({ backend: 'wasm', threads: LANES });
  const all: Statement[] = [];
  const lane = async (first: number): Promise<void> => {
    for (let tree = first; tree < trees; tree += LANES) {
      const leaves = Array.from({ length: LEAVES_PER_TREE }, (_, i) => BigInt(1 + tree * LEAVES_PER_TREE + i));
      const statement = { leaves, leafIndex: 0, depth: DEPTH, externalHash: EXTERNAL_HASH };
      const { proof, publicSignals } = await prover.proveMerkle(circuit, statement);
      const signals = publicSignals.map((signal) => toBytesBE(BigInt(signal)));
      const [root] = signals;
      if (root === undefined) throw new Error('the circuit shows no root');
      all[tree] = { leaves: packElements(leaves), root, proof: proofToBytes(proof), publicSignals: signals };
    }
  };
  try {
    await Promise.all(Array.from({ length: LANES }, (_, first) => lane(first)));
    return { circuitId: circuit.circuitId, circuitDigest: circuit.digest, all };
  } finally {
    await prover.close();
  }
}

/** The nth task, as the gateway would insert it: all leaves of a tree in a row, all trees of an owner, then the next owner. */
export function nthTask(statements: Statements, n: number, priority: number): NewTask {
  const { circuitId, circuitDigest, all } = statements;
  const statement = all[Math.floor(n / LEAVES_PER_TREE) % all.length];
  if (statement === undefined) throw new Error('there are no statements to make tasks of');
  const leafIndex = n % LEAVES_PER_TREE;
  const { leaves, root } = statement;
  return {
    owner: `owner-${Math.floor(n / (LEAVES_PER_TREE * all.length))}`,
    contentHash: contentHash({ circuitDigest, depth: DEPTH, leafIndex, externalHash: EXTERNAL_HASH, leaves }),
    circuitId,
    circuitDigest,
    depth: DEPTH,
    leafIndex,
    leaves,
    root,
    externalHash: toBytesBE(EXTERNAL_HASH),
    priority,
    requestId: randomUUID(),
    fresh: false,
  };
}
