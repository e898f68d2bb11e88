/**
 * The JSON that snarkjs reads and writes for Groth16: proof, verification key.
 *
 * Numbers are decimal strings. Points are projective with z = 1 (a G2 coordinate is [c0, c1], the value c0 + c1 u).
 */
export type G1Json = readonly [string, string, string];
export type G2Json = readonly [readonly [string, string], readonly [string, string], readonly [string, string]];

export interface Groth16Proof {
  readonly pi_a: G1Json;
  readonly pi_b: G2Json;
  readonly pi_c: G1Json;
  readonly protocol: 'groth16';
  readonly curve: 'bn128';
}

export interface VerificationKey {
  readonly protocol: 'groth16';
  readonly curve: 'bn128';
  readonly nPublic: number;
  readonly vk_alpha_1: G1Json;
  readonly vk_beta_2: G2Json;
  readonly vk_gamma_2: G2Json;
  readonly vk_delta_2: G2Json;
  /** e(alpha, beta) as snarkjs exports it; verifiers recompute it. */
  readonly vk_alphabeta_12?: unknown;
  /** One point more than there are public signals. */
  readonly IC: readonly G1Json[];
}
