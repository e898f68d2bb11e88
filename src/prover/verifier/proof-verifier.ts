/**
 * The verifier on the caller's own thread: one member of a prover's pool without the pool. What it answers is what
 * `Prover.verify` and `Prover.verifyBatch` answer, second look included.
 */
import { ZkraftError } from '../../common/core.ts';
import { BATCH_SLICE, type BadProof, type ProofClaim } from '../claims.ts';
import type { Groth16Proof, VerificationKey } from '../formats/core.ts';
import { verifyBatchTwice, verifyTwice } from '../wasm/second-opinion.ts';
import type { Verifier } from '../wasm/verifier.ts';
import {
  type ProofVerifier,
  VERIFIER_KERNELS,
  type VerifierKernel,
  type VerifierOptions,
  type VerifierTier,
} from './types.ts';

export class ThreadlessVerifier implements ProofVerifier {
  readonly tier: VerifierTier;
  readonly reasons: readonly string[];
  #verifier: Verifier | undefined;

  constructor(verifier: Verifier, tier: VerifierTier, reasons: readonly string[]) {
    this.#verifier = verifier;
    this.tier = tier;
    this.reasons = reasons;
  }

  async verify(
    verificationKey: VerificationKey,
    proof: Groth16Proof,
    publicSignals: readonly string[],
  ): Promise<boolean> {
    const verifier = this.#open();
    return verifyTwice((...claim) => verifier.verify(...claim), verificationKey, proof, publicSignals);
  }

  async verifyBatch(verificationKey: VerificationKey, items: readonly ProofClaim[]): Promise<readonly BadProof[]> {
    const bad: BadProof[] = [];
    // One slice at least, so that a bad key is refused whatever there is to verify under it.
    for (let from = 0; from === 0 || from < items.length; from += BATCH_SLICE) {
      if (from > 0) await new Promise((resolve) => setTimeout(resolve));
      const verifier = this.#open();
      const slice = items.slice(from, from + BATCH_SLICE);
      const found = verifyBatchTwice((...claims) => verifier.verifyBatch(...claims), verificationKey, slice);
      bad.push(...found.map((member) => ({ ...member, index: from + member.index })));
    }
    return bad;
  }

  close(): void {
    this.#verifier = undefined;
  }

  #open(): Verifier {
    if (this.#verifier) return this.#verifier;
    throw new ZkraftError('shutting_down', 'the verifier was closed');
  }
}

/** Throws `config_invalid`, naming the field. */
export function readKernelChoice({ kernel = 'auto' }: VerifierOptions): VerifierKernel {
  if (VERIFIER_KERNELS.includes(kernel)) return kernel;
  throw new ZkraftError(
    'config_invalid',
    `kernel is ${JSON.stringify(kernel)}; it must be ${VERIFIER_KERNELS.join(', ')}`,
    { field: 'kernel' },
  );
}
