import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { VerificationKey } from '../../src/prover/formats/index.ts';
import {
  type CircuitArtifacts,
  type CircuitInput,
  circuitFromFiles,
  createProver,
  type Prover,
} from '../../src/prover/index.ts';
import { backendsUnderTest } from '../support/backends.ts';
import {
  type ForeignPackage,
  foreignPackage,
  HYDRA_S1,
  HYDRA_S2,
  HYDRA_S3,
  OutOfReach,
  UNIREP,
} from '../support/foreign-packages.ts';
import { closeSnarkjs, snarkjsVerify } from '../support/snarkjs-oracle.ts';

interface ForeignCircuit {
  readonly name: string;
  readonly from: ForeignPackage;
  /** In the package. */
  readonly files: { readonly zkey: string; readonly wasm: string; readonly vkey: string };
  readonly wires: number;
  readonly input: () => Promise<CircuitInput>;
  /** Public signals that follow from the input, by place. */
  readonly expected?: Readonly<Record<number, string>>;
}

const zeros = (count: number): string[] => new Array<string>(count).fill('0');

interface Circomlibjs {
  buildPoseidon(): Promise<((inputs: readonly bigint[]) => Uint8Array) & { F: Field }>;
  buildEddsa(): Promise<{
    F: Field;
    prv2pub(key: Uint8Array): [Uint8Array, Uint8Array];
    signPoseidon(key: Uint8Array, message: Uint8Array): { R8: [Uint8Array, Uint8Array]; S: bigint };
  }>;
}
interface Field {
  e(value: bigint): Uint8Array;
  toObject(element: Uint8Array): bigint;
}

const circomlibjs = async (): Promise<Circomlibjs> => (await import('circomlibjs')) as unknown as Circomlibjs;

const unirep = (name: string) => ({
  zkey: `zksnarkBuild/${name}.zkey`,
  wasm: `zksnarkBuild/${name}.wasm`,
  vkey: `zksnarkBuild/${name}.vkey.json`,
});
const hydra = (name: string) => ({
  zkey: `lib/cjs/${name}.zkey`,
  wasm: `lib/cjs/${name}.wasm`,
  vkey: `lib/cjs/${name}-verification-key.json`,
});
const member = { identity_secret: '123456789', attester_id: '1000', epoch: '7', chain_id: '10' };

/** Sismo's vault proof with nothing but the vault itself to show. */
async function vaultInput(words: 'statement' | 'claim'): Promise<CircuitInput> {
  const poseidon = await (await circomlibjs()).buildPoseidon();
  const vault = poseidon.F.toObject(poseidon([31415n, 27182n])).toString();
  return {
    vaultSecret: '31415',
    vaultNamespace: '27182',
    vaultIdentifier: vault,
    sourceIdentifier: '0',
    sourceSecret: '0',
    sourceCommitmentReceipt: zeros(3),
    destinationIdentifier: '0',
    destinationSecret: '0',
    destinationCommitmentReceipt: zeros(3),
    ...(words === 'claim' ? { sourceVaultNamespace: '0', destinationVaultNamespace: '0' } : {}),
    accountsTreeRoot: '0',
    accountMerklePathElements: zeros(20),
    accountMerklePathIndices: zeros(20),
    registryMerklePathElements: zeros(20),
    registryMerklePathIndices: zeros(20),
    registryTreeRoot: '0',
    sourceValue: '0',
    commitmentMapperPubKey: zeros(2),
    requestIdentifier: '0',
    proofIdentifier: '0',
    accountsTreeValue: '0',
    [`${words}Value`]: '0',
    [`${words}Comparator`]: '0',
    sourceVerificationEnabled: '0',
    destinationVerificationEnabled: '0',
    extraData: '42',
  };
}

/** Two signed accounts, one of them a leaf of a tree that is a leaf of another. */
async function accountInput(): Promise<CircuitInput> {
  const { buildPoseidon, buildEddsa } = await circomlibjs();
  const [poseidon, eddsa] = [await buildPoseidon(), await buildEddsa()];
  const hash = (...inputs: bigint[]): bigint => poseidon.F.toObject(poseidon(inputs));
  const mapper = new Uint8Array(32).fill(7);
  const receipt = (address: bigint, secret: bigint): string[] => {
    const { R8, S } = eddsa.signPoseidon(mapper, eddsa.F.e(hash(address, hash(secret))));
    return [...R8.map((c) => eddsa.F.toObject(c)), S].map(String);
  };
  const climb = (leaf: bigint): bigint => zeros(20).reduce((node) => hash(node, 0n), leaf);
  const [source, destination, sourceSecret, destinationSecret, value, nullifier] = [11n, 12n, 13n, 14n, 5n, 99n];
  const accountsTreeRoot = climb(hash(source, value));
  return {
    sourceIdentifier: `${source}`,
    sourceSecret: `${sourceSecret}`,
    sourceCommitmentReceipt: receipt(source, sourceSecret),
    destinationIdentifier: `${destination}`,
    destinationSecret: `${destinationSecret}`,
    destinationCommitmentReceipt: receipt(destination, destinationSecret),
    accountsTreeRoot: `${accountsTreeRoot}`,
    accountMerklePathElements: zeros(20),
    accountMerklePathIndices: zeros(20),
    registryMerklePathElements: zeros(20),
    registryMerklePathIndices: zeros(20),
    registryTreeRoot: `${climb(hash(accountsTreeRoot, 77n))}`,
    accountsTreeValue: '77',
    sourceValue: `${value}`,
    claimedValue: `${value}`,
    isStrict: '1',
    chainId: '10',
    commitmentMapperPubKey: eddsa.prv2pub(mapper).map((c) => `${eddsa.F.toObject(c)}`),
    externalNullifier: `${nullifier}`,
    nullifier: `${hash(hash(sourceSecret, 1n), nullifier)}`,
  };
}

