/** Wrong states, written past the store with plain SQL: the schema itself refuses each. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Client } from 'pg';
import { openStore, type Store } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { sampleTask } from '../support/store-samples.ts';

const PROOF = `proof = decode(repeat('07', 256), 'hex')`;
const SIGNALS = `public_signals = decode(repeat('09', 32), 'hex')`;
const DONE = `status = 'completed', ${PROOF}, ${SIGNALS}, completed_at = now()`;
const LEASED = `status = 'assigned', worker_id = 'w', lease_epoch = 1, attempt = 1`;

/** Changes of a pending task that must be refused, with the constraint that does it. */
const REFUSED: readonly (readonly [string, string, string])[] = [
  ['an unknown status', `status = 'lost'`, 'tasks_status'],
  ['completed without a proof', `status = 'completed', ${SIGNALS}, completed_at = now()`, 'tasks_result'],
  ['completed without public signals', `status = 'completed', ${PROOF}, completed_at = now()`, 'tasks_result'],
  ['completed without a time', `status = 'completed', ${PROOF}, ${SIGNALS}`, 'tasks_result'],
  ['completed with an error', `${DONE}, error_code = 'internal'`, 'tasks_result'],
  ['completed with a lease', `${DONE}, lease_epoch = 1`, 'tasks_lease'],
  ['a proof on a pending task', PROOF, 'tasks_result'],
  ['a proof on a failed task', `status = 'failed', error_code = 'internal', ${PROOF}`, 'tasks_result'],
  ['a proof of 255 bytes', DONE.replace('256', '255'), 'tasks_proof_check'],
  ['ragged public signals', DONE.replace("'09', 32", "'09', 33"), 'tasks_public_signals_check'],
  ['no public signals', DONE.replace("'09', 32", "'09', 0"), 'tasks_public_signals_check'],
  ['failed without a code', `status = 'failed', completed_at = now()`, 'tasks_failure'],
  ['assigned without a worker', `status = 'assigned', lease_epoch = 1, attempt = 1`, 'tasks_lease'],
  ['assigned without a lease', `status = 'assigned', worker_id = 'w', attempt = 1`, 'tasks_lease'],
  ['assigned without an attempt', `status = 'assigned', worker_id = 'w', lease_epoch = 1`, 'tasks_lease'],
  ['in progress without a worker', `status = 'in_progress', lease_epoch = 1, attempt = 1`, 'tasks_lease'],
  ['a lease on a pending task', 'lease_epoch = 1', 'tasks_lease'],
  ['a worker on a pending task', `worker_id = 'w'`, 'tasks_pending'],
  ['an end of a task that goes on', `${LEASED}, completed_at = now()`, 'tasks_end'],
  ['a negative attempt', 'attempt = -1', 'tasks_attempt_check'],
  ['priority 10', 'priority = 10', 'tasks_priority_check'],
  ['priority -1', 'priority = -1', 'tasks_priority_check'],
  ['depth 0', 'depth = 0, leaf_index = 0', 'tasks_depth_check'],
  ['depth 33', 'depth = 33', 'tasks_depth_check'],
  ['a depth that is not the tree’s', 'depth = 9', 'tasks_tree'],
  ['a root that is not the tree’s', `root = decode(repeat('01', 32), 'hex')`, 'tasks_tree'],
  ['a tree that is not there', `tree_id = decode(repeat('01', 32), 'hex')`, 'tasks_tree'],
  ['a negative leaf index', 'leaf_index = -1', 'tasks_check'],
  ['a leaf index beyond the tree', 'leaf_index = 256', 'tasks_check'],
  ['a content hash of 31 bytes', `content_hash = decode(repeat('01', 31), 'hex')`, 'tasks_content_hash_check'],
  ['a root of 33 bytes', `root = decode(repeat('01', 33), 'hex')`, 'tasks_root_check'],
  ['a circuit digest of 20 bytes', `circuit_digest = decode(repeat('01', 20), 'hex')`, 'tasks_circuit_digest_check'],
  ['an empty external hash', `external_hash = ''`, 'tasks_external_hash_check'],
  ['an empty owner', `owner = ''`, 'tasks_owner_check'],
  ['a fence that is negative', 'fence_index = -1', 'tasks_fence'],
];

