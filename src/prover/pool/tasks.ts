/**
 * What a proving thread is asked, and what it answers: plain data, as it crosses by structured clone.
 *
 * Keys and witness programs are in shared memory, so a circuit costs a pointer to send, not its megabytes, and is in
 * memory once for all threads. Field elements are packed, 32 bytes each, big-endian.
 */
import type { Groth16Proof, VerificationKey } from '../formats/index.ts';
import type { BackendName, CircuitInput, ProveStage } from '../types.ts';

export interface SharedCircuit {
  readonly digest: string;
  readonly circuitId: string;
  readonly zkey: SharedArrayBuffer;
  readonly wasm: SharedArrayBuffer;
  readonly verificationKey: VerificationKey;
}

export interface TreeTask {
  readonly leaves: Uint8Array;
  readonly depth: number;
}

export interface MerkleTask extends TreeTask {
  readonly leafIndex: number;
  readonly externalHash: string;
  readonly root?: string;
}

export type ProvingTask =
  | { readonly kind: 'warm'; readonly backend: BackendName; readonly circuit?: SharedCircuit }
  | {
      readonly kind: 'prove';
      readonly backend: BackendName;
      readonly circuit: SharedCircuit;
      readonly input: CircuitInput;
    }
  | {
      readonly kind: 'prove-merkle';
      readonly backend: BackendName;
      readonly circuit: SharedCircuit;
      readonly statement: MerkleTask;
    }
  | {
      readonly kind: 'verify';
      readonly backend: BackendName;
      readonly verificationKey: unknown;
      readonly proof: unknown;
      readonly publicSignals: unknown;
    }
  | { readonly kind: 'merkle-root'; readonly backend: BackendName; readonly tree: TreeTask }
  | {
      readonly kind: 'merkle-path';
      readonly backend: BackendName;
      readonly tree: TreeTask;
      readonly leafIndex: number;
    };

export interface ProvedAnswer {
  readonly proof: Groth16Proof;
  readonly publicSignals: readonly string[];
  readonly witnessMs: number;
  readonly proveMs: number;
  readonly verifyMs: number;
}

export interface PathAnswer {
  readonly root: bigint;
  readonly siblings: readonly bigint[];
}

export interface StageEvent {
  readonly stage: ProveStage;
}
