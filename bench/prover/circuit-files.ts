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
  loadCircuit,
  openDirectoryArtifacts,
  poseidon2,
  setUpMerkleCircuit,
  type VerificationKey,
} from '../../src/prover/index.ts';
import { MerkleTree, merkleInput } from '../../src/prover/merkle/index.ts';

/** Enough that neighbouring runs differ, few enough to hash in a moment. */
const LEAVES_MAX = 32;

const ZKEY = 'circuit.zkey';
const WASM = 'circuit.wasm';
const REST = 'circuit.json';

interface Rest {
  readonly digest: string;
  readonly circuitId: string;
  readonly verificationKey: VerificationKey;
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
    inputs: await inputsOf(depth),
  };
  const directory = await mkdtemp(join(tmpdir(), 'zkraft-bench-'));
  await writeFile(zkeyPath(directory), circuit.zkey);
  await writeFile(join(directory, WASM), circuit.wasm);
  await writeFile(join(directory, REST), JSON.stringify(rest));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

async function inputsOf(depth: number): Promise<CircuitInput[]> {
  const leaves = Array.from({ length: Math.min(LEAVES_MAX, 2 ** depth) }, (_, i) => BigInt(i + 1) ** 40n);
  const tree = new MerkleTree(await poseidon2(), leaves, depth);
  return leaves.map((leaf, leafIndex) =>
    merkleInput({ leaf, leafIndex, externalHash: 0n, path: tree.path(leafIndex) }),
  );
}

export const zkeyPath = (directory: string): string => join(directory, ZKEY);

export async function readZkey(directory: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(zkeyPath(directory)));
}

export interface BenchCircuit {
  readonly circuit: CircuitArtifacts;
  /** In turn: run i takes input i, from the first again after the last. */
  inputFor(run: number): CircuitInput;
  readonly inputs: readonly CircuitInput[];
}

/** What `prepareCircuitFiles` left in that folder. */
export async function readCircuitFiles(directory: string): Promise<BenchCircuit> {
  const { inputs, ...rest } = JSON.parse(await readFile(join(directory, REST), 'utf8')) as Rest;
  const wasm = new Uint8Array(await readFile(join(directory, WASM)));
  return {
    circuit: { ...rest, zkey: await readZkey(directory), wasm },
    inputs,
    inputFor: (run) => inputs[run % inputs.length] as CircuitInput,
  };
}
