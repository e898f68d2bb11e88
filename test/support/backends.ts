/** Which backends a test of whole proofs runs with: all of ours that can run here, or snarkjs where none can. */
import type { ProverBackend } from '../../src/prover/backend.ts';
import { describeBackends } from '../../src/prover/index.ts';
import { selectKernels } from '../../src/prover/kernels/index.ts';
import type { BackendName } from '../../src/prover/types.ts';
import { WasmHost, WasmThread } from '../../src/prover/wasm/index.ts';
import { pieceRunner } from './piece-runner.ts';

export async function backendsUnderTest(): Promise<readonly BackendName[]> {
  const names = (await describeBackends()).filter(({ available }) => available).map(({ name }) => name);
  const ours = names.filter((name) => name !== 'snarkjs');
  return ours.length > 0 ? ours : names;
}

/** The backend itself, in the caller's own thread, for what a `Prover` lets nobody do. */
export async function loadBackend(name: BackendName): Promise<ProverBackend> {
  if (name === 'snarkjs') return (await import('../../src/prover/snarkjs/index.ts')).snarkjsBackend;
  if (name !== 'wasm') throw new Error(`tell ${import.meta.url} where the backend ${name} is`);
  return await preparingWasm();
}

/** The `wasm` backend, which prepares each key that it is given, as a prover would before it. */
async function preparingWasm(): Promise<ProverBackend> {
  const host = await WasmHost.create({ selected: await selectKernels('auto'), circuitsMax: 2 });
  const thread = await WasmThread.create(host.threadData);
  const run = pieceRunner(host, thread);
  return {
    name: 'wasm',
    warm: (key) => thread.warm(key),
    hash2: () => thread.hash2(),
    verify: (...args) => thread.verify(...args),
    verifyBatch: (...args) => thread.verifyBatch(...args),
    prove: async (key, witness) => {
      const zkey = new SharedArrayBuffer(key.zkey.length);
      new Uint8Array(zkey).set(key.zkey);
      const { circuit, release } = await host.use(key.digest, zkey, run);
      const area = host.takeArea(circuit.proof.bytes);
      try {
        return await thread.prove({ ...key, prepared: { circuit, areaAt: area.at } }, witness);
      } finally {
        host.giveBackArea(area);
        release();
      }
    },
  };
}
