/** Copies a pinned circuit from one store to another: from the folder it was made in to the network's database. */
import { ZkraftError } from '../../common/index.ts';
import type { ArtifactStore, PinnedCircuit } from './types.ts';

/**
 * Copies the circuit's manifest and files, then pins it in `to`. Where another was pinned there before, that one is
 * returned and stays. Blobs are verified as they are read. Throws `circuit_not_found` when `from` has no such circuit.
 */
export async function publishCircuit(
  from: ArtifactStore,
  to: ArtifactStore,
  circuitId: string,
): Promise<PinnedCircuit> {
  const there = await to.circuits.find(circuitId);
  if (there) return there;
  const pinned = await from.circuits.find(circuitId);
  if (!pinned) {
    throw new ZkraftError('circuit_not_found', `circuit ${circuitId} has no keys here; make them with zkraft setup`, {
      field: 'circuitId',
    });
  }
  const files = Object.values(pinned.manifest.files);
  for (const digest of [...files.map((file) => file.digest), pinned.digest]) {
    if (!(await to.blobs.has(digest))) await to.blobs.put(await from.blobs.get(digest));
  }
  return to.circuits.pin(circuitId, pinned.digest);
}
