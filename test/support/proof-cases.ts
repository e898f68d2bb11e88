/** Keys with a witness each, for tests of whole proofs: Merkle circuits, chains, a key of snarkjs's, nothing public. */
import { compileCircuit, merkleSource } from '../../src/prover/circuits/index.ts';
import { type VerificationKey, writeWtns } from '../../src/prover/formats/index.ts';
import { merkleInput, SmallMerkleTree } from '../../src/prover/merkle/index.ts';
import { singlePartySetup } from '../../src/prover/setup/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import { encodeWtns, WitnessProgram } from '../../src/prover/witness/index.ts';
import { chainCircuit, writeR1cs } from './chain-circuit.ts';
import { inMemory, loadSnarkjs, smallPtau } from './snarkjs-oracle.ts';

export interface ProofCase {
  readonly name: string;
  readonly zkey: Uint8Array;
  readonly wtns: Uint8Array;
  readonly verificationKey: VerificationKey;
}

/** A key that snarkjs itself made from powers of tau, with gamma = 1. */
export async function ceremonyCase(): Promise<ProofCase> {
  const circuit = chainCircuit(9);
  const { zKey } = (await loadSnarkjs()) as unknown as {
    zKey: {
      newZKey(r1cs: unknown, ptau: unknown, zkey: unknown): Promise<unknown>;
      contribute(from: unknown, to: unknown, name: string, entropy: string): Promise<unknown>;
      exportVerificationKey(zkey: unknown): Promise<VerificationKey>;
    };
  };
  const [first, last] = [inMemory(), inMemory()];
  await zKey.newZKey(inMemory(circuit.r1cs), inMemory(await smallPtau(5)), first);
  await zKey.contribute(first, last, 'test', 'entropy of a test');
  const zkey = last.data as Uint8Array;
  const verificationKey = await zKey.exportVerificationKey(inMemory(zkey));
  return { name: "a key of snarkjs's", zkey, wtns: writeWtns(circuit.witness(5n, 6n)), verificationKey };
}

export async function merkleCase(depth = 2): Promise<ProofCase> {
  const { r1cs, wasm } = await compileCircuit(merkleSource(depth));
  const tree = new SmallMerkleTree(await poseidon2(), [5n, 6n, 7n], depth);
  const input = merkleInput({ leaf: 6n, leafIndex: 1, externalHash: 2n ** 200n, path: tree.path(1) });
  const wtns = encodeWtns(new WitnessProgram(wasm).run(input));
  return { name: `the Merkle circuit of depth ${depth}`, wtns, ...(await singlePartySetup(r1cs, { threads: 1 })) };
}

export async function chainCase(steps: number, x: bigint): Promise<ProofCase> {
  const circuit = chainCircuit(steps);
  const wtns = writeWtns(circuit.witness(x, 12345n));
  return { name: `a chain of ${steps}`, wtns, ...(await singlePartySetup(circuit.r1cs, { threads: 1 })) };
}

/** x x = 49, and nothing public. */
export async function secretCase(): Promise<ProofCase> {
  const rows = [[[[1, 1n]], [[1, 1n]], [[0, 49n]]]] as const;
  const r1cs = writeR1cs({ wires: 2, outputs: 0, publicInputs: 0, privateInputs: 1, rows });
  return {
    name: 'nothing public',
    wtns: writeWtns([1n, 7n]),
    ...(await singlePartySetup(r1cs, { threads: 1 })),
  };
}
