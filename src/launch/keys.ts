/** Keys for the depths that a network on this machine is to serve: made once, kept in a folder, published to the database. */
import { openDirectoryArtifacts, publishCircuit, setUpMerkleCircuit } from '../prover/index.ts';
import type { Store } from '../store/index.ts';

export interface KeyOptions {
  readonly dir: string;
  readonly store: Store;
  readonly depths: readonly number[];
  /** From 0 to 1. */
  readonly onProgress: (fraction: number, stage: string) => void;
  readonly signal?: AbortSignal;
}

export async function publishKeys({ dir, store, depths, onProgress, signal }: KeyOptions): Promise<void> {
  const local = await openDirectoryArtifacts(dir);
  const share = 1 / depths.length;
  for (const [i, depth] of depths.entries()) {
    const circuit = await setUpMerkleCircuit({
      depth,
      artifacts: local,
      onProgress: (stage, fraction) => {
        if (stage !== 'done') onProgress(share * (i + fraction), `keys for depth ${depth}: ${stage}`);
      },
      ...(signal === undefined ? {} : { signal }),
    });
    await publishCircuit(local, store.artifacts, circuit.circuitId);
    onProgress(share * (i + 1), `keys for depth ${depth}`);
    signal?.throwIfAborted();
  }
}
