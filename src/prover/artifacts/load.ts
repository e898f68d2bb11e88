/**
 * From stored or given files to a circuit that can be proved, everything verified on the way.
 *
 * Nothing is trusted because it was stored: blobs by digest, sizes and counts against the manifest, the verification
 * key against the zkey, the zkey against the ways in which a key can be a trap.
 */
import { DIGEST_HEX, sha256Hex, slicedSha256Hex, ZkraftError } from '../../common/index.ts';
import type { CircuitArtifacts } from '../types.ts';
import { checkCircuitFiles } from './check.ts';
import { checkCircuitId, parseManifest } from './manifest.ts';
import type { ArtifactStore, CircuitManifest, ManifestFile, PinnedCircuit } from './types.ts';

export interface LoadOptions {
  readonly signal?: AbortSignal;
}

/**
 * `which` is a pinned circuit, a circuit id, or the digest of a manifest. The r1cs need not be stored.
 * Rejects with `circuit_not_found`, `artifact_not_found`, `artifact_corrupt`, and as `checkCircuitFiles` does.
 */
export async function loadCircuit(
  store: ArtifactStore,
  which: PinnedCircuit | string,
  options: LoadOptions = {},
): Promise<CircuitArtifacts> {
  const { digest, manifest } = await resolveManifest(store, which);
  const { zkey, wasm, vkey, wireNames } = manifest.files;
  const { depth } = manifest;
  const files = {
    zkey: await fetchFile(store, zkey),
    wasm: await fetchFile(store, wasm),
    vkey: await fetchFile(store, vkey),
    ...(wireNames && depth !== undefined ? { wireNames: { depth, names: await fetchFile(store, wireNames) } } : {}),
  };
  const { verificationKey, wires, merkleWires } = await checkCircuitFiles(files, options.signal);
  if (wires !== manifest.wires || verificationKey.nPublic !== manifest.publicSignals.length) {
    throw new ZkraftError(
      'artifact_corrupt',
      `the manifest ${digest} says ${manifest.wires} wires and ${manifest.publicSignals.length} public signals; ` +
        `its zkey has ${wires} and ${verificationKey.nPublic}`,
      { field: 'manifest' },
    );
  }
  return {
    digest,
    circuitId: manifest.circuitId,
    zkey: files.zkey,
    wasm: files.wasm,
    verificationKey,
    ...(merkleWires ? { merkleWires } : {}),
  };
}

async function resolveManifest(
  store: ArtifactStore,
  which: PinnedCircuit | string,
): Promise<{ digest: string; manifest: CircuitManifest }> {
  // The manifest is read from its blob in each case: that is what the digest vouches for.
  if (typeof which !== 'string') return { digest: which.digest, manifest: await manifestAt(store, which.digest) };
  if (DIGEST_HEX.test(which)) return { digest: which, manifest: await manifestAt(store, which) };
  const pinned = await store.circuits.find(which);
  if (!pinned) {
    throw new ZkraftError('circuit_not_found', `circuit ${which} has no keys here; make them with zkraft setup`, {
      field: 'circuitId',
    });
  }
  return { digest: pinned.digest, manifest: pinned.manifest };
}

async function manifestAt(store: ArtifactStore, digest: string): Promise<CircuitManifest> {
  return parseManifest(await store.blobs.get(digest));
}

async function fetchFile(store: ArtifactStore, file: ManifestFile): Promise<Uint8Array> {
  const bytes = await store.blobs.get(file.digest);
  if (bytes.length !== file.bytes) {
    throw new ZkraftError('artifact_corrupt', `the blob ${file.digest} has ${bytes.length} bytes, not ${file.bytes}`);
  }
  return bytes;
}

export interface GivenCircuitFiles {
  readonly zkey: Uint8Array;
  readonly wasm: Uint8Array;
  /** Default `custom`. */
  readonly circuitId?: string;
  readonly signal?: AbortSignal;
}

/**
 * A circuit of somebody else, from its zkey and witness program, validated in full. Its digest covers both files.
 * Rejects as `checkCircuitFiles` does.
 */
export async function circuitFromFiles(given: GivenCircuitFiles): Promise<CircuitArtifacts> {
  const { zkey, wasm, circuitId = 'custom' } = given;
  checkCircuitId(circuitId);
  const { verificationKey } = await checkCircuitFiles({ zkey, wasm }, given.signal);
  const digest = sha256Hex('zkraft circuit files\n', await slicedSha256Hex(zkey), await slicedSha256Hex(wasm));
  return { digest, circuitId, zkey, wasm, verificationKey };
}
