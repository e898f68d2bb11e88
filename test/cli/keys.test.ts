/** `zkraft keys`, and a gateway started from settings that asks for them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '../../src/common/logging/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { launchGateway } from '../../src/launch/index.ts';
import type { Prover } from '../../src/prover/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { zkraft } from '../support/cli.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

describe('zkraft keys', () => {
  let postgres: TestPostgres;
  let env: { DATABASE_URL: string };
  let store: Store;

  before(async () => {
    postgres = await startTestPostgres();
    env = { DATABASE_URL: await postgres.createDatabase() };
    store = await openStore({ connectionString: env.DATABASE_URL });
  });
  after(async () => {
    await store?.close();
    await postgres?.stop();
  });

  it('makes a key that a gateway with no key in its settings accepts, and revokes it by the beginning of its id', async () => {
    const made = await zkraft(
      ['keys', 'create', '--name', 'acme', '--scopes', 'read', '--expires', '90d', '--json'],
      env,
    );
    assert.equal(made.code, 0, made.stderr);
    const { key, id, name, scopes, created_at, expires_at } = made.json() as Record<string, string>;
    assert.match(key as string, /^zkr_[A-Za-z0-9_-]{43}$/);
    assert.deepEqual([name, scopes], ['acme', ['read']]);
    assert.equal(Date.parse(expires_at as string) - Date.parse(created_at as string), 90 * 86_400_000);

    const config = loadConfig({ env: { AUTH_MODE: 'keys', SERVER_PORT: '0', RATE_LIMIT_ENABLED: 'false' } });
    const gateway = await launchGateway(config, { store, prover: {} as Prover, logger: silentLogger });
    try {
      const ask = (sent: string) =>
        fetch(`${gateway.addresses.http}/api/v1/circuits`, { headers: { authorization: `Bearer ${sent}` } });
      assert.equal((await ask(key as string)).status, 200);
      assert.equal((await ask(`${key}x`)).status, 401);
      const revoked = await zkraft(['keys', 'revoke', (id as string).slice(0, 18), '--json'], env);
      assert.equal(revoked.code, 0, revoked.stdout);
      assert.equal(revoked.json().id, id);
      let status = 200;
      for (let tries = 0; status === 200 && tries < 60; tries++) {
        await sleep(50);
        ({ status } = await ask(key as string));
      }
      assert.equal(status, 401);
    } finally {
      await gateway.close();
    }
    const entries = await store.audit.list({ target: id as string }, undefined, 10);
    assert.deepEqual(
      entries.map(({ action }) => action),
      ['key.create', 'key.revoke'],
    );
    assert.ok(entries.every(({ actor, requestId }) => actor.startsWith('operator ') && requestId.length === 36));
  });

  it('shows a key once, to people on its own line, and never again', async () => {
    const made = await zkraft(['keys', 'create', '--name', 'people'], env);
    assert.equal(made.code, 0, made.stderr);
    const key = made.stdout.split('\n')[0] as string;
    assert.match(key, /^zkr_/);
    assert.match(made.stdout, /submit, read, cancel; does not expire/);
    for (const args of [
      ['keys', 'ls'],
      ['keys', 'ls', '--json'],
    ]) {
      const listed = await zkraft(args, env);
      assert.equal(listed.code, 0, listed.stderr);
      assert.match(listed.stdout, /people/);
      assert.ok(!listed.stdout.includes(key) && !/hash/.test(listed.stdout));
    }
  });

  it('refuses what it cannot do before it touches the database, and says what would work', async () => {
    for (const [args, code, names] of [
      [['create'], 'usage', /needs --name/],
      [['revoke'], 'usage', /needs the id/],
      [['ls', 'abc'], 'usage', /takes no key/],
      [['create', '--name', 'x', '--expires', 'soon'], 'invalid_request', /"soon" is not a duration/],
    ] as const) {
      const run = await zkraft(['keys', ...args, '--json'], { DATABASE_URL: 'postgres://127.0.0.1:1/none' });
      assert.equal(run.code, 2, run.stdout);
      const { error } = run.json() as { error: { code: string; message: string } };
      assert.equal(error.code, code);
      assert.match(error.message, names);
    }
    for (const [args, code] of [
      [['create', '--name', 'a b'], 'invalid_request'],
      [['create', '--name', 'x', '--scopes', 'read,root'], 'invalid_request'],
      [['revoke', '00000000'], 'key_not_found'],
    ] as const) {
      const run = await zkraft(['keys', ...args, '--json'], env);
      assert.equal(run.code, 2, run.stdout);
      assert.equal((run.json() as { error: { code: string } }).error.code, code);
    }
  });
});
