/**
 * What a set-up thread can be asked for: the contract between single-party.ts and thread.ts.
 *
 * Secret scalars travel in SharedArrayBuffers only, so that there is one copy, which the asker overwrites at the end.
 */
import type { ErrorJson } from '../../common/index.ts';
import type { VerificationKey } from '../formats/index.ts';

/** Parses the circuit and computes every scalar of its key. `r1cs_invalid` when it is malformed or too large. */
export interface PrepareJob {
  readonly kind: 'prepare';
  readonly r1cs: Uint8Array;
  readonly domainSizeMax: number;
  /** TRAPDOOR_BYTES */
  readonly trapdoor: SharedArrayBuffer;
}

/** The scalars in the order of sections, 32 bytes little-endian each. */
export interface Prepared {
  readonly wires: number;
  readonly publics: number;
  readonly domainSize: number;
  readonly coefficients: Uint8Array;
  /** alpha, beta, delta, then IC, A, B1, C, H */
  readonly g1: SharedArrayBuffer;
  /** beta, gamma, delta, then B2 */
  readonly g2: SharedArrayBuffer;
}

/** Multiplies the generator by the scalars from..to; answers with affine points in Montgomery form. */
export interface MultiplyJob {
  readonly kind: 'multiply';
  readonly group: 'g1' | 'g2';
  readonly scalars: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
}

export interface VerificationKeyJob {
  readonly kind: 'verification-key';
  readonly zkey: Uint8Array;
}

export type Job = PrepareJob | MultiplyJob | VerificationKeyJob;

export type Result<J extends Job> = J extends PrepareJob
  ? Prepared
  : J extends MultiplyJob
    ? Uint8Array
    : VerificationKey;

export interface Answer {
  readonly result?: Prepared | Uint8Array | VerificationKey;
  readonly error?: ErrorJson;
}
