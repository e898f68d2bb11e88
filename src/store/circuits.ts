/**
 * Which manifest a circuit id stands for, in PostgreSQL: whoever pins first decides, for everybody and for good.
 *
 * Nothing is pinned whose parts are not all here, so whoever finds a circuit can also load it.
 */
import { fromHex, toHex, ZkraftError } from '../common/index.ts';
import {
  type BlobStore,
  type CircuitManifest,
  type CircuitRegistry,
  checkCircuitId,
  type PinnedCircuit,
  parseManifest,
} from '../prover/index.ts';
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
    const manifest = parseManifest(await this.#blobs.get(digest));
    if (manifest.circuitId !== circuitId) {
      const text = `the manifest ${digest} is of circuit ${manifest.circuitId}, not ${circuitId}`;
      throw new ZkraftError('invalid_request', text, { field: 'circuitId' });
    }
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
    checkCircuitId(circuitId);
    const [row] = await this.#database.query('finding a circuit', `${SELECT} WHERE id = $1`, [circuitId]);
    return row && pinnedOf(row);
  }

  async list(): Promise<readonly PinnedCircuit[]> {
    return (await this.#database.query('listing circuits', `${SELECT} ORDER BY id COLLATE "C"`)).map(pinnedOf);
  }
}

function pinnedOf(row: Row): PinnedCircuit {
  return {
    circuitId: row.id as string,
    digest: toHex(row.manifest_digest as Buffer),
    manifest: row.manifest as CircuitManifest,
  };
}
