/** API keys of the database, as the gateway asks for them: at the door, by scope, and when the database is away. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { sha256Hex } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import { type Gateway, type GatewayOptions, type KeyLookup, startGateway } from '../../src/gateway/index.ts';
import { newApiKey, openStore, type Scope, type Store } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { get, HashingProver, memoryArtifacts, submit, testGateway } from './support.ts';

const BY = { actor: 'operator', requestId: 'test' };
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const IN_FORCE_MS = 3_000;

describe('keys of the database', () => {
  let postgres: TestPostgres;
  let connectionString: string;
  let store: Store;
  let gateway: Gateway;
  let leaf = 1;

  before(async () => {
    postgres = await startTestPostgres();
    connectionString = await postgres.createDatabase();
    store = await openStore({ connectionString, statementTimeoutMs: 500 });
    gateway = await startGateway({
      host: '127.0.0.1',
      port: 0,
      tasks: store,
      health: store,
      artifacts: memoryArtifacts(),
      prover: new HashingProver(),
      logger: silentLogger,
      authentication: { mode: 'keys', keys: [{ name: 'file', sha256: sha256Hex('file-key') }], lookup: store.keys },
      rateLimit: { enabled: false },
    });
  });
  after(async () => {
    await gateway?.close();
    await store?.close();
    await postgres?.stop();
  });

  const make = async (name: string, scopes: readonly Scope[] = ['submit', 'read'], expiresInMs?: number) => {
    const { key, hash } = newApiKey();
    const row = await store.keys.create({ name, hash, scopes, ...(expiresInMs ? { expiresInMs } : {}) }, BY);
    return { id: row.id, key, headers: bearer(key) };
  };
  const body = () => ({ leaves: ['1', '2', String(++leaf + 100)], leaf_index: 2 });
  const circuits = (headers: Record<string, string>) => get(gateway.url, '/api/v1/circuits', headers);

  test('the name of a key owns what is submitted with it; the key of another name does not find it', async () => {
    const alice = await make('alice');
    const spare = await make('alice', ['read']);
    const bob = await make('bob');
    const first = await submit(gateway.url, body(), alice.headers);
    assert.equal(first.status, 202);
    const path = `/api/v1/tasks/${first.json.task_id}`;
    assert.equal((await get(gateway.url, path, alice.headers)).status, 200);
    assert.equal((await get(gateway.url, path, spare.headers)).status, 200);
    for (const headers of [bob.headers, bearer('file-key')]) {
      const stranger = await get(gateway.url, path, headers);
      assert.deepEqual([stranger.status, stranger.json.code], [404, 'task_not_found']);
    }
  });

  test('a submit leaves an audit row with the owner, the key and the request id', async () => {
    const { id, headers } = await make('audited');
    const { json } = await submit(gateway.url, body(), { ...headers, 'x-request-id': 'submit-77' });
    const [row, ...more] = await store.audit.list({ requestId: 'submit-77' }, undefined, 10);
    assert.deepEqual(more, []);
    assert.deepEqual([row?.actor, row?.action, row?.target], ['audited', 'task.submit', json.task_id]);
    assert.equal(row?.detail.key_id, id);
  });

  test('a scope that a key lacks is named, on every kind of route, and the request changes nothing', async () => {
    const reader = await make('scoped', ['read']);
    const writer = await make('scoped', ['submit']);
    const other = await make('scoped', ['cancel']);
    const admin = await make('scoped', ['admin']);
    const refused = await submit(gateway.url, body(), reader.headers);
    assert.deepEqual([refused.status, refused.json.code], [403, 'forbidden']);
    assert.match(refused.json.error, /scope submit/);
    for (const { headers } of [writer, other]) {
      for (const path of ['/api/v1/circuits', '/api/v1/tasks/00000000-0000-4000-8000-000000000000']) {
        const answer = await get(gateway.url, path, headers);
        assert.deepEqual([answer.status, answer.json.code], [403, 'forbidden'], path);
        assert.match(answer.json.error, /scope read/);
      }
    }
    assert.equal((await submit(gateway.url, body(), writer.headers)).status, 202);
    assert.equal((await circuits(reader.headers)).status, 200);
    assert.equal((await submit(gateway.url, body(), admin.headers)).status, 202);
    assert.equal((await circuits(admin.headers)).status, 200);
    const owned = await store.list('scoped', { limit: 100 });
    assert.equal(owned.length, 2);
  });

  test('unknown, expired, revoked and malformed keys and no key at all are answered alike', async () => {
    const expired = await make('gone', ['read'], 30);
    const revoked = await make('gone', ['read']);
    await store.keys.revoke(revoked.id, BY);
    await sleep(60);
    const answers = await Promise.all(
      [expired.headers, revoked.headers, bearer(newApiKey().key), bearer('zkr_short'), bearer('guess'), {}].map(
        (headers: Record<string, string>) => circuits(headers),
      ),
    );
    for (const { status, json, headers } of answers) {
      assert.deepEqual([status, json.code, json.error], [401, 'unauthenticated', answers[0]?.json.error]);
      assert.equal(headers.get('www-authenticate'), 'Bearer');
    }
  });

  test('a revocation takes effect in seconds, also for a key that is in use all the time', async () => {
    const { id, headers } = await make('leaver');
    assert.equal((await circuits(headers)).status, 200);
    await store.keys.revoke(id.slice(0, 13), BY);
    const begun = performance.now();
    let status = 200;
    while (status === 200 && performance.now() - begun < IN_FORCE_MS) {
      await sleep(50);
      ({ status } = await circuits(headers));
    }
    assert.equal(status, 401);
  });

  test('the use of a key is noted, once a minute', async () => {
    const { id, headers } = await make('used');
    const lastUsed = async () => (await store.keys.list(undefined, 1_000)).find((row) => row.id === id)?.lastUsedAt;
    assert.equal(await lastUsed(), undefined);
    assert.equal((await circuits(headers)).status, 200);
    for (let tries = 0; tries < 40 && !(await lastUsed()); tries++) await sleep(25);
    const first = await lastUsed();
    assert.ok(first instanceof Date);
    await sleep(2_100);
    assert.equal((await circuits(headers)).status, 200);
    await sleep(100);
    assert.deepEqual(await lastUsed(), first);
  });

  test('while the database is away keys are 503, never let through; those of the settings still name somebody', async () => {
    const { headers } = await make('waits');
    await postgres.kill();
    try {
      const unknown = await circuits(bearer(newApiKey().key));
      assert.deepEqual([unknown.status, unknown.json.code], [503, 'database_unavailable']);
      assert.ok(unknown.headers.get('retry-after'));
      const good = await circuits(headers);
      assert.deepEqual([good.status, good.json.code], [503, 'database_unavailable']);
      assert.equal((await circuits(bearer('guess'))).status, 401);
      const listed = await get(gateway.url, '/api/v1/tasks/00000000-0000-4000-8000-000000000000', bearer('file-key'));
      assert.deepEqual([listed.status, listed.json.code], [503, 'database_unavailable']);
    } finally {
      await postgres.restart();
    }
    for (let tries = 0; tries < 100 && (await circuits(headers)).status !== 200; tries++) await sleep(100);
    assert.equal((await circuits(headers)).status, 200);
  });

  test('no key is in the log of statements that the database keeps of its sessions', async () => {
    const { key, headers } = await make('quiet');
    assert.equal((await circuits(headers)).status, 200);
    const client = new Client({ connectionString });
    await client.connect();
    try {
      const { rows } = await client.query('SELECT query FROM pg_stat_activity');
      assert.ok(!rows.some(({ query }) => String(query).includes(key)));
    } finally {
      await client.end();
    }
  });
});

describe('look-ups of keys', () => {
  const withLookup = (lookup: KeyLookup, rateLimit: GatewayOptions['rateLimit'] = { enabled: false }) =>
    testGateway({ authentication: { mode: 'keys', keys: [], lookup }, rateLimit });

  test('of one key are shared by the requests that come at the same time, and believed for a while', async () => {
    let asked = 0;
    const { key, hash } = newApiKey();
    const row = { id: 'k', name: 'alice', scopes: ['read' as const], createdAt: new Date() };
    const part = await withLookup({
      findLive: async (given) => {
        asked += 1;
        await sleep(20);
        if (Buffer.compare(given, hash) !== 0) return undefined;
        return { ...row, expiresAt: undefined, revokedAt: undefined, lastUsedAt: new Date() };
      },
      noteUse: async () => assert.fail('it was used a moment ago'),
    });
    try {
      const ask = () => get(part.gateway.url, '/api/v1/circuits', bearer(key));
      const answers = await Promise.all(Array.from({ length: 20 }, ask));
      assert.ok(answers.every(({ status }) => status === 200));
      assert.equal((await ask()).status, 200);
      assert.equal(asked, 1);
    } finally {
      await part.gateway.close();
    }
  });

  test('by guessers end with their allowance: the database is not asked again, and a key that is known still passes', async () => {
    let asked = 0;
    const good = newApiKey();
    const part = await withLookup(
      {
        findLive: async (given) => {
          asked += 1;
          if (Buffer.compare(given, good.hash) !== 0) return undefined;
          const never = { expiresAt: undefined, revokedAt: undefined, lastUsedAt: new Date() };
          return { id: 'k', name: 'alice', scopes: ['read'], createdAt: new Date(), ...never };
        },
        noteUse: async () => {},
      },
      { enabled: true, requestsPerSecond: 1, burst: 10 },
    );
    try {
      const ask = (key: string) => get(part.gateway.url, '/api/v1/circuits', bearer(key));
      assert.equal((await ask(good.key)).status, 200);
      const statuses: number[] = [];
      for (let i = 0; i < 60; i++) statuses.push((await ask(newApiKey().key)).status);
      assert.ok(statuses.filter((status) => status === 401).length <= 13, String(statuses));
      assert.equal(statuses.at(-1), 429);
      assert.ok(asked <= 15, `asked ${asked} times`);
      assert.equal((await ask(good.key)).status, 200);
    } finally {
      await part.gateway.close();
    }
  });
});
