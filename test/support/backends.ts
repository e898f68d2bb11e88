/** Which backends a test of whole proofs runs with: all of ours that can run here, or snarkjs where none can. */
import type { ProverBackend } from '../../src/prover/backend.ts';
import { describeBackends } from '../../src/prover/index.ts';
import type { BackendName } from '../../src/prover/types.ts';

export async function backendsUnderTest(): Promise<readonly BackendName[]> {
  const names = (await describeBackends()).filter(({ available }) => available).map(({ name }) => name);
  const ours = names.filter((name) => name !== 'snarkjs');
  return ours.length > 0 ? ours : names;
}

/** The backend itself, in the caller's own thread, for what a `Prover` lets nobody do. */
export async function loadBackend(name: BackendName): Promise<ProverBackend> {
  if (name === 'snarkjs') return (await import('../../src/prover/snarkjs/index.ts')).snarkjsBackend;
  throw new Error(`tell ${import.meta.url} where the backend ${name} is`);
}
