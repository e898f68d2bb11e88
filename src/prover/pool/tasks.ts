/**
 * What a proving thread is asked, and what it answers: plain data, as it crosses by structured clone.
 *
 * Keys and witness programs are in shared memory, so a circuit costs a pointer to send, not its megabytes, and is in
 * memory once for all threads. Field elements are packed, 32 bytes each, big-endian.
 */
import type { ErrorJson } from '../../common/index.ts';
import type { UncheckedClaim } from '../backend.ts';
import type { Groth16Proof, VerificationKey } from '../formats/index.ts';
import type { MerkleWireMap } from '../merkle-witness/index.ts';
import type { BackendName, CircuitInput, ProveStage } from '../types.ts';
import type { PlainPoint, PreparedCircuit, PrepareTask, SumPart, Sums } from '../wasm/index.ts';

export interface SharedCircuit {
  readonly digest: string;
  readonly circuitId: string;
  readonly zkey: SharedArrayBuffer;
  readonly wasm: SharedArrayBuffer;
  readonly verificationKey: VerificationKey;
  readonly merkleWires?: MerkleWireMap;
  /** For the `wasm` backend: the key in the kernels' memory. */
  readonly prepared?: PreparedCircuit;
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
      /** For the `wasm` backend: the proof's own area, taken when the task begins. */
      areaAt?: number;
      /** Only the witness, into the area: others prove from it. */
      readonly witnessOnly?: true;
    }
  | {
      readonly kind: 'prove-merkle';
      readonly backend: BackendName;
      readonly circuit: SharedCircuit;
      readonly statement: MerkleTask;
      areaAt?: number;
      readonly witnessOnly?: true;
    }
  /** Parts of a proof whose witness is in its area, for several threads. */
  | { readonly kind: 'quotient'; readonly backend: 'wasm'; readonly circuit: PreparedCircuit; readonly areaAt: number }
  | {
      readonly kind: 'sums';
      readonly backend: 'wasm';
      readonly circuit: PreparedCircuit;
      readonly areaAt: number;
      readonly parts: readonly (readonly SumPart[])[];
      /** An area of its own, as large as a proof's work area. */
      workAt?: number;
    }
  | {
      readonly kind: 'finish';
      readonly backend: 'wasm';
      readonly circuit: SharedCircuit;
      readonly areaAt: number;
      readonly sums: Sums;
      readonly publicSignals: readonly string[];
    }
  | { readonly kind: 'prepare'; readonly backend: 'wasm'; readonly piece: PrepareTask }
  | {
      readonly kind: 'verify';
      readonly backend: BackendName;
      readonly verificationKey: unknown;
      readonly proof: unknown;
      readonly publicSignals: unknown;
    }
  | {
      readonly kind: 'verify-batch';
      readonly backend: BackendName;
      readonly verificationKey: unknown;
      readonly items: readonly UncheckedClaim[];
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

export interface WitnessAnswer {
  readonly publicSignals: readonly string[];
  readonly witnessMs: number;
}

export type SumsAnswer = readonly (PlainPoint | null)[];

/** Of a batch: what is bad, with errors in the form that crosses threads. */
export type BatchAnswer = readonly {
  readonly index: number;
  readonly error?: ErrorJson;
  readonly confirmed: boolean;
}[];

export interface PathAnswer {
  readonly root: bigint;
  readonly siblings: readonly bigint[];
}

export interface StageEvent {
  readonly stage: ProveStage;
}
