/** Circuits as files: manifests, stores, and loading with everything verified. See README.md. */

export { type CheckedFiles, type CircuitFiles, checkCircuitFiles } from './check.ts';
export { openDirectoryArtifacts } from './directory.ts';
export { BLOB_BYTES_MAX, CHUNK_BYTES } from './limits.ts';
export { circuitFromFiles, type GivenCircuitFiles, type LoadOptions, loadCircuit } from './load.ts';
export { CIRCUIT_ID, checkCircuitId, encodeManifest, MANIFEST_BYTES_MAX, parseManifest } from './manifest.ts';
export { publishCircuit } from './publish.ts';
export type * from './types.ts';
