/**
 * `zkraft/verifier` in Node: the same verifier, with kernels chosen and read from the disk as a prover's are. With
 * `kernelUrl` or `load` it does what a browser does.
 */
import { selectKernels } from '../kernels/index.ts';
import { Verifier } from '../wasm/verifier.ts';
import { createVerifier as createPageVerifier } from './index.ts';
import { readKernelChoice, ThreadlessVerifier } from './proof-verifier.ts';
import type { ProofVerifier, VerifierOptions } from './types.ts';

export { type ErrorCode, ZkraftError } from '../../common/core.ts';
export type { BadProof, ProofClaim } from '../claims.ts';
export type { Groth16Proof, VerificationKey } from '../formats/snarkjs-json.ts';
export type * from './types.ts';

/** Rejects with `backend_unavailable` when the kernel cannot run here, `config_invalid` naming the option. */
export async function createVerifier(options: VerifierOptions = {}): Promise<ProofVerifier> {
  if (options.kernelUrl !== undefined || options.load !== undefined) return await createPageVerifier(options);
  const { verifying, reasons } = await selectKernels(readKernelChoice(options));
  return new ThreadlessVerifier(await Verifier.create(verifying), verifying.tier === 'int2' ? 'int2' : 'fma2', reasons);
}
