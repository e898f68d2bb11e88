/**
 * The Merkle circuit of one depth as files in a folder, for contenders in processes of their own, and inputs for it.
 *
 * Keys are found in the artifacts or made; they are verified once, here, and not again in each process. All inputs are
 * proofs of membership in one small tree, with another leaf each time, so that nothing can be kept from run to run.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CircuitArtifacts,
  type CircuitInput,
  createProver,
  loadCircuit,
  type MerkleWireMap,
  openDirectoryArtifacts,
  type ProofClaim,
  poseidon2,
  setUpMerkleCircuit,
  type VerificationKey,
} from '../../src/prover/index.ts';
import { merkleInput, SmallMerkleTree } from '../../src/prover/merkle/index.ts';

/** Enough that neighbouring runs differ, few enough to hash in a moment. */
const LEAVES_MAX = 32;

const ZKEY = 'circuit.zkey';
const R1CS = 'circuit.r1cs';
const WASM = 'circuit.wasm';
const REST = 'circuit.json';
const PROOFS_FILE = 'proofs.json';

interface Rest {
  readonly digest: string;
  readonly circuitId: string;
  readonly verificationKey: VerificationKey;
  /** Our own side's wire map, as lists. */
  readonly merkleWires?: {
    readonly depth: number;
    readonly sources: readonly number[];
    readonly packs: readonly number[];
  };
  readonly inputs: readonly CircuitInput[];
}

export interface CircuitFiles {
  readonly directory: string;
  remove(): Promise<void>;
}

export interface PrepareCircuitOptions {
  readonly artifactsDir: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

/** Rejects as `setUpMerkleCircuit` and `loadCircuit` do. */
export async function prepareCircuitFiles(depth: number, options: PrepareCircuitOptions): Promise<CircuitFiles> {
  const { artifactsDir, signal, onProgress } = options;
  const artifacts = await openDirectoryArtifacts(artifactsDir);
  const pinned = await setUpMerkleCircuit({
    depth,
    artifacts,
    ...(signal ? { signal } : {}),
    onProgress: (stage, fraction) => onProgress?.(fraction, `keys for depth ${depth}: ${stage}`),
  });
  const circuit = await loadCircuit(artifacts, pinned, signal ? { signal } : {});
  const rest: Rest = {
    digest: circuit.digest,
    circuitId: circuit.circuitId,
    verificationKey: circuit.verificationKey,
    ...(circuit.merkleWires ? { merkleWires: asLists(circuit.merkleWires) } : {}),
    inputs: await inputsOf(depth),
  };
  const directory = await mkdtemp(join(tmpdir(), 'zkraft-bench-'));
  await writeFile(zkeyPath(directory), circuit.zkey);
  await writeFile(join(directory, R1CS), await artifacts.blobs.get(pinned.manifest.files.r1cs.digest));
  await writeFile(join(directory, WASM), circuit.wasm);
  await writeFile(join(directory, REST), JSON.stringify(rest));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

const asLists = ({ depth, sources, packs }: MerkleWireMap): NonNullable<Rest['merkleWires']> => ({
  depth,
  sources: [...sources],
  packs: [...packs],
});

const fromLists = ({ depth, sources, packs }: NonNullable<Rest['merkleWires']>): MerkleWireMap => ({
  depth,
  sources: Uint32Array.from(sources),
  packs: Uint32Array.from(packs),
});

async function inputsOf(depth: number): Promise<CircuitInput[]> {
  const leaves = Array.from({ length: Math.min(LEAVES_MAX, 2 ** depth) }, (_, i) => BigInt(i + 1) ** 40n);
  const tree = new SmallMerkleTree(await poseidon2(), leaves, depth);
  return leaves.map((leaf, leafIndex) =>
    merkleInput({ leaf, leafIndex, externalHash: 0n, path: tree.path(leafIndex) }),
  );
}

/** So many as one slice of a batch; all differ, as each is made with randomness of its own. */
export const PROOFS = 64;

/** Adds proofs of the inputs, in turn, to what `prepareCircuitFiles` made. */
export async function prepareProofs(directory: string): Promise<void> {
  const { circuit, inputFor } = await readCircuitFiles(directory);
  const prover = await createProver();
  try {
    const runs = Array.from({ length: PROOFS }, (_, i) => prover.prove(circuit, inputFor(i)));
    const proofs = (await Promise.all(runs)).map(({ proof, publicSignals }): ProofClaim => ({ proof, publicSignals }));
    await writeFile(join(directory, PROOFS_FILE), JSON.stringify(proofs));
  } finally {
    await prover.close();
  }
}

/** What `prepareProofs` left there, and the key to verify them with. */
export async function readProofs(
  directory: string,
): Promise<{ readonly verificationKey: VerificationKey; readonly proofs: readonly ProofClaim[] }> {
  const [rest, proofs] = await Promise.all([REST, PROOFS_FILE].map((name) => readFile(join(directory, name), 'utf8')));
  return {
    verificationKey: (JSON.parse(rest ?? '') as Rest).verificationKey,
    proofs: JSON.parse(proofs ?? '') as readonly ProofClaim[],
  };
}

export const zkeyPath = (directory: string): string => join(directory, ZKEY);

export async function readZkey(directory: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(zkeyPath(directory)));
}

export async function readR1cs(directory: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(join(directory, R1CS)));
}

export interface BenchCircuit {
  readonly circuit: CircuitArtifacts;
  /** In turn: run i takes input i, from the first again after the last. */
  inputFor(run: number): CircuitInput;
  readonly inputs: readonly CircuitInput[];
}

/** What `prepareCircuitFiles` left in that folder. */
export async function readCircuitFiles(directory: string): Promise<BenchCircuit> {
  const { inputs, merkleWires, ...rest } = JSON.parse(await readFile(join(directory, REST), 'utf8')) as Rest;
  const wasm = new Uint8Array(await readFile(join(directory, WASM)));
  return {
    circuit: {
      ...rest,
      zkey: await readZkey(directory),
      wasm,
      ...(merkleWires ? { merkleWires: fromLists(merkleWires) } : {}),
    },
    inputs,
    inputFor: (run) => inputs[run % inputs.length] as CircuitInput,
  };
}
