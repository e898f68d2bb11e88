/**
 * Everything that computes: proofs, verification, trees, keys. Knows nothing of networks. See README.md.
 *
 * Importing this loads no GPL package: snarkjs, circomlibjs and circom2 come in when something needs them, in threads.
 */
import { ZkraftError } from '../common/index.ts';
import { allowedThreads, THREADS_MAX } from './allowed-threads.ts';
import { chooseBackend } from './backends.ts';
import { PooledProver } from './pool/index.ts';
import type { Prover, ProverConfig } from './types.ts';

export * from './artifacts/index.ts';
export { type BackendDescription, describeBackends } from './backends.ts';
export * from './circuits/index.ts';
export {
  type Groth16Proof,
  parseProof,
  parsePublicSignals,
  parseR1cs,
  parseVerificationKey,
  parseWtns,
  parseZkey,
  proofFromBytes,
  proofToBytes,
  signalsFromBytes,
  signalsToBytes,
  spellProof,
  type VerificationKey,
  verificationKeyFromZkey,
} from './formats/index.ts';
export {
  checkLeafIndex,
  checkLeaves,
  type Hash2,
  MERKLE_DEPTH_MAX,
  MERKLE_LEAVES_MAX,
  MERKLE_PUBLIC_SIGNALS,
  MerkleTree,
  merkleCircuitDepth,
  merkleCircuitId,
  verifyPath,
} from './merkle/index.ts';
export { verifyGroth16Reference } from './reference/index.ts';
export { checkProvingKey, checkVerificationKey, singlePartySetup } from './setup/index.ts';
/** For callers that hash on their own thread: 50 us a hash. Loads circomlibjs (GPL-3.0) when it is first called. */
export { poseidon2 } from './snarkjs/index.ts';
export type * from './types.ts';

/** A task that waits longer than this many others is better tried elsewhere. */
const QUEUE_MAX = 1024;
/** A listed depth each, with room for a few circuits of others. */
const CIRCUITS_MAX = 8;

/**
 * A prover with threads of its own, started at once. Rejects with `backend_unavailable`, or `config_invalid` naming the
 * field. Close it: idle threads do not keep a process alive, but they keep memory.
 */
export async function createProver(config: ProverConfig = {}): Promise<Prover> {
  const { threads = allowedThreads(), queueMax = QUEUE_MAX, circuitsMax = CIRCUITS_MAX } = config;
  const backend = await chooseBackend(config.backend ?? 'auto');
  if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
    throw new ZkraftError(
      'config_invalid',
      `threads is ${threads}; it must be a whole number from 1 to ${THREADS_MAX}`,
      {
        field: 'threads',
      },
    );
  }
  if (!Number.isInteger(queueMax) || queueMax < 0) {
    throw new ZkraftError('config_invalid', `queueMax is ${queueMax}; it must be a whole number from 0`, {
      field: 'queueMax',
    });
  }
  if (!Number.isInteger(circuitsMax) || circuitsMax < 1) {
    throw new ZkraftError('config_invalid', `circuitsMax is ${circuitsMax}; it must be a whole number from 1`, {
      field: 'circuitsMax',
    });
  }
  return new PooledProver({ backend, threads, queueMax, circuitsMax });
}
