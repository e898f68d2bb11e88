/**
 * The seam inside a proving thread: what does the arithmetic.
 *
 * One backend lives in each thread and is asked for one thing at a time. It is trusted with nothing: inputs were
 * checked before it is called, and every proof that it returns is verified before it leaves the thread.
 */
import type { BadProof, UncheckedClaim } from './claims.ts';
import type { Groth16Proof, VerificationKey, Witness } from './formats/index.ts';
import type { Hash2 } from './merkle/index.ts';
import type { BackendName } from './types.ts';
import type { PreparedCircuit } from './wasm/index.ts';

export type { UncheckedClaim } from './claims.ts';

export interface ProvingKey {
  /** Names the circuit's files; what a backend prepares from a key it may keep under this name. */
  readonly digest: string;
  /** snarkjs's zkey, in memory that all threads share: read it, never write. */
  readonly zkey: Uint8Array;
  readonly verificationKey?: VerificationKey;
  /** For backends that prepare keys in memory of their own: where the circuit is, and an area for this proof. */
  readonly prepared?: { readonly circuit: PreparedCircuit; readonly areaAt?: number };
}

export interface ProverBackend {
  readonly name: BackendName;
  /** Loads and prepares what a first proof with this key would otherwise wait for; without a key, what any needs. */
  warm(key?: ProvingKey): Promise<void>;
  /** A fresh proof, not yet verified. Throws `zkey_invalid`, or `wtns_invalid` when key and witness are of two circuits. */
  prove(key: ProvingKey, witness: Witness): Promise<{ proof: Groth16Proof; publicSignals: readonly string[] }>;
  /** Parses strictly what it is given: `vkey_invalid`, `key_refused`, `proof_malformed`, `public_signals_malformed`. */
  verify(verificationKey: unknown, proof: unknown, publicSignals: unknown): Promise<boolean>;
  /** The members that do not hold, in order, the malformed with their error. Throws `vkey_invalid`, `key_refused`. */
  verifyBatch(verificationKey: unknown, items: readonly UncheckedClaim[]): Promise<BadProof[]>;
  /** circomlib's Poseidon(2). */
  hash2(): Promise<Hash2>;
}
