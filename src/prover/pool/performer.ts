/**
 * What a proving thread does with its tasks, one at a time; the same code runs on the caller's thread where there are no
 * others.
 *
 * It keeps the witness programs of the circuits used last; everything else of a circuit is in shared memory.
 */
import { invariant, R, unpackElements, ZkraftError } from '../../common/index.ts';
import type { ProverBackend, ProvingKey } from '../backend.ts';
import { type Groth16Proof, type Witness, witnessValue } from '../formats/index.ts';
import { explainMerkle, type Hash2, indexBits, merkleInput, merkleWires, SmallMerkleTree } from '../merkle/index.ts';
import { type MerklePathValues, type MerkleWireMap, nodesOnPath, readMerkleInputs } from '../merkle-witness/index.ts';
import { snarkjsBackend } from '../snarkjs/index.ts';
import type { BackendName, CircuitInput, ProveStage } from '../types.ts';
import { requireWasmThread, type WasmThread } from '../wasm/index.ts';
import type { RunOptions } from '../witness/index.ts';
import { ProgramCache } from './program-cache.ts';
import type {
  BatchAnswer,
  MerkleTask,
  PathAnswer,
  ProvedAnswer,
  ProvingTask,
  SharedCircuit,
  SumsAnswer,
  TreeTask,
  WitnessAnswer,
} from './tasks.ts';

type OnStage = (stage: ProveStage) => void;
type ProofTask = Extract<ProvingTask, { readonly kind: 'prove' | 'prove-merkle' }>;

/** What the witness of a task is made from, and what it must say. */
interface WitnessOrder {
  /** For circom's program. */
  readonly input: () => CircuitInput;
  readonly options: RunOptions;
  /** For our own hasher, where the circuit has a wire map; undefined when it cannot be the Merkle circuit's input. */
  readonly path: (depth: number, hash: Hash2) => MerklePathValues | undefined;
  readonly check: (witness: Witness) => void;
  /** Spent on what came before: the tree. */
  readonly beforeMs: number;
}

export class Performer {
  readonly #programs = new ProgramCache();
  readonly #wasm: WasmThread | undefined;

  /** `wasm`: what the `wasm` backend needs; without it that backend's tasks are refused. */
  constructor(wasm: WasmThread | undefined) {
    this.#wasm = wasm;
  }

