/** What `zkraft/verifier` gives: the same in browsers (index.ts) and in Node (node.ts). */
import type { BadProof, ProofClaim } from '../claims.ts';
import type { Groth16Proof, VerificationKey } from '../formats/snarkjs-json.ts';

export const VERIFIER_KERNELS = ['auto', 'fma2', 'int2'] as const;
export type VerifierKernel = (typeof VERIFIER_KERNELS)[number];
/** `fma2`: fused multiply-add on f64 lanes. `int2`: integer lanes, which every engine with SIMD has. */
export type VerifierTier = Exclude<VerifierKernel, 'auto'>;

export interface VerifierOptions {
  /** Default `auto`: `fma2` where the engine has it and computes right with it, else `int2`. */
  readonly kernel?: VerifierKernel;
  /** The folder that the kernels' files are served from, where it is not the package's own. */
  readonly kernelUrl?: string | URL;
  /** Gets a file of that folder by its name, for those who fetch in a way of their own. Goes before `kernelUrl`. */
  readonly load?: (file: string) => Promise<Uint8Array | ArrayBuffer>;
}

export interface ProofVerifier {
  readonly tier: VerifierTier;
  /** For people: what was tried and what came of it, in order. */
  readonly reasons: readonly string[];
  /**
   * True or false; malformed input rejects with `proof_malformed`, `public_signals_malformed` or `vkey_invalid`, and a
   * key under which anybody can forge (delta = +-gamma) with `key_refused`. The first proof under a key waits for the
   * key to be prepared; 32 keys are kept.
   */
  verify(verificationKey: VerificationKey, proof: Groth16Proof, publicSignals: readonly string[]): Promise<boolean>;
  /**
   * Which of the claims do not hold, in order; none when all do. The caller's thread is free for a moment after each 64.
   * A bad key rejects, as with `verify`.
   */
  verifyBatch(verificationKey: VerificationKey, items: readonly ProofClaim[]): Promise<readonly BadProof[]>;
  /** Gives up memory and keys; what is asked afterwards rejects with `shutting_down`. May be called again. */
  close(): void;
}
