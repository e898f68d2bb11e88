import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { sha256, ZkraftError } from '../../src/common/index.ts';
import { type ApiKeyRow, KEY_PATTERN, newApiKey, openStore, type Scope, type Store } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { failed, sampleTask } from '../support/store-samples.ts';

const BY = { actor: 'operator', requestId: 'request-1' };
const CLUSTER = 'b0a9c1de-0000-4000-8000-000000000001';

describe('access in the store', () => {
  let postgres: TestPostgres;
  let store: Store;
  let client: Client;

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

  const make = async (name: string, scopes: readonly Scope[] = ['submit', 'read'], expiresInMs?: number) => {
    const { key, hash } = newApiKey();
    const row = await store.keys.create({ name, hash, scopes, ...(expiresInMs ? { expiresInMs } : {}) }, BY);
    return { key, hash, row };
  };
  const coded = (code: string, names: RegExp) => (thrown: unknown) =>
    thrown instanceof ZkraftError && thrown.code === code && names.test(thrown.message);

  describe('API keys', () => {
    test('are random, recognizable, and found by their hash alone', async () => {
      const { key, hash, row } = await make('alice', ['read', 'submit', 'read']);
      assert.match(key, KEY_PATTERN);
      assert.deepEqual(hash, sha256(key));
      assert.notEqual(newApiKey().key, newApiKey().key);
      assert.deepEqual(row.scopes, ['submit', 'read']);
      assert.deepEqual(await store.keys.findLive(hash), row);
      assert.equal(await store.keys.findLive(sha256('another key')), undefined);
    });

    test('are kept nowhere in the clear, neither in their table nor in the audit log', async () => {
      const { key } = await make('secret-keeper');
      const { rows } = await client.query(
        'SELECT row_to_json(k)::text AS line FROM api_keys k UNION ALL SELECT row_to_json(a)::text FROM audit a',
      );
      const everything = rows.map(({ line }) => line).join('\n');
      assert.ok(everything.includes('secret-keeper'));
      assert.ok(!everything.includes(key) && !everything.includes(key.slice(4)));
    });

    test('that were revoked or have expired are not found', async () => {
      const revoked = await make('alice');
      await store.keys.revoke(revoked.row.id, BY);
      assert.equal(await store.keys.findLive(revoked.hash), undefined);
      const short = await make('alice', ['read'], 80);
      assert.ok(await store.keys.findLive(short.hash));
      await sleep(120);
      assert.equal(await store.keys.findLive(short.hash), undefined);
    });

    test('are revoked by the beginning of their id, once, and the first time stays', async () => {
      const { row } = await make('bob');
      const first = await store.keys.revoke(row.id.slice(0, 13).toUpperCase(), BY);
      assert.equal(first.id, row.id);
      assert.ok(first.revokedAt instanceof Date);
      assert.deepEqual(await store.keys.revoke(row.id, BY), first);
      const actions = (await store.audit.list({ target: row.id }, undefined, 10)).map(({ action }) => action);
      assert.deepEqual(actions, ['key.create', 'key.revoke']);
    });

    test('are not revoked by a beginning that several have, that none has, or that is too short', async () => {
      await client.query(`INSERT INTO api_keys (id, name, hash, scopes) VALUES
        ('abcdabcd-0000-4000-8000-000000000001', 'twin', sha256('1'), '{read}'),
        ('abcdabcd-0000-4000-8000-000000000002', 'twin', sha256('2'), '{read}')`);
      await assert.rejects(store.keys.revoke('abcdabcd', BY), coded('invalid_request', /several/));
      await assert.rejects(store.keys.revoke('abcdabcd-0000-4000-8000-000000000003', BY), coded('key_not_found', /ls/));
      for (const text of ['', 'abc', '%', 'abcd%', "abcd' OR true"]) {
        await assert.rejects(store.keys.revoke(text, BY), coded('invalid_request', /named by its id/));
      }
      const { rows } = await client.query(`SELECT FROM api_keys WHERE name = 'twin' AND revoked_at IS NOT NULL`);
      assert.equal(rows.length, 0);
    });

    test('are listed a page at a time, revoked ones too, without their hashes', async () => {
      const all: ApiKeyRow[] = [];
      for (;;) {
        const rows = await store.keys.list(all.at(-1), 3);
        all.push(...rows);
        if (rows.length < 3) break;
      }
      const { rows } = await client.query('SELECT id FROM api_keys');
      assert.deepEqual(all.map(({ id }) => id).sort(), rows.map(({ id }) => id).sort());
      assert.ok(all.some(({ revokedAt }) => revokedAt));
      assert.ok(all.every((row) => !('hash' in row)));
    });

    test('note their use at most once a minute', async () => {
      const { row, hash } = await make('user');
      assert.equal(row.lastUsedAt, undefined);
      await store.keys.noteUse(row.id);
      const first = (await store.keys.findLive(hash))?.lastUsedAt;
      assert.ok(first instanceof Date);
      await sleep(5);
      await store.keys.noteUse(row.id);
      assert.deepEqual((await store.keys.findLive(hash))?.lastUsedAt, first);
      await client.query(`UPDATE api_keys SET last_used_at = now() - interval '61 seconds' WHERE id = $1`, [row.id]);
      await store.keys.noteUse(row.id);
      const later = (await store.keys.findLive(hash))?.lastUsedAt;
      assert.ok(later && later >= first);
    });

    test('with a name, scopes or an expiry that cannot be are refused', async () => {
      const { hash } = newApiKey();
      const good = { name: 'carol', hash, scopes: ['read'] as const };
      for (const [change, names] of [
        [{ name: '' }, /1 to 64/],
        [{ name: 'a b' }, /1 to 64/],
        [{ name: 'x'.repeat(65) }, /1 to 64/],
        [{ scopes: [] }, /at least one/],
        [{ scopes: ['root' as Scope] }, /"root" is no scope/],
        [{ expiresInMs: 0 }, /expires/],
        [{ expiresInMs: Number.NaN }, /expires/],
        [{ expiresInMs: 1e15 }, /expires/],
      ] as const) {
        await assert.rejects(store.keys.create({ ...good, ...change }, BY), coded('invalid_request', names));
      }
    });

    test('of another shape are refused by the schema as well', async () => {
      const insert = (columns: string) =>
        client.query(`INSERT INTO api_keys (id, name, hash, scopes, expires_at)
          SELECT gen_random_uuid(), name, hash, scopes, expires_at FROM (SELECT ${columns}) AS given`);
      const good = `'dave' AS name, sha256('dave') AS hash, '{read}'::text[] AS scopes, NULL::timestamptz AS expires_at`;
      const but = (name: string, value: string) => good.replace(new RegExp(`\\S+ AS ${name}`), `${value} AS ${name}`);
      for (const columns of [
        but('name', `'a b'`),
        but('hash', `'\\x00'::bytea`),
        but('scopes', `'{}'::text[]`),
        but('scopes', `'{read,root}'::text[]`),
        but('scopes', `'{read,NULL}'::text[]`),
        but('expires_at', `'2001-01-01'::timestamptz`),
      ]) {
        await assert.rejects(insert(columns), { code: '23514' }, columns);
      }
      await insert(good);
      await assert.rejects(insert(good), { code: '23505' });
    });
  });

  describe('the audit log', () => {
    test('is read by target and by request, in order, a page at a time', async () => {
      for (let i = 0; i < 5; i++) {
        await store.audit.append({ ...BY, requestId: `r-${i % 2}`, action: 'task.cancel', target: 't', detail: { i } });
      }
      const rows = await store.audit.list({ target: 't' }, undefined, 3);
      assert.deepEqual(
        rows.map(({ detail }) => detail.i),
        [0, 1, 2],
      );
      assert.ok(rows[0]?.at instanceof Date);
      const rest = await store.audit.list({ target: 't' }, rows.at(-1)?.id, 3);
      assert.deepEqual(
        rest.map(({ detail }) => detail.i),
        [3, 4],
      );
      assert.equal((await store.audit.list({ requestId: 'r-1' }, undefined, 10)).length, 2);
    });

    test('refuses a row that is too large or without an action, and changes of its rows', async () => {
      const entry = { ...BY, action: 'task.cancel', target: 't' };
      await assert.rejects(
        store.audit.append({ ...entry, detail: { text: 'x'.repeat(5_000) } }),
        coded('internal', /too/),
      );
      await assert.rejects(store.audit.append({ ...entry, action: 'Cancel' }), coded('internal', /not well formed/));
      await assert.rejects(client.query(`UPDATE audit SET actor = 'nobody'`), { constraint: 'audit_append_only' });
    });

    test('has a row for each new task, under its request, and none for the same request again', async () => {
      const task = sampleTask('audited', { requestId: 'submit-1', keyId: 'key-7' });
      const { task: row } = await store.insert(task);
      await store.insert({ ...task, requestId: 'submit-2' });
      await store.insert({ ...sampleTask('audited too'), idempotencyKey: 'k', requestId: 'submit-3' });
      const [entry, ...more] = await store.audit.list({ target: row.id }, undefined, 10);
      assert.deepEqual(more, []);
      assert.deepEqual(
        [entry?.actor, entry?.action, entry?.requestId, entry?.detail],
        ['alice', 'task.submit', 'submit-1', { circuit_id: 'merkle-8', key_id: 'key-7' }],
      );
      assert.equal((await store.audit.list({ requestId: 'submit-2' }, undefined, 10)).length, 0);
      assert.equal((await store.audit.list({ requestId: 'submit-3' }, undefined, 10)).length, 1);
    });
  });

  describe('lists of tasks', () => {
    test('hold the tasks of their owner alone, the newest first, each once, over pages of any size', async () => {
      const ids: string[] = [];
      for (let i = 0; i < 7; i++) {
        const { task } = await store.insert(sampleTask(`listed ${i}`, { owner: 'lister' }));
        ids.push(task.id);
        await store.insert(sampleTask(`listed ${i}`, { owner: 'other' }));
      }
      // Equal times: the id decides.
      await client.query(`UPDATE tasks SET created_at = '2026-01-01' WHERE owner = 'lister'`);
      for (const limit of [1, 3, 7, 100]) {
        const seen: string[] = [];
        for (let last: { createdAt: Date; id: string } | undefined; ; ) {
          const page = await store.list('lister', { limit, ...(last ? { after: last } : {}) });
          seen.push(...page.map(({ id }) => id));
          last = page.at(-1);
          if (page.length < limit) break;
        }
        assert.deepEqual(seen, [...ids].sort().reverse());
      }
      const [first] = await store.list('lister', { limit: 1 });
      assert.ok(first && !('proof' in first));
    });

    test('can be of one status', async () => {
      await store.claimCluster(CLUSTER);
      const { task } = await store.insert(sampleTask('will fail', { owner: 'lister' }));
      await store.project({ clusterId: CLUSTER, epoch: 1 }, 0, 1, [failed(task.id, 1)]);
      const list = await store.list('lister', { status: 'failed', limit: 100 });
      assert.deepEqual(
        list.map(({ id, errorCode }) => [id, errorCode]),
        [[task.id, 'attempts_exhausted']],
      );
      assert.equal((await store.list('lister', { status: 'pending', limit: 100 })).length, 7);
    });
  });
});
