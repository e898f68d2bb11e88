/**
 * Everything that computes: proofs, verification, trees, keys. Knows nothing of networks. See README.md.
 *
 * Importing this loads no GPL package: snarkjs, circomlibjs and circom2 come in when something needs them, in threads.
 */
import { ZkraftError } from '../common/index.ts';
import { allowedThreads, checkThreads } from './allowed-threads.ts';
import { chooseBackend } from './backends.ts';
import type { SelectedKernels } from './kernels/index.ts';
import { createInlineExecutor, createThreads, PooledProver } from './pool/index.ts';
import { TableCache } from './table-cache/index.ts';
import type { Prover, ProverConfig } from './types.ts';
import { WasmHost } from './wasm/index.ts';

export * from './artifacts/index.ts';
export { type BackendDescription, describeBackends } from './backends.ts';
export * from './circuits/index.ts';
export { BATCH_SLICE } from './claims.ts';
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
export { KERNEL_CHOICES, type KernelChoice, selectKernels } from './kernels/index.ts';
export {
  checkLeafIndex,
  checkLeaves,
  DEFAULT_DEPTH,
  depthFor,
  type Hash2,
  indexBits,
  LISTED_DEPTHS,
  MERKLE_DEPTH_MAX,
  MERKLE_LEAVES_MAX,
  MERKLE_PUBLIC_SIGNALS,
  merkleCircuitDepth,
  merkleCircuitId,
  verifyPath,
} from './merkle/index.ts';
export type { MerkleWireMap } from './merkle-witness/index.ts';
export { verifyGroth16Reference } from './reference/index.ts';
export { checkProvingKey, checkVerificationKey, singlePartySetup } from './setup/index.ts';
/** For callers that hash on their own thread: 50 us a hash. Loads circomlibjs (GPL-3.0) when it is first called. */
export { poseidon2 } from './snarkjs/index.ts';
export { TableCache, type TableCacheOptions, type TableKey } from './table-cache/index.ts';
export * from './tree/index.ts';
export type * from './types.ts';
export type { SumShape } from './wasm/index.ts';

/** A task that waits longer than this many others is better tried elsewhere. */
const QUEUE_MAX = 1024;
/** A listed depth each, with room for a few circuits of others. */
const CIRCUITS_MAX = 8;

/**
 * A prover with threads of its own, started at once. Rejects with `backend_unavailable`, or `config_invalid` naming the
 * field. Close it: idle threads do not keep a process alive, but they keep memory.
 */
export async function createProver(config: ProverConfig = {}): Promise<Prover> {
  const { threads = allowedThreads(), queueMax = QUEUE_MAX, circuitsMax = CIRCUITS_MAX, mode = 'auto' } = config;
  checkThreads(threads);
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
  const { name: backend, selected } = await chooseBackend(config.backend ?? 'auto', config.kernel);
  const host = selected && (await createHost(selected, circuitsMax, config));
  const wasm = host?.threadData;
  const executor =
    threads === 0 ? await createInlineExecutor(queueMax, wasm) : createThreads({ threads, queueMax, wasm });
  return new PooledProver({ backend, executor, circuitsMax, mode, ...(host ? { host } : {}) });
}

async function createHost(selected: SelectedKernels, circuitsMax: number, config: ProverConfig): Promise<WasmHost> {
  const { tableCacheDir, tableBytesMax, onTrouble } = config;
  return await WasmHost.create({
    selected,
    circuitsMax,
    ...(tableBytesMax === undefined ? {} : { tableBytesMax }),
    ...(tableCacheDir === undefined
      ? {}
      : {
          cache: new TableCache({
            dir: tableCacheDir,
            ...(onTrouble ? { onTrouble: ({ message }) => onTrouble(message) } : {}),
          }),
        }),
  });
}
