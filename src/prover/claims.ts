/** What a verifier is asked and what it answers, wherever it runs. */
import type { ZkraftError } from '../common/core.ts';
import type { Groth16Proof } from './formats/snarkjs-json.ts';

/**
 * Of a batch, to one thread. Twice as many would be 5 % cheaper each; but a thread that answers soon can do something
 * else in between, and what two threads share is in even parts.
 */
export const BATCH_SLICE = 64;

/** A proof, and what it is said to prove: snarkjs's JSON. */
export interface ProofClaim {
  readonly proof: Groth16Proof;
  /** Decimal strings, in the circuit's order. */
  readonly publicSignals: readonly string[];
}

/** A member of a batch that does not hold. */
export interface BadProof {
  /** In the list that was given, from 0. */
  readonly index: number;
  /** What `verify` would reject with, where it is malformed; without it, `verify` would say false. */
  readonly error?: ZkraftError;
  /**
   * False when only one verifier has looked: more were bad than get a second look (four in each slice of 64). Who has
   * to be sure of such a one asks `verify`.
   */
  readonly confirmed: boolean;
}

/** As it came from outside. */
export interface UncheckedClaim {
  readonly proof: unknown;
  readonly publicSignals: unknown;
}