describe('the schema', () => {
  let postgres: TestPostgres;
  let store: Store;
  let client: Client;
  let id: string;
  let seed = 0;

  before(async () => {
    postgres = await startTestPostgres();
    const url = await postgres.createDatabase();
    store = await openStore({ connectionString: url });
    client = new Client({ connectionString: url });
    await client.connect();
  });
  after(async () => {
    await client?.end();
    await store?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    seed += 1;
    id = (await store.insert(sampleTask(`schema-${seed}`))).task.id;
  });

  const change = (set: string) => client.query(`UPDATE tasks SET ${set} WHERE id = '${id}'`);

  for (const [what, set, constraint] of REFUSED) {
    test(`refuses ${what}`, async () => {
      await assert.rejects(change(set), { constraint });
    });
  }

  test('takes each right state', async () => {
    await change(`${LEASED}, fence_index = 1`);
    await change(`status = 'in_progress', started_at = now(), fence_index = 2`);
    await change(
      `status = 'pending', worker_id = NULL, lease_epoch = NULL, started_at = NULL, error_code = 'internal'`,
    );
    await change(LEASED.replace('attempt = 1', 'attempt = 2'));
    await change(`${DONE}, lease_epoch = NULL, error_code = NULL`);
  });

  for (const terminal of [DONE, `status = 'failed', error_code = 'internal'`, `status = 'cancelled'`]) {
    test(`lets nothing out of ${/'(\w+)'/.exec(terminal)?.[1]}`, async () => {
      await change(terminal);
      for (const set of [`status = 'pending', ${PROOF.replace(/=.*/, '= NULL')}`, LEASED, 'priority = 1']) {
        await assert.rejects(change(set), { constraint: 'tasks_terminal' });
      }
    });
  }

  test('lets no fence go back', async () => {
    await change('fence_epoch = 2, fence_index = 10');
    await assert.rejects(change('fence_index = 9'), { constraint: 'tasks_fence' });
    await assert.rejects(change('fence_epoch = 1, fence_index = 99'), { constraint: 'tasks_fence' });
    await change('fence_epoch = 3, fence_index = 0');
  });

  test('has one cluster row, with an epoch and a cursor that make sense', async () => {
    await client.query(`INSERT INTO cluster (cluster_id) VALUES ('one')`);
    await assert.rejects(client.query(`INSERT INTO cluster (cluster_id) VALUES ('two')`), { code: '23505' });
    await assert.rejects(client.query(`INSERT INTO cluster (singleton, cluster_id) VALUES (false, 'two')`), {
      constraint: 'cluster_singleton_check',
    });
    await assert.rejects(client.query('UPDATE cluster SET epoch = 0'), { constraint: 'cluster_epoch_check' });
    await assert.rejects(client.query('UPDATE cluster SET cursor = -1'), { constraint: 'cluster_cursor_check' });
    await client.query('DELETE FROM cluster');
  });

  test('has no tree with more leaves than its depth holds, nor with none', async () => {
    const tree = (depth: number, count: number) =>
      client.query(
        `INSERT INTO trees (id, depth, leaf_count, leaves_digest, root)
         SELECT sha256($1::text::bytea), $2, $3, leaves_digest, root FROM trees LIMIT 1`,
        [`${depth}/${count}`, depth, count],
      );
    await tree(3, 8);
    await tree(32, 1000);
    await assert.rejects(tree(3, 9), { constraint: 'trees_check' });
    await assert.rejects(tree(3, 0), { constraint: 'trees_check' });
    await assert.rejects(tree(33, 1), { constraint: 'trees_depth_check' });
  });

  test('calls no blob complete that lacks bytes, and changes no complete one', async () => {
    const insert = `INSERT INTO blobs (digest, bytes, complete) VALUES (sha256('x'), 3, true)`;
    await assert.rejects(client.query(insert), { constraint: 'blobs_complete_whole' });
    await client.query(`WITH b AS (${insert}) INSERT INTO blob_chunks VALUES (sha256('x'), 0, 'xyz')`);
    await assert.rejects(client.query(`UPDATE blobs SET complete = false WHERE digest = sha256('x')`), {
      constraint: 'blobs_complete_final',
    });
    await assert.rejects(client.query(`INSERT INTO blob_chunks VALUES (sha256('x'), 1, '')`), {
      constraint: 'blob_chunks_content_check',
    });
    await assert.rejects(client.query(`INSERT INTO blob_chunks VALUES (sha256('none'), 0, 'x')`), { code: '23503' });
    await assert.rejects(client.query(`INSERT INTO blobs (digest, bytes) VALUES ('short', 1)`), {
      constraint: 'blobs_digest_check',
    });
  });

  test('keeps no circuit whose manifest is another’s or is not stored', async () => {
    const circuit = (name: string, manifest: string, digest = `sha256('x')`) =>
      client.query(`INSERT INTO circuits (id, manifest_digest, manifest) VALUES ('${name}', ${digest}, '${manifest}')`);
    await assert.rejects(circuit('merkle-8', '{"circuitId": "merkle-9"}'), { constraint: 'circuits_check' });
    await assert.rejects(circuit('merkle-8', '[]'), { constraint: 'circuits_check' });
    await assert.rejects(circuit('merkle-8', '{"circuitId": "merkle-8"}', `sha256('nowhere')`), { code: '23503' });
  });
});
