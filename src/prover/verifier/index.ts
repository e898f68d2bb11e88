/**
 * Groth16 verification on the page: `import { createVerifier } from 'zkraft/verifier'` in a browser. See README.md.
 *
 * Nothing that this reaches imports a module of Node or a package (a test walks there), and nothing needs threads,
 * shared memory or headers of the server's. `fma2` is one build here, not the faster of two as in Node: a page's clock is
 * too coarse to tell them apart, and the second would be another 0.5 MB to fetch.
 */
import { ZkraftError } from '../../common/core.ts';
import {
  compileKernelModule,
  createUnsharedMemory,
  fusesMultiplyAdd,
  hasRelaxedSimd,
  instantiateKernels,
  type KernelModule,
  requireKnownAnswers,
  withoutSharing,
} from '../kernels/core.ts';
import { Verifier } from '../wasm/verifier.ts';
import { type KernelFile, kernelFiles } from './kernel-files.ts';
import { readKernelChoice, ThreadlessVerifier } from './proof-verifier.ts';
import type { ProofVerifier, VerifierKernel, VerifierOptions, VerifierTier } from './types.ts';

export { type ErrorCode, ZkraftError } from '../../common/core.ts';
export type { BadProof, ProofClaim } from '../claims.ts';
export type { Groth16Proof, VerificationKey } from '../formats/snarkjs-json.ts';
export type * from './types.ts';

const FILES: Readonly<Record<VerifierTier, KernelFile>> = { fma2: 'fma2-memory', int2: 'int2-memory' };

/**
 * Loads the kernels (0.5 MB or 0.7; 0.2 compressed) and tries them. Rejects with `backend_unavailable` where they cannot
 * be had or this engine computes wrong, `config_invalid` naming the option.
 */
export async function createVerifier(options: VerifierOptions = {}): Promise<ProofVerifier> {
  const choice = readKernelChoice(options);
  const get = kernelFiles(options);
  const reasons: string[] = [];
  for (const tier of tiersFor(choice, reasons)) {
    const file = FILES[tier];
    try {
      const module = await compileKernel(file, await get(file));
      reasons.push(`${file}: known answers right`);
      return new ThreadlessVerifier(await Verifier.create(module, createUnsharedMemory()), tier, reasons);
    } catch (thrown) {
      const error = ZkraftError.from(thrown);
      // Where the choice is ours the integer tier is there to fall back to.
      if (choice !== 'auto' || tier === 'int2') throw error;
      reasons.push(`${tier}: ${error.message}`);
    }
  }
  throw new ZkraftError('backend_unavailable', `kernel ${choice} cannot run here: ${reasons.join('; ')}; use auto`, {
    field: 'kernel',
  });
}

/** What is worth fetching, the fastest first. */
function tiersFor(choice: VerifierKernel, reasons: string[]): VerifierTier[] {
  if (choice === 'int2') return ['int2'];
  const last: VerifierTier[] = choice === 'auto' ? ['int2'] : [];
  if (!hasRelaxedSimd()) {
    reasons.push('relaxed SIMD is not in this engine');
    return last;
  }
  if (!fusesMultiplyAdd()) {
    reasons.push('multiply-add: not fused on this processor');
    return last;
  }
  return ['fma2', ...last];
}

async function compileKernel(file: KernelFile, bytes: Uint8Array): Promise<KernelModule> {
  let module: KernelModule;
  try {
    module = await compileKernelModule(file, withoutSharing(bytes));
  } catch (thrown) {
    if (thrown instanceof ZkraftError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ZkraftError('backend_unavailable', `${file} does not compile here: ${why}`, {
      field: 'kernel',
      cause: thrown,
    });
  }
  requireKnownAnswers(await instantiateKernels(module, createUnsharedMemory()));
  return module;
}
