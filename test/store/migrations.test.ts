import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, Pool } from 'pg';
import { migrate, openStore } from '../../src/store/index.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const SQL = fileURLToPath(new URL('../../src/store/migrations/sql/', import.meta.url));

/** Names of all migrations of this build, in order, and the number of one that is so many after the last. */
const NAMES = readdirSync(SQL)
  .filter((file) => file.endsWith('.up.sql'))
  .map((file) => file.replace('.up.sql', ''))
  .sort();
const number = (after: number): string => String(NAMES.length + after).padStart(4, '0');

describe('migrations', () => {
  let postgres: TestPostgres;
  let scratch: string;

  before(async () => {
    postgres = await startTestPostgres();
    scratch = mkdtempSync(join(tmpdir(), 'zkraft-test-sql-'));
  });
  after(async () => {
    await postgres?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const empty = () => postgres.createDatabase({ migrated: false });
  const copyOfFiles = (name: string): string => {
    const dir = join(scratch, name);
    cpSync(SQL, dir, { recursive: true });
    return dir;
  };
  /** Everything that the schema consists of, as text. */
  const shape = async (url: string): Promise<string> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query(`
        SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type AS line FROM information_schema.columns
          WHERE table_schema = 'public'
        UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
          WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        ORDER BY line`);
      return rows.map((row) => row.line).join('\n');
    } finally {
      await client.end();
    }
  };

  test('up, all the way down, and up again leads to the same schema', async () => {
    const url = await empty();
    const first = await migrate(url, 'up');
    assert.equal(first.current, first.latest);
    assert.ok(first.migrations.every(({ appliedAt }) => appliedAt instanceof Date));
    const made = await shape(url);
    const down = await migrate(url, 'down', { to: 0 });
    assert.equal(down.current, 0);
    const left = await shape(url);
    assert.doesNotMatch(left, /tasks|blobs|circuits|cluster|function|trigger/);
    await migrate(url, 'up');
    assert.equal(await shape(url), made);
  });

  test('down takes one step unless told how far, and a target says where up ends', async () => {
    const url = await empty();
    const { latest } = await migrate(url, 'up');
    assert.equal((await migrate(url, 'down')).current, latest - 1);
    assert.equal((await migrate(url, 'down', { to: 0 })).current, 0);
    assert.equal((await migrate(url, 'up', { to: 1 })).current, 1);
    assert.equal((await migrate(url, 'up', { to: 1 })).current, 1);
    await assert.rejects(migrate(url, 'up', { to: latest + 1 }), { code: 'invalid_request', field: 'to' });
  });

  test('the status of an empty database lists all as pending and changes nothing', async () => {
    const url = await empty();
    const status = await migrate(url, 'status');
    assert.equal(status.current, 0);
    assert.ok(status.migrations.every(({ appliedAt }) => appliedAt === undefined));
    assert.deepEqual(NAMES.slice(0, 2), ['0001_artifacts', '0002_tasks']);
    assert.deepEqual(
      status.migrations.map(({ name }) => name),
      NAMES,
    );
    assert.equal(await shape(url), '');
  });

  test('ten processes that migrate at the same time do it once', async () => {
    const url = await empty();
    const results = await Promise.all(Array.from({ length: 10 }, () => migrate(url, 'up')));
    assert.ok(results.every(({ current, latest }) => current === latest));
  });

  test('a file that was changed after it was applied stops everything and is named', async () => {
    const url = await empty();
    const dir = copyOfFiles('changed');
    await migrate(url, 'up', { dir });
    appendFileSync(join(dir, '0001_artifacts.up.sql'), '\n-- later\n');
    await assert.rejects(migrate(url, 'up', { dir }), { code: 'migration_failed', message: /0001_artifacts\.up\.sql/ });
    await assert.rejects(migrate(url, 'down', { dir }), { code: 'migration_failed' });
  });

  test('a migration that fails is rolled back whole, and what came before it stays', async () => {
    const url = await empty();
    const dir = copyOfFiles('failing');
    writeFileSync(join(dir, `${number(1)}_broken.up.sql`), 'CREATE TABLE half (x int); SELECT 1 / 0;');
    writeFileSync(join(dir, `${number(1)}_broken.down.sql`), 'DROP TABLE half;');
    await assert.rejects(migrate(url, 'up', { dir }), { code: 'migration_failed', message: /_broken\.up\.sql/ });
    assert.equal((await migrate(url, 'status', { dir })).current, NAMES.length);
    assert.doesNotMatch(await shape(url), /half/);
  });

  test('gaps in the numbering and missing down files are refused', async () => {
    const url = await empty();
    const gap = copyOfFiles('gap');
    writeFileSync(join(gap, `${number(2)}_late.up.sql`), 'SELECT 1;');
    writeFileSync(join(gap, `${number(2)}_late.down.sql`), 'SELECT 1;');
    await assert.rejects(migrate(url, 'up', { dir: gap }), { code: 'migration_failed', message: /_late/ });
    const oneWay = copyOfFiles('one-way');
    rmSync(join(oneWay, '0002_tasks.down.sql'));
    await assert.rejects(migrate(url, 'up', { dir: oneWay }), {
      code: 'migration_failed',
      message: /0002_tasks\.down/,
    });
  });

  test('a store opens only on the schema of its build', async () => {
    const url = await empty();
    await assert.rejects(openStore({ connectionString: url }), { code: 'schema_outdated', message: /migrate up/ });
    await migrate(url, 'up', { to: 1 });
    await assert.rejects(openStore({ connectionString: url }), { code: 'schema_outdated', message: /migrate up/ });
    const dir = copyOfFiles('newer');
    writeFileSync(join(dir, `${number(1)}_more.up.sql`), 'SELECT 1;');
    writeFileSync(join(dir, `${number(1)}_more.down.sql`), 'SELECT 1;');
    await migrate(url, 'up', { dir });
    await assert.rejects(openStore({ connectionString: url }), { code: 'schema_outdated', message: /newer/ });
    await assert.rejects(migrate(url, 'up'), { code: 'migration_failed', message: /_more/ });
  });

  test('a pool can be migrated as well as a connection string', async () => {
    const pool = new Pool({ connectionString: await empty(), max: 2 });
    // Pool.end does not wait until the server has let go, and the server is stopped right after.
    pool.on('error', () => {});
    try {
      const { current, latest } = await migrate(pool, 'up');
      assert.equal(current, latest);
      const { rows } = await pool.query('SHOW lock_timeout');
      assert.equal(rows[0].lock_timeout, '0');
    } finally {
      await pool.end();
    }
  });
});
