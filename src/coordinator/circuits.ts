/**
 * The circuits that are pinned, as the leader needs them: which can be served, which blobs a worker may fetch, and the
 * key to verify with.
 *
 * A key is taken from the pinned manifest alone, never from what a worker or a task says; digests of what was read are
 * checked by the blob store.
 */
import { ZkraftError } from '../common/index.ts';
import type { ArtifactStore, PinnedCircuit } from '../prover/artifacts/types.ts';
import type { VerificationKey } from '../prover/formats/snarkjs-json.ts';
import { parseVerificationKey } from '../prover/index.ts';

export interface VerifyingCircuit {
  readonly verificationKey: VerificationKey;
  /** Names of the public signals, in order. */
  readonly publicSignals: readonly string[];
}

/** So often, at most, the list of circuits is read again. */
const REFRESH_MS = 1_000;
const KEYS_MAX = 64;

export class CircuitCatalog {
  readonly #artifacts: ArtifactStore;
  readonly #keys = new Map<string, VerifyingCircuit>();
  #byDigest: ReadonlyMap<string, PinnedCircuit> = new Map();
  #blobs: ReadonlySet<string> = new Set();
  #refreshedMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;

  constructor(artifacts: ArtifactStore) {
    this.#artifacts = artifacts;
  }

  /**
   * Reads the list anew unless that was just done, and then, for whoever does not wait for it, the keys that are not known
   * yet: a proof that comes while the database is away can be verified, whether or not one came before.
   */
  refresh(): Promise<void> {
    if (performance.now() - this.#refreshedMs < REFRESH_MS) return Promise.resolve();
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  isServable(circuitDigest: string): boolean {
    return this.#byDigest.has(circuitDigest);
  }

  /** Manifests and files of pinned circuits; nothing else that is stored is a worker's business. */
  async allowsBlob(digest: string): Promise<boolean> {
    if (!this.#blobs.has(digest)) await this.refresh();
    return this.#blobs.has(digest);
  }

  idOf(circuitDigest: string): string | undefined {
    return this.#byDigest.get(circuitDigest)?.circuitId;
  }

  /** `circuit_unavailable` unless `circuitDigest` is what `circuitId` is pinned to. */
  async verifying(circuitId: string, circuitDigest: string): Promise<VerifyingCircuit> {
    const known = this.#keys.get(circuitDigest);
    if (known !== undefined) return known;
    const pinned = await this.#artifacts.circuits.find(circuitId);
    if (pinned === undefined || pinned.digest !== circuitDigest) {
      throw new ZkraftError(
        'circuit_unavailable',
        `circuit ${circuitId} is not pinned to the keys that the task names`,
      );
    }
    const bytes = await this.#artifacts.blobs.get(pinned.manifest.files.vkey.digest);
    let json: unknown;
    try {
      json = JSON.parse(new TextDecoder().decode(bytes));
    } catch (error) {
      throw new ZkraftError('vkey_invalid', `the verification key of ${circuitId} is not JSON`, { cause: error });
    }
    const circuit = { verificationKey: parseVerificationKey(json), publicSignals: pinned.manifest.publicSignals };
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.#keys.set(circuitDigest, circuit);
    return circuit;
  }

  async #read(): Promise<void> {
    const pinned = await this.#artifacts.circuits.list();
    this.#byDigest = new Map(pinned.map((circuit) => [circuit.digest, circuit]));
    this.#blobs = new Set(
      pinned.flatMap(({ digest, manifest }) => [digest, ...Object.values(manifest.files).map((file) => file.digest)]),
    );
    this.#refreshedMs = performance.now();
    void this.#readKeys(pinned.slice(0, KEYS_MAX));
  }

  async #readKeys(pinned: readonly PinnedCircuit[]): Promise<void> {
    for (const { circuitId, digest } of pinned) {
      // Whoever needs a key that could not be read asks again, and is told why.
      if (!this.#keys.has(digest)) await this.verifying(circuitId, digest).catch(() => {});
    }
  }
}