  async perform(task: ProvingTask, onStage: OnStage): Promise<unknown> {
    switch (task.kind) {
      case 'warm':
        await this.#backend(task.backend).warm(task.circuit && keyOf(task.circuit, undefined));
        // Where witnesses are filled, circom's program is only for what that refuses.
        if (task.circuit && isFilled(task.backend, task.circuit)) await requireWasmThread(this.#wasm).merkleFiller();
        else if (task.circuit) this.#programs.get(task.circuit.digest, task.circuit.wasm);
        return undefined;
      case 'prove':
      case 'prove-merkle':
        return task.witnessOnly ? await this.#placeWitness(task, onStage) : await this.#prove(task, onStage);
      case 'verify':
        return await this.#backend(task.backend).verify(task.verificationKey, task.proof, task.publicSignals);
      case 'verify-batch': {
        const bad = await this.#backend(task.backend).verifyBatch(task.verificationKey, task.items);
        return bad.map(({ error, ...rest }) =>
          error ? { ...rest, error: error.toJSON() } : rest,
        ) satisfies BatchAnswer;
      }
      case 'merkle-root':
        return (await this.#tree(task.backend, task.tree)).root;
      case 'merkle-path':
        return (await this.#tree(task.backend, task.tree)).path(task.leafIndex) satisfies PathAnswer;
      case 'prepare':
        return requireWasmThread(this.#wasm).prepare(task.piece);
      case 'quotient':
        return requireWasmThread(this.#wasm).computeQuotient(task.circuit, task.areaAt);
      case 'sums':
        invariant(task.workAt !== undefined, 'sums have an area of their own');
        return requireWasmThread(this.#wasm).sums(
          task.circuit,
          task.parts,
          task.areaAt,
          task.workAt,
        ) satisfies SumsAnswer;
      case 'finish': {
        const { circuit, areaAt, sums, publicSignals } = task;
        invariant(circuit.prepared, 'a circuit that is being proved is prepared');
        const beganAtMs = performance.now();
        const proof = requireWasmThread(this.#wasm).assemble(circuit.prepared, sums, areaAt);
        const assembledAtMs = performance.now();
        return await this.#checked(task.backend, circuit, { proof, publicSignals }, onStage, {
          witnessMs: 0,
          proveMs: assembledAtMs - beganAtMs,
        });
      }
    }
  }

  #backend(name: BackendName): ProverBackend {
    if (name === 'snarkjs') return snarkjsBackend;
    if (name === 'wasm') return requireWasmThread(this.#wasm);
    throw new ZkraftError('backend_unavailable', `backend ${name} is not part of this build; use wasm`, {
      field: 'backend',
    });
  }

  async #tree(backend: BackendName, task: TreeTask): Promise<SmallMerkleTree> {
    return new SmallMerkleTree(await this.#backend(backend).hash2(), unpackElements(task.leaves, 'leaves'), task.depth);
  }

  async #order(task: ProofTask): Promise<WitnessOrder> {
    if (task.kind === 'prove') {
      const { input } = task;
      const path = (depth: number, hash: Hash2): MerklePathValues | undefined => {
        const inputs = readMerkleInputs(input, depth);
        return inputs && { ...inputs, nodes: nodesOnPath(hash, inputs) };
      };
      return { input: () => input, options: {}, path, check: () => {}, beforeMs: 0 };
    }
    return await this.#merkleOrder(task.backend, task.circuit, task.statement);
  }

  async #placeWitness(task: ProofTask, onStage: OnStage): Promise<WitnessAnswer> {
    const { circuit, areaAt } = task;
    invariant(circuit.prepared !== undefined && areaAt !== undefined, 'a witness has a place to go to');
    onStage('witness');
    const { witness, witnessMs } = await this.#witness(task);
    try {
      return { publicSignals: requireWasmThread(this.#wasm).begin(circuit.prepared, witness, areaAt), witnessMs };
    } finally {
      witness.values.fill(0);
    }
  }

  /** `check` has looked at it before anything is proved from it. */
  async #witness(task: ProofTask): Promise<{ witness: Witness; witnessMs: number }> {
    const { circuit, backend } = task;
    const order = await this.#order(task);
    const beganAtMs = performance.now();
    const filled = isFilled(backend, circuit) ? await this.#fill(circuit.merkleWires, order) : undefined;
    // What our hasher does not fill, circom's program explains.
    const witness = filled ?? this.#programs.get(circuit.digest, circuit.wasm).run(order.input(), order.options);
    try {
      order.check(witness);
    } catch (error) {
      witness.values.fill(0);
      throw error;
    }
    return { witness, witnessMs: order.beforeMs + performance.now() - beganAtMs };
  }

  async #fill(wires: MerkleWireMap, order: WitnessOrder): Promise<Witness | undefined> {
    const thread = requireWasmThread(this.#wasm);
    const path = order.path(wires.depth, await thread.hash2());
    const filler = await thread.merkleFiller();
    return path && filler.fill(wires, path);
  }

  /** Witness, proof, self-check. */
  async #prove(task: ProofTask, onStage: OnStage): Promise<ProvedAnswer> {
    const { circuit } = task;
    onStage('witness');
    const { witness, witnessMs } = await this.#witness(task);
    const beganAtMs = performance.now();
    onStage('prove');
    let made: Made;
    try {
      made = await this.#backend(task.backend).prove(keyOf(circuit, task.areaAt), witness);
    } finally {
      // The program's own memory still holds it; this at least does not.
      witness.values.fill(0);
    }
    return await this.#checked(task.backend, circuit, made, onStage, {
      witnessMs,
      proveMs: performance.now() - beganAtMs,
    });
  }