const CIRCUITS: readonly ForeignCircuit[] = [
  { name: "UniRep's sign-up", from: UNIREP, files: unirep('signup'), wires: 936, input: async () => member },
  {
    name: "UniRep's light epoch key",
    from: UNIREP,
    files: unirep('epochKeyLite'),
    wires: 505,
    input: async () => ({ ...member, nonce: '1', reveal_nonce: '1', sig_data: '555' }),
    expected: { 2: '555' },
  },
  {
    name: "UniRep's nullifier of a scope",
    from: UNIREP,
    files: unirep('scopeNullifier'),
    wires: 6581,
    input: async () => ({
      ...member,
      nonce: '0',
      reveal_nonce: '0',
      sig_data: '556',
      scope: '8',
      data: ['1', '2', '3', '4', '5', '6'],
      state_tree_indices: zeros(17).map((_, i) => String(i % 2)),
      state_tree_elements: zeros(17).map((_, i) => String(i + 100)),
    }),
    expected: { 4: '556', 5: '8' },
  },
  { name: "Sismo's Hydra S1", from: HYDRA_S1, files: hydra('hydra-s1'), wires: 20_802, input: accountInput },
  {
    name: "Sismo's Hydra S2",
    from: HYDRA_S2,
    files: hydra('hydra-s2'),
    wires: 21_122,
    input: () => vaultInput('statement'),
  },
  {
    name: "Sismo's Hydra S3",
    from: HYDRA_S3,
    files: hydra('hydra-s3'),
    wires: 21_871,
    input: () => vaultInput('claim'),
  },
];

interface Loaded {
  readonly circuit: CircuitArtifacts;
  readonly verificationKey: VerificationKey;
  readonly input: CircuitInput;
}

const BACKENDS = await backendsUnderTest();

describe('keys of other projects', () => {
  const loaded = new Map<string, Loaded>();
  const missed = new Map<string, string>();

  before(async () => {
    // circomlibjs makes snarkjs forget its curve: it comes first.
    await circomlibjs();
    for (const { name, from, files, input } of CIRCUITS) {
      try {
        const folder = await foreignPackage(from);
        const circuit = await circuitFromFiles({
          zkey: await readFile(join(folder, files.zkey)),
          wasm: await readFile(join(folder, files.wasm)),
        });
        const verificationKey = JSON.parse(await readFile(join(folder, files.vkey), 'utf8')) as VerificationKey;
        loaded.set(name, { circuit, verificationKey, input: await input() });
      } catch (error) {
        if (!(error instanceof OutOfReach)) throw error;
        missed.set(name, error.message);
      }
    }
  });
  after(closeSnarkjs);

  it('are all here, or those that are not are counted', (t) => {
    t.diagnostic(`${loaded.size} of ${CIRCUITS.length} circuits of other projects are here`);
    for (const [name, why] of missed) t.diagnostic(`${name}: ${why}`);
    assert.equal(loaded.size + missed.size, CIRCUITS.length);
    if (missed.size > 0) t.skip(`${missed.size} could not be fetched`);
  });

  for (const { name, wires } of CIRCUITS) {
    it(`${name}: the verification key inside the proving key is the one that was published`, (t) => {
      const found = loaded.get(name);
      if (!found) return t.skip('could not be fetched');
      const { circuit, verificationKey } = found;
      const published = JSON.parse(JSON.stringify(verificationKey)) as Record<string, unknown>;
      const inside = JSON.parse(JSON.stringify(circuit.verificationKey)) as Record<string, unknown>;
      for (const field of ['nPublic', 'vk_alpha_1', 'vk_beta_2', 'vk_gamma_2', 'vk_delta_2', 'vk_alphabeta_12', 'IC']) {
        assert.deepEqual(inside[field], published[field], field);
      }
      assert.ok(circuit.zkey.length > 64 * wires);
    });
  }

  for (const backend of BACKENDS) {
    describe(`with backend ${backend}`, () => {
      let prover: Prover;
      before(async () => {
        prover = await createProver({ backend, threads: 1 });
      });
      after(() => prover.close());

      for (const { name, expected = {} } of CIRCUITS) {
        it(`${name}: proofs verify by snarkjs under the key that was published, and for nothing else`, async (t) => {
          const found = loaded.get(name);
          if (!found) return t.skip('could not be fetched');
          const { circuit, verificationKey, input } = found;
          const { proof, publicSignals } = await prover.prove(circuit, input);
          for (const [at, value] of Object.entries(expected)) assert.equal(publicSignals[Number(at)], value);
          assert.equal(await snarkjsVerify(verificationKey, publicSignals, proof), true);
          const others = [...publicSignals];
          others[0] = String(BigInt(others[0] ?? 0) ^ 1n);
          assert.equal(await snarkjsVerify(verificationKey, others, proof), false);
        });
      }
    });
  }
});
