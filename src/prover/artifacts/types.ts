/**
 * What a circuit consists of, and where its files are kept.
 *
 * A manifest lists a circuit's files by SHA-256; the manifest is itself a blob, and its own digest names the circuit
 * in every lease. Blobs live behind `BlobStore` (a directory here, PostgreSQL in src/store); which manifest a circuit
 * id stands for is decided once, by whoever pins first, behind `CircuitRegistry`.
 */

/** How much a key's maker must be trusted. `single-party`: whoever made it could keep the trapdoor and forge. */
export type TrustedSetup = 'single-party' | 'ceremony' | 'unknown';

export interface ManifestFile {
  /** Lower-case hex SHA-256. */
  readonly digest: string;
  readonly bytes: number;
}

export interface CircuitManifest {
  readonly version: 1;
  /** Such as merkle-20. */
  readonly circuitId: string;
  readonly circuitType: 'merkle' | 'custom';
  /** For Merkle circuits. */
  readonly depth?: number;
  readonly proofSystem: 'groth16';
  readonly curve: 'bn254';
  readonly trustedSetup: TrustedSetup;
  /** What was verified when the key was made or taken in; `unverified` when r1cs or ptau were not at hand. */
  readonly setupCheck: 'made-here' | 'verified' | 'unverified';
  /** Names of the public signals, in order. */
  readonly publicSignals: readonly string[];
  readonly constraints: number;
  readonly wires: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly files: {
    readonly r1cs: ManifestFile;
    readonly wasm: ManifestFile;
    readonly zkey: ManifestFile;
    readonly vkey: ManifestFile;
    /** Of Merkle circuits: which signal is on which wire, as the compiler said. Those made earlier have none. */
    readonly wireNames?: ManifestFile;
  };
}

export interface BlobStore {
  /** Stores and returns the digest; storing the same bytes again is free. `artifact_too_large` above the limit. */
  put(bytes: Uint8Array): Promise<string>;
  has(digest: string): Promise<boolean>;
  /** `artifact_not_found` when absent. */
  size(digest: string): Promise<number>;
  /** Chunks of at most 256 KiB from `offset` on. Not verified: the reader that has all of it checks the digest. */
  read(digest: string, offset?: number): AsyncIterable<Uint8Array>;
  /** The whole blob, its digest verified: `artifact_corrupt` when it differs. */
  get(digest: string): Promise<Uint8Array>;
}

export interface PinnedCircuit {
  readonly circuitId: string;
  /** Digest of the manifest blob. */
  readonly digest: string;
  readonly manifest: CircuitManifest;
}

export interface CircuitRegistry {
  /** First writer wins: returns the circuit that is pinned now, this one or an earlier one. */
  pin(circuitId: string, digest: string): Promise<PinnedCircuit>;
  find(circuitId: string): Promise<PinnedCircuit | undefined>;
  list(): Promise<readonly PinnedCircuit[]>;
}

export interface ArtifactStore {
  readonly blobs: BlobStore;
  readonly circuits: CircuitRegistry;
}
