/** Crashes lose nothing that was acknowledged; damage is told, never repaired, never wiped. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClassicLevel } from 'classic-level';
import { ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import { openSingleNodeLog, type SingleNodeLogOptions } from '../../src/raft/index.ts';
import { decodeEntry, encodeEntry } from '../../src/raft/single/entry-codec.ts';
import { ListMachine } from './list-machine.ts';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'zkraft-damage-'));
});
after(() => rm(root, { recursive: true, force: true }));

const open = (dir: string, options: Partial<SingleNodeLogOptions> = {}) =>
  openSingleNodeLog<string>({ dir, nodeId: 'n1', grpcAddress: '127.0.0.1:1', logger: silentLogger, ...options });
const hasCode = (code: string) => (error: unknown) => error instanceof ZkraftError && error.code === code;

/** A closed log with entries 1 to 60 and snapshots, in a folder of its own. */
async function makeLog(name: string, options: Partial<SingleNodeLogOptions> = {}, text = 'entry'): Promise<string> {
  const dir = join(root, name);
  const log = await open(dir, options);
  await log.start(new ListMachine());
  for (let i = 2; i <= 60; i += 1) await log.propose(new TextEncoder().encode(`${text} ${i}`));
  await log.close();
  return dir;
}

async function filesOf(dir: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of (await readdir(dir, { recursive: true })).sort()) {
    const path = join(dir, name);
    // LevelDB renames its own text log at each open; it holds no data.
    if ((await stat(path)).isFile() && !/LOG(\.old)?$/.test(name))
      files.set(name, (await readFile(path)).toString('base64'));
  }
  return files;
}

const entryKey = (index: number): Buffer => {
  const key = Buffer.alloc(9);
  key.write('e', 0, 'latin1');
  key.writeBigUInt64BE(BigInt(index), 1);
  return key;
};

async function inLevel(dir: string, edit: (db: ClassicLevel<Buffer, Buffer>) => Promise<void>): Promise<void> {
  const db = new ClassicLevel<Buffer, Buffer>(join(dir, 'log'), { keyEncoding: 'buffer', valueEncoding: 'buffer' });
  await db.open();
  await edit(db);
  await db.close();
}

/** Opens and starts; the damage may show in either. */
async function boot(dir: string): Promise<ListMachine> {
  const machine = new ListMachine();
  const log = await open(dir);
  try {
    await log.start(machine);
  } finally {
    await log.close();
  }
  return machine;
}

test('kill -9 in mid-append loses nothing that was acknowledged, time after time', async () => {
  const dir = join(root, 'killed');
  let acknowledged = 0;
  for (let round = 0; round < 4; round += 1) {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('./append-forever.ts', import.meta.url)), dir],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let tail = '';
    const enough = acknowledged + 60 + round * 37;
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        const lines = (tail + chunk.toString()).split('\n');
        tail = lines.pop() ?? '';
        for (const line of lines) acknowledged = Math.max(acknowledged, Number(line));
        if (acknowledged >= enough) child.kill('SIGKILL');
      });
      child.on('close', () => resolve());
    });
    const machine = await boot(dir);
    machine.applied.forEach((entry, i) => {
      assert.equal(entry.index, i + 1);
    });
    assert.ok(machine.applied.length > acknowledged, `${machine.applied.length} entries, ${acknowledged} acknowledged`);
  }
});

test('a torn tail that nobody was told of is dropped, and the rest is whole', async () => {
  const dir = await makeLog('torn');
  await rm(join(dir, 'closed.json'));
  const wal = (await readdir(join(dir, 'log'))).find((name) => name.endsWith('.log')) ?? '';
  const path = join(dir, 'log', wal);
  await truncate(path, (await stat(path)).size - 7);
  const machine = await boot(dir);
  assert.equal(machine.applied.length, 60);
  assert.equal(machine.applied[58]?.text, 'entry 59');
});

test('an acknowledged end that is gone after a clean close is damage', async () => {
  const dir = await makeLog('cut');
  const wal = (await readdir(join(dir, 'log'))).find((name) => name.endsWith('.log')) ?? '';
  const path = join(dir, 'log', wal);
  await truncate(path, (await stat(path)).size - 7);
  await assert.rejects(boot(dir), (error: unknown) => {
    assert.ok(hasCode('log_corrupt')(error));
    assert.match((error as ZkraftError).message, /closed at entry 60, but now ends at 59.*Restore this folder/s);
    return true;
  });
});

