/**
 * What a set-up can ask of a thread: the contract between the two arithmetics (kernel-arithmetic.ts,
 * reference-arithmetic.ts) and job-runner.ts.
 *
 * Secrets travel in shared memory only, so that there is one copy, which the asker overwrites at the end.
 */
import type { ErrorJson } from '../../common/index.ts';
import type { R1cs, VerificationKey, ZkeyHeader } from '../formats/index.ts';
import type { KernelModule } from '../kernels/index.ts';
import type { FixedBaseShape, FixedBaseTable } from '../wasm/index.ts';

/** Given to a thread when it starts; undefined where it computes in BigInt. */
export type ThreadKernels =
  | {
      readonly kernel: KernelModule;
      readonly memory: WebAssembly.Memory;
      /** `multiplyWorkBytes` of the memory, for this thread alone. */
      readonly workAt: number;
    }
  | undefined;

/** Parses the circuit. `r1cs_invalid` when it is malformed or too large. */
export interface ReadJob {
  readonly kind: 'read';
  /** In shared memory: the rows that come back are a view of it. */
  readonly r1cs: Uint8Array;
}

export interface ReadCircuit {
  readonly r1cs: R1cs;
  readonly domainSize: number;
}

/** The key's coefficient section, and every scalar of the key into the threads' memory (`KeyCounts`). */
export interface ScalarsJob {
  readonly kind: 'scalars';
  readonly circuit: ReadCircuit;
  /** A memory of its own, shared with the asker, who overwrites it. */
  readonly scratch: WebAssembly.Memory;
  readonly trapdoorAt: number;
  readonly g1At: number;
  readonly g2At: number;
}

/** The table of a generator, at an address of the threads' memory. */
export interface TableJob {
  readonly kind: 'table';
  readonly shape: FixedBaseShape;
  readonly at: number;
}

/** Multiplies a generator by scalars in the threads' memory; answers with affine points in Montgomery form. */
export interface MultiplyJob {
  readonly kind: 'multiply';
  readonly table: FixedBaseTable;
  readonly scalarsAt: number;
  readonly count: number;
}

/** Coefficient section and scalars, in BigInt. */
export interface ReferenceScalarsJob {
  readonly kind: 'reference-scalars';
  readonly circuit: ReadCircuit;
  /** TRAPDOOR_BYTES */
  readonly trapdoor: SharedArrayBuffer;
}

/** The scalars, 32 bytes little-endian each, in the order of `KeyCounts`. */
export interface ReferenceScalars {
  readonly coefficients: Uint8Array;
  readonly g1: SharedArrayBuffer;
  readonly g2: SharedArrayBuffer;
}

/** As `MultiplyJob`, in BigInt: the scalars from..to. */
export interface ReferenceMultiplyJob {
  readonly kind: 'reference-multiply';
  readonly group: 'g1' | 'g2';
  readonly scalars: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
}

/** From what a zkey's verification key is made of. */
export interface VerificationKeyJob {
  readonly kind: 'verification-key';
  readonly header: ZkeyHeader;
  readonly ic: Uint8Array;
}

/** What each kind of job is answered with. */
interface Results {
  readonly read: ReadCircuit;
  readonly scalars: Uint8Array;
  readonly table: FixedBaseTable;
  readonly multiply: Uint8Array;
  readonly 'reference-scalars': ReferenceScalars;
  readonly 'reference-multiply': Uint8Array;
  readonly 'verification-key': VerificationKey;
}

export type Job =
  | ReadJob
  | ScalarsJob
  | TableJob
  | MultiplyJob
  | ReferenceScalarsJob
  | ReferenceMultiplyJob
  | VerificationKeyJob;

export type Result<J extends Job = Job> = Results[J['kind']];

export interface Answer {
  readonly result?: Result;
  readonly error?: ErrorJson;
}
