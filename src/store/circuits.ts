/**
 * Which manifest a circuit id stands for, in PostgreSQL: whoever pins first decides, for everybody and for good.
 *
 * Nothing is pinned whose parts are not all here, so whoever finds a circuit can also load it.
 */
import { DIGEST_HEX, fromHex, toHex, ZkraftError } from '../common/index.ts';
import type { BlobStore, CircuitManifest, CircuitRegistry, PinnedCircuit } from '../prover/artifacts/types.ts';
import type { Database, Row } from './database.ts';

const SELECT = 'SELECT id, manifest_digest, manifest FROM circuits';

export class PgCircuitRegistry implements CircuitRegistry {
  readonly #database: Database;
  readonly #blobs: BlobStore;

  constructor(database: Database, blobs: BlobStore) {
    this.#database = database;
    this.#blobs = blobs;
  }

  async pin(circuitId: string, digest: string): Promise<PinnedCircuit> {
    const earlier = await this.find(circuitId);
    if (earlier) return earlier;
    const manifest = parseManifest(await this.#blobs.get(digest), circuitId);
    for (const { digest: file } of Object.values(manifest.files)) {
      if (await this.#blobs.has(file)) continue;
      throw new ZkraftError('artifact_not_found', `circuit ${circuitId}: blob ${file} of its manifest is not stored`);
    }
    await this.#database.query(
      'pinning a circuit',
      'INSERT INTO circuits (id, manifest_digest, manifest) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING',
      [circuitId, fromHex(digest), JSON.stringify(manifest)],
    );
    const pinned = await this.find(circuitId);
    if (!pinned) throw new ZkraftError('internal', `circuit ${circuitId} vanished while it was pinned`);
    return pinned;
  }

  async find(circuitId: string): Promise<PinnedCircuit | undefined> {
    const [row] = await this.#database.query('finding a circuit', `${SELECT} WHERE id = $1`, [circuitId]);
    return row && pinnedOf(row);
  }

  async list(): Promise<readonly PinnedCircuit[]> {
    return (await this.#database.query('listing circuits', `${SELECT} ORDER BY id`)).map(pinnedOf);
  }
}

function pinnedOf(row: Row): PinnedCircuit {
  return {
    circuitId: row.id as string,
    digest: toHex(row.manifest_digest as Buffer),
    manifest: row.manifest as CircuitManifest,
  };
}

function parseManifest(bytes: Uint8Array, circuitId: string): CircuitManifest {
  const refuse = (why: string): never => {
    throw new ZkraftError('artifact_corrupt', `the manifest of circuit ${circuitId} ${why}`);
  };
  let manifest: Partial<CircuitManifest>;
  try {
    manifest = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<CircuitManifest>;
  } catch {
    return refuse('is not JSON');
  }
  if (manifest?.version !== 1) return refuse('is not of version 1');
  if (manifest.circuitId !== circuitId) return refuse('names another circuit');
  for (const name of ['r1cs', 'wasm', 'zkey', 'vkey'] as const) {
    if (!DIGEST_HEX.test(manifest.files?.[name]?.digest ?? '')) return refuse(`names no digest for ${name}`);
  }
  return manifest as CircuitManifest;
}
