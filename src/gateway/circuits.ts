/**
 * Which circuits have keys here, and which one a request gets.
 *
 * A pin never changes (the first writer wins), so a circuit that was found once is remembered for a minute; one that
 * was not found is asked for again each time, because somebody may be running `zkraft setup` right now.
 */
import { performance } from 'node:perf_hooks';
import { ZkraftError } from '../common/index.ts';
import type { ArtifactStore, PinnedCircuit } from '../prover/artifacts/types.ts';
import type { CircuitAnswer } from './schemas.ts';

const REMEMBER_MS = 60_000;
const CIRCUITS_MAX = 64;

export class Circuits {
  readonly #artifacts: ArtifactStore;
  readonly #found = new Map<string, { readonly circuit: PinnedCircuit; readonly untilMs: number }>();
  readonly #keys = new Map<string, Uint8Array>();

  constructor(artifacts: ArtifactStore) {
    this.#artifacts = artifacts;
  }

  async find(circuitId: string): Promise<PinnedCircuit | undefined> {
    const known = this.#found.get(circuitId);
    if (known && known.untilMs > performance.now()) return known.circuit;
    const circuit = await whole(this.#artifacts.circuits.find(circuitId));
    if (circuit) remember(this.#found, circuitId, { circuit, untilMs: performance.now() + REMEMBER_MS });
    return circuit;
  }

  /** The Merkle circuit of this depth; `circuit_unavailable` says how to make its keys. */
  async merkle(depth: number): Promise<PinnedCircuit> {
    const circuit = await this.find(`merkle-${depth}`);
    if (circuit) return circuit;
    throw new ZkraftError(
      'circuit_unavailable',
      `nobody made keys for depth ${depth} here; run zkraft setup --depth ${depth}, ` +
        'or choose a depth that GET /api/v1/circuits lists',
      { field: 'depth' },
    );
  }

  async get(circuitId: string): Promise<PinnedCircuit> {
    const circuit = await this.find(circuitId);
    if (circuit) return circuit;
    throw new ZkraftError(
      'circuit_not_found',
      'no circuit with this id has keys here; GET /api/v1/circuits lists those that have',
      { field: 'id' },
    );
  }

  list(): Promise<readonly PinnedCircuit[]> {
    return whole(this.#artifacts.circuits.list());
  }

  /** The bytes that were pinned, their digest verified by the store. */
  async verificationKey(circuit: PinnedCircuit): Promise<Uint8Array> {
    const { digest } = circuit.manifest.files.vkey;
    const known = this.#keys.get(digest);
    if (known) return known;
    const bytes = await whole(this.#artifacts.blobs.get(digest));
    remember(this.#keys, digest, bytes);
    return bytes;
  }
}

/** A blob that a pin names and that is gone is a fault here, not something that the client asked for in vain. */
async function whole<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (thrown) {
    const error = ZkraftError.from(thrown);
    if (error.code !== 'artifact_not_found') throw thrown;
    throw new ZkraftError('artifact_corrupt', 'a file of a pinned circuit is missing; publish its keys again', {
      cause: thrown,
    });
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= CIRCUITS_MAX) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}

export function describeCircuit({ circuitId, digest, manifest }: PinnedCircuit): CircuitAnswer {
  return {
    circuit_id: circuitId,
    circuit_type: manifest.circuitType,
    ...(manifest.depth === undefined ? {} : { depth: manifest.depth }),
    proof_system: manifest.proofSystem,
    curve: manifest.curve,
    trusted_setup: manifest.trustedSetup,
    setup_check: manifest.setupCheck,
    public_signals: [...manifest.publicSignals],
    constraints: manifest.constraints,
    manifest_id: digest,
    verification_key_id: manifest.files.vkey.digest,
    verification_key_url: `/api/v1/circuits/${circuitId}/verification-key`,
    created_at: manifest.createdAt,
  };
}