  /** The proof, if it verifies: a worker must not let another one out. */
  async #checked(
    backend: BackendName,
    circuit: SharedCircuit,
    { proof, publicSignals }: Made,
    onStage: OnStage,
    times: { readonly witnessMs: number; readonly proveMs: number },
  ): Promise<ProvedAnswer> {
    const beganAtMs = performance.now();
    onStage('verify');
    const { verificationKey, circuitId } = circuit;
    const counted = publicSignals.length === verificationKey.nPublic;
    if (!counted || !(await this.#backend(backend).verify(verificationKey, proof, publicSignals))) {
      throw new ZkraftError(
        'self_check_failed',
        `the fresh proof for ${circuitId} does not verify; it was thrown away (do zkey and wasm belong together?)`,
      );
    }
    return { proof, publicSignals, ...times, verifyMs: performance.now() - beganAtMs };
  }

  async #merkleOrder(backend: BackendName, circuit: SharedCircuit, statement: MerkleTask): Promise<WitnessOrder> {
    const { depth, leafIndex } = statement;
    const beganAtMs = performance.now();
    const leaves = unpackElements(statement.leaves, 'leaves');
    const tree = new SmallMerkleTree(await this.#backend(backend).hash2(), leaves, depth);
    if (statement.root !== undefined && tree.root !== BigInt(statement.root)) {
      throw new ZkraftError('wrong_path', 'the leaves do not have the root that was given', { field: 'root' });
    }
    const path = tree.path(leafIndex);
    const leaf = leaves[leafIndex] ?? 0n;
    const externalHash = BigInt(statement.externalHash);
    const beforeMs = performance.now() - beganAtMs;

    // The root is public and the leaf is not: a proof for another leaf of the tree would verify as well. Hence the
    // witness itself must say what it was asked to say; its public wires are what the proof will show.
    const check = (witness: Witness): void => {
      const wires = merkleWires(depth);
      const said = {
        root: witnessValue(witness, wires.root),
        externalHash: witnessValue(witness, wires.externalHash),
        leaf: witnessValue(witness, wires.leaf),
        leafIndex: wires.pathBits.reduce(
          (index, wire, bit) => index + Number(witnessValue(witness, wire)) * 2 ** bit,
          0,
        ),
      };
      invariant(leaf > 0n && leaf < R, 'a leaf to prove is not the padding');
      invariant(
        said.root === tree.root &&
          said.externalHash === externalHash &&
          said.leaf === leaf &&
          said.leafIndex === leafIndex,
        `what makes the witness of ${circuit.circuitId} computed another statement than it was given`,
      );
    };
    return {
      input: () => merkleInput({ leaf, leafIndex, externalHash, path }),
      options: { explain: explainMerkle },
      path: (circuitDepth) =>
        circuitDepth === depth
          ? {
              root: path.root,
              externalHash,
              leaf,
              siblings: path.siblings,
              pathBits: indexBits(leafIndex, depth).map(BigInt),
              nodes: tree.nodes(leafIndex),
            }
          : undefined,
      check,
      beforeMs,
    };
  }
}

/** Whether our own hasher fills the witnesses of that circuit. */
function isFilled(
  backend: BackendName,
  circuit: SharedCircuit,
): circuit is SharedCircuit & { readonly merkleWires: MerkleWireMap } {
  return backend === 'wasm' && circuit.merkleWires !== undefined;
}

interface Made {
  readonly proof: Groth16Proof;
  readonly publicSignals: readonly string[];
}

function keyOf(circuit: SharedCircuit, areaAt: number | undefined): ProvingKey {
  const { digest, zkey, verificationKey, prepared } = circuit;
  return {
    digest,
    zkey: new Uint8Array(zkey),
    verificationKey,
    ...(prepared === undefined ? {} : { prepared: { circuit: prepared, ...(areaAt === undefined ? {} : { areaAt }) } }),
  };
}
