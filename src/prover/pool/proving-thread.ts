/**
 * The module that a proving thread runs: one task at a time, never throwing (see thread-pool.ts).
 *
 * It keeps the witness programs of the circuits used last; everything else of a circuit is in shared memory.
 */
import { parentPort } from 'node:worker_threads';
import { invariant, R, unpackElements, ZkraftError } from '../../common/index.ts';
import type { ProverBackend } from '../backend.ts';
import {
  type Groth16Proof,
  parseProof,
  parsePublicSignals,
  parseVerificationKey,
  type Witness,
  witnessValue,
} from '../formats/index.ts';
import { explainMerkle, MerkleTree, merkleInput, merkleWires } from '../merkle/index.ts';
import { snarkjsBackend } from '../snarkjs/index.ts';
import type { BackendName, CircuitInput, ProveStage } from '../types.ts';
import type { RunOptions } from '../witness/index.ts';
import { ProgramCache } from './program-cache.ts';
import type { MerkleTask, PathAnswer, ProvedAnswer, ProvingTask, SharedCircuit, TreeTask } from './tasks.ts';
import type { PoolAnswer, PoolEvent, PoolOrder } from './thread-pool.ts';

const programs = new ProgramCache();

export default async function handle(order: PoolOrder<ProvingTask>): Promise<PoolAnswer> {
  try {
    return { ok: await perform(order.task, (stage) => say({ taskId: order.id, event: { stage } })) };
  } catch (error) {
    return { error: ZkraftError.from(error).toJSON() };
  }
}

const say = (event: PoolEvent): void => parentPort?.postMessage(event);

function backendOf(name: BackendName): ProverBackend {
  if (name === 'snarkjs') return snarkjsBackend;
  throw new ZkraftError('backend_unavailable', `backend ${name} is not part of this build; use snarkjs`, {
    field: 'backend',
  });
}

async function perform(task: ProvingTask, onStage: (stage: ProveStage) => void): Promise<unknown> {
  const backend = backendOf(task.backend);
  switch (task.kind) {
    case 'warm':
      await backend.warm(task.circuit && keyOf(task.circuit));
      if (task.circuit) programs.get(task.circuit.digest, task.circuit.wasm);
      return undefined;
    case 'prove':
      return await prove(backend, task.circuit, task.input, {}, onStage, () => {});
    case 'prove-merkle':
      return await proveMerkle(backend, task.circuit, task.statement, onStage);
    case 'verify': {
      const verificationKey = parseVerificationKey(task.verificationKey);
      const publicSignals = parsePublicSignals(task.publicSignals, verificationKey.nPublic);
      return await backend.verify(verificationKey, parseProof(task.proof), publicSignals);
    }
    case 'merkle-root':
      return (await treeOf(backend, task.tree)).root;
    case 'merkle-path':
      return (await treeOf(backend, task.tree)).path(task.leafIndex) satisfies PathAnswer;
  }
}

async function treeOf(backend: ProverBackend, task: TreeTask): Promise<MerkleTree> {
  return new MerkleTree(await backend.hash2(), unpackElements(task.leaves, 'leaves'), task.depth);
}

const keyOf = (circuit: SharedCircuit) => ({ digest: circuit.digest, zkey: new Uint8Array(circuit.zkey) });

/** Witness, proof, self-check. `check` may look at the witness before anything is proved from it. */
async function prove(
  backend: ProverBackend,
  circuit: SharedCircuit,
  input: CircuitInput,
  options: RunOptions,
  onStage: (stage: ProveStage) => void,
  check: (witness: Witness) => void,
): Promise<ProvedAnswer> {
  const beganAtMs = performance.now();
  onStage('witness');
  const witness = programs.get(circuit.digest, circuit.wasm).run(input, options);
  check(witness);
  const witnessAtMs = performance.now();
  onStage('prove');
  let made: { proof: Groth16Proof; publicSignals: readonly string[] };
  try {
    made = await backend.prove(keyOf(circuit), witness);
  } finally {
    // The program's own memory still holds it; this at least does not.
    witness.values.fill(0);
  }
  const { proof, publicSignals } = made;
  const provedAtMs = performance.now();
  onStage('verify');
  if (!(await verifies(backend, circuit, proof, publicSignals))) {
    throw new ZkraftError(
      'self_check_failed',
      `the fresh proof for ${circuit.circuitId} does not verify; it was thrown away (do zkey and wasm belong together?)`,
    );
  }
  const verifiedAtMs = performance.now();
  return {
    proof,
    publicSignals,
    witnessMs: witnessAtMs - beganAtMs,
    proveMs: provedAtMs - witnessAtMs,
    verifyMs: verifiedAtMs - provedAtMs,
  };
}

async function verifies(
  backend: ProverBackend,
  circuit: SharedCircuit,
  proof: Groth16Proof,
  publicSignals: readonly string[],
): Promise<boolean> {
  if (publicSignals.length !== circuit.verificationKey.nPublic) return false;
  return await backend.verify(circuit.verificationKey, proof, publicSignals);
}

async function proveMerkle(
  backend: ProverBackend,
  circuit: SharedCircuit,
  statement: MerkleTask,
  onStage: (stage: ProveStage) => void,
): Promise<ProvedAnswer> {
  const { depth, leafIndex } = statement;
  onStage('witness');
  const beganAtMs = performance.now();
  const leaves = unpackElements(statement.leaves, 'leaves');
  const tree = new MerkleTree(await backend.hash2(), leaves, depth);
  if (statement.root !== undefined && tree.root !== BigInt(statement.root)) {
    throw new ZkraftError('wrong_path', 'the leaves do not have the root that was given', { field: 'root' });
  }
  const path = tree.path(leafIndex);
  const leaf = leaves[leafIndex] ?? 0n;
  const externalHash = BigInt(statement.externalHash);
  const treeMs = performance.now() - beganAtMs;

  // The root is public and the leaf is not: a proof for another leaf of the tree would verify as well. Hence the
  // witness itself must say what it was asked to say.
  const check = (witness: Witness): void => {
    const wires = merkleWires(depth);
    const said = {
      root: witnessValue(witness, wires.root),
      externalHash: witnessValue(witness, wires.externalHash),
      leaf: witnessValue(witness, wires.leaf),
      leafIndex: wires.pathBits.reduce((index, wire, bit) => index + Number(witnessValue(witness, wire)) * 2 ** bit, 0),
    };
    invariant(leaf > 0n && leaf < R, 'a leaf to prove is not the padding');
    invariant(
      said.root === tree.root &&
        said.externalHash === externalHash &&
        said.leaf === leaf &&
        said.leafIndex === leafIndex,
      `the witness program of ${circuit.circuitId} computed another statement than it was given`,
    );
  };
  const input = merkleInput({ leaf, leafIndex, externalHash, path });
  const proved = await prove(
    backend,
    circuit,
    input,
    { explain: explainMerkle },
    (stage) => {
      if (stage !== 'witness') onStage(stage);
    },
    check,
  );
  invariant(
    proved.publicSignals[0] === tree.root.toString() && proved.publicSignals[1] === externalHash.toString(),
    `the proof of ${circuit.circuitId} has other public signals than its statement`,
  );
  return { ...proved, witnessMs: proved.witnessMs + treeMs };
}