const damages: Record<string, (dir: string) => Promise<void>> = {
  'a missing entry in the middle': (dir) => inLevel(dir, (db) => db.del(entryKey(30))),
  'a flipped bit in an entry': (dir) =>
    inLevel(dir, async (db) => {
      const value = (await db.get(entryKey(30))) ?? Buffer.alloc(0);
      value[20] = (value[20] ?? 0) ^ 1;
      await db.put(entryKey(30), value);
    }),
  'an entry put in the place of another': (dir) =>
    inLevel(dir, async (db) => db.put(entryKey(30), (await db.get(entryKey(31))) ?? Buffer.alloc(0))),
  'an entry of an unknown format': (dir) =>
    inLevel(dir, async (db) => {
      const value = (await db.get(entryKey(60))) ?? Buffer.alloc(0);
      value[0] = 9;
      await db.put(entryKey(60), value);
    }),
  'a missing term': (dir) => inLevel(dir, (db) => db.del(Buffer.from('m:term'))),
  'a missing identity': (dir) => rm(join(dir, 'identity.json')),
  'an identity that is no JSON': (dir) => writeFile(join(dir, 'identity.json'), 'oops'),
  'a missing database folder': (dir) => rm(join(dir, 'log'), { recursive: true }),
};

test('an entry that is whole, but of another history, does not fit its neighbours', async () => {
  const dir = await makeLog('history');
  const other = await makeLog('other-history', {}, 'another entry');
  let foreign: Buffer = Buffer.alloc(0);
  await inLevel(other, async (db) => {
    foreign = (await db.get(entryKey(30))) ?? foreign;
  });
  await inLevel(dir, (db) => db.put(entryKey(30), foreign));
  await assert.rejects(boot(dir), (error: unknown) => {
    assert.ok(hasCode('log_corrupt')(error));
    assert.match((error as ZkraftError).message, /entry 30 does not follow/);
    return true;
  });
});

test('an entry is whole only under its own index', () => {
  const { bytes } = encodeEntry({ index: 7, term: 2, data: Buffer.from('seven') }, 0);
  assert.equal(decodeEntry(7, bytes).entry.term, 2);
  assert.throws(() => decodeEntry(8, bytes), hasCode('log_corrupt'));
});

for (const [what, damage] of Object.entries(damages)) {
  test(`${what} is told as log_corrupt, and not a byte is changed`, async () => {
    const dir = await makeLog(what.replaceAll(' ', '-'));
    await damage(dir);
    const before = await filesOf(dir);
    // On a copy for LevelDB, which rewrites its own bookkeeping at each open.
    await assert.rejects(boot(dir), hasCode('log_corrupt'));
    const afterwards = await filesOf(dir);
    for (const name of ['identity.json', ...[...before.keys()].filter((key) => key.startsWith('snapshots'))]) {
      assert.equal(afterwards.get(name), before.get(name), name);
    }
    await assert.rejects(boot(dir), hasCode('log_corrupt'), 'it is told again the next time');
  });
}

test('a damaged newest snapshot is passed over for the one before it', async () => {
  const dir = await makeLog('snapshot', { snapshotThreshold: 10, trailingEntries: 0 });
  const names = (await readdir(join(dir, 'snapshots'))).sort();
  assert.equal(names.length, 2);
  const newest = join(dir, 'snapshots', names[1] ?? '');
  const bytes = await readFile(newest);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  await writeFile(newest, bytes);
  const machine = await boot(dir);
  assert.equal(machine.applied.length, 61);
  await cp(dir, `${dir}-both`, { recursive: true });
  for (const name of await readdir(join(`${dir}-both`, 'snapshots'))) {
    await writeFile(join(`${dir}-both`, 'snapshots', name), 'ZKSN but no more');
  }
  await assert.rejects(boot(`${dir}-both`), hasCode('log_corrupt'));
});

test('a folder of another node is refused, and stays usable for its own', async () => {
  const dir = await makeLog('other');
  await assert.rejects(open(dir, { nodeId: 'n2' }), hasCode('config_invalid'));
  assert.equal((await boot(dir)).applied.length, 61);
});
