import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Client } from 'pg';
import { sha256Hex } from '../../src/common/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { artifactStoreConformance } from '../support/artifact-conformance.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
const stores: Store[] = [];

before(async () => {
  postgres = await startTestPostgres();
});
after(async () => {
  for (const store of stores) await store.close();
  await postgres?.stop();
});

async function open(options: { blobBytesMax?: number } = {}) {
  const url = await postgres.createDatabase();
  const store = await openStore({ connectionString: url, maxConnections: 6, idleConnections: 0, ...options });
  stores.push(store);
  return { url, artifacts: store.artifacts };
}

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

test('a circuit is pinned only with a manifest of its own, all of whose files are stored', async () => {
  const { artifacts } = await open();
  const put = (value: unknown) => artifacts.blobs.put(new TextEncoder().encode(JSON.stringify(value)));
  const file = { digest: '00'.repeat(32), bytes: 1 };
  const files = { r1cs: file, wasm: file, zkey: file, vkey: file };
  for (const manifest of [7, { version: 2 }, { version: 1, circuitId: 'b', files }, { version: 1, circuitId: 'a' }]) {
    await assert.rejects(artifacts.circuits.pin('a', await put(manifest)), { code: 'artifact_corrupt' });
  }
  const text = await artifacts.blobs.put(new TextEncoder().encode('{'));
  await assert.rejects(artifacts.circuits.pin('a', text), { code: 'artifact_corrupt' });
  const dangling = await put({ version: 1, circuitId: 'a', files });
  await assert.rejects(artifacts.circuits.pin('a', dangling), { code: 'artifact_not_found' });
  assert.deepEqual(await artifacts.circuits.list(), []);
});
