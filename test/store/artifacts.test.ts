import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from 'pg';
import { sha256Hex } from '../../src/common/index.ts';
import { openDirectoryArtifacts } from '../../src/prover/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { artifactStoreConformance, storeCircuit } from '../support/artifact-conformance.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let scratch: string;
const stores: Store[] = [];

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'zkraft-test-artifacts-'));
  postgres = await startTestPostgres();
});
after(async () => {
  for (const store of stores) await store.close();
  await postgres?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function open(options: { blobBytesMax?: number } = {}) {
  const url = await postgres.createDatabase();
  const store = await openStore({ connectionString: url, maxConnections: 6, idleConnections: 0, ...options });
  stores.push(store);
  return { url, artifacts: store.artifacts };
}

artifactStoreConformance('a directory', () => openDirectoryArtifacts(mkdtempSync(join(scratch, 'store-'))));
artifactStoreConformance('PostgreSQL', async () => (await open()).artifacts);

test('a blob above the limit is refused, and nothing of it is stored', async () => {
  const { artifacts } = await open({ blobBytesMax: 1000 });
  const bytes = new Uint8Array(1001);
  await assert.rejects(artifacts.blobs.put(bytes), { code: 'artifact_too_large' });
  assert.equal(await artifacts.blobs.has(sha256Hex(bytes)), false);
  assert.equal(await artifacts.blobs.size(await artifacts.blobs.put(bytes.subarray(1))), 1000);
});

test('a blob whose writer died half-way is not there, and the next writer completes it', async () => {
  const { url, artifacts } = await open();
  const content = new Uint8Array(randomBytes(700_000));
  const digest = await artifacts.blobs.put(content);
  const client = new Client({ connectionString: url });
  await client.connect();
  // As it was before the last chunk came.
  await client.query('SET session_replication_role = replica');
  await client.query('UPDATE blobs SET complete = false');
  await client.query('DELETE FROM blob_chunks WHERE seq = 2');
  await client.end();
  assert.equal(await artifacts.blobs.has(digest), false);
  await assert.rejects(artifacts.blobs.get(digest), { code: 'artifact_not_found' });
  assert.equal(await artifacts.blobs.put(content), digest);
  assert.deepEqual(await artifacts.blobs.get(digest), content);
});

test('a blob that was damaged on disk is told as such', async () => {
  const { url, artifacts } = await open();
  const digest = await artifacts.blobs.put(new Uint8Array(randomBytes(300_000)));
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`UPDATE blob_chunks SET content = set_byte(content, 9, get_byte(content, 9) # 1) WHERE seq = 1`);
  await assert.rejects(artifacts.blobs.get(digest), { code: 'artifact_corrupt' });
  await client.query('DELETE FROM blob_chunks WHERE seq = 1');
  await assert.rejects(artifacts.blobs.get(digest), { code: 'artifact_corrupt' });
  await client.end();
});

test('a circuit is pinned only when all files of its manifest are stored', async () => {
  const { url, artifacts } = await open();
  const digest = await storeCircuit(artifacts, 'square', 0);
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('DELETE FROM blobs WHERE digest = $1', [
    Buffer.from(sha256Hex('zkey of square, variant 0'), 'hex'),
  ]);
  await client.end();
  await assert.rejects(artifacts.circuits.pin('square', digest), { code: 'artifact_not_found' });
  assert.equal(await artifacts.circuits.find('square'), undefined);
});
