import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sha256Hex } from '../../src/common/index.ts';
import {
  TableCache,
  type TableContents,
  type TableKey,
  type TablePlaces,
  type TableSection,
  type TableTrouble,
} from '../../src/prover/table-cache/index.ts';
import { temporaryDir } from '../support/merkle-circuits.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const STORE = fileURLToPath(new URL('./scripts/store-tables.ts', import.meta.url));
const keyOf = (name: string, version = 1): TableKey => ({ zkeyDigest: sha256Hex(name), layout: 'test', version });
const KEY = keyOf('a key');
const META = { windowBits: 14, counts: [1, 2] };
const random = new SeededRandom(5);
const SECTIONS: readonly TableSection[] = [
  { name: 'A', bytes: random.bytes(1000) },
  { name: 'nothing', bytes: new Uint8Array() },
  { name: 'B2', bytes: random.bytes(129) },
];

let root: string;
let dir: string;
let folders = 0;
let troubles: TableTrouble[];
let cache: TableCache;

before(async () => {
  root = await temporaryDir();
});
after(() => rm(root, { recursive: true, force: true }));
beforeEach(() => {
  dir = join(root, `cache-${folders++}`);
  troubles = [];
  cache = new TableCache({ dir, onTrouble: (trouble) => troubles.push(trouble) });
});

/** A place of its own for each section. */
function load(key = KEY, from = cache) {
  const places: Record<string, Uint8Array> = {};
  const place = ({ sectionBytes }: TableContents): TablePlaces => {
    for (const [name, bytes] of sectionBytes) places[name] = new Uint8Array(bytes);
    return places;
  };
  return from.load(key, place).then((contents) => contents && { meta: contents.meta, places });
}

const isFound = async (key: TableKey): Promise<boolean> => (await load(key)) !== undefined;
const fileOf = async (): Promise<string> => {
  const [name, ...others] = (await readdir(dir)).filter((file) => file.endsWith('.tables'));
  assert.ok(name !== undefined && others.length === 0, 'one file of tables is there');
  return join(dir, name);
};

describe('stored tables', () => {
  it('are read back as they were, with what was stored beside them', async () => {
    assert.equal(await load(), undefined);
    assert.equal(await cache.store(KEY, META, SECTIONS), true);
    const found = await load();
    assert.deepEqual(found?.meta, META);
    for (const { name, bytes } of SECTIONS) assert.deepEqual(found?.places[name], bytes, name);
    assert.deepEqual(troubles, []);
  });

  it('are read straight into shared memory, at an offset, and nothing beside it is touched', async () => {
    await cache.store(KEY, META, SECTIONS);
    const memory = new Uint8Array(new SharedArrayBuffer(4096)).fill(0xee);
    const found = await cache.load(KEY, () => ({
      A: memory.subarray(100, 1100),
      nothing: memory.subarray(2000, 2000),
      B2: memory.subarray(2001, 2130),
    }));
    assert.ok(found);
    const expected = new Uint8Array(4096).fill(0xee);
    expected.set(SECTIONS[0]?.bytes ?? [], 100);
    expected.set(SECTIONS[2]?.bytes ?? [], 2001);
    assert.deepEqual(Uint8Array.from(memory), expected);
  });

  it('may come from shared memory', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(300)).fill(7, 10, 200);
    assert.equal(await cache.store(KEY, null, [{ name: 'all', bytes: shared.subarray(5) }]), true);
    assert.deepEqual((await load())?.places.all, Uint8Array.from(shared.subarray(5)));
  });

  it('are of one digest, layout and version', async () => {
    await cache.store(KEY, META, SECTIONS);
    assert.ok(await isFound(KEY));
    assert.ok(!(await isFound(keyOf('another'))));
    assert.ok(!(await isFound({ ...KEY, layout: 'other' })));
    assert.ok(!(await isFound({ ...KEY, version: 2 })));
    const wrong = [{ zkeyDigest: '../x' }, { zkeyDigest: KEY.zkeyDigest.toUpperCase() }, { layout: '../x' }];
    for (const bad of [...wrong, { layout: '' }, { version: -1 }, { version: 1.5 }]) {
      await assert.rejects(load({ ...KEY, ...bad }), RangeError);
    }
  });

  it('are for their owner alone', async () => {
    await cache.store(KEY, META, SECTIONS);
    assert.equal((await stat(await fileOf())).mode & 0o777, 0o600);
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
  });

  it('leave no other file behind', async () => {
    await cache.store(KEY, META, SECTIONS);
    await cache.store(KEY, META, SECTIONS);
    assert.equal((await readdir(dir)).length, 1);
  });

  it('have places of exactly their length, or the caller is told of the mistake', async () => {
    await cache.store(KEY, META, SECTIONS);
    const places = (bytes: number) => () => ({
      A: new Uint8Array(bytes),
      nothing: new Uint8Array(),
      B2: new Uint8Array(129),
    });
    await assert.rejects(cache.load(KEY, places(999)), RangeError);
    await assert.rejects(
      cache.load(KEY, () => ({})),
      /no place/,
    );
    assert.equal(await cache.load(KEY, () => undefined), undefined);
    assert.ok(await cache.load(KEY, places(1000)), 'and the file is none the worse');
    await assert.rejects(cache.store(keyOf('twice'), {}, [SECTIONS[0], SECTIONS[0]] as TableSection[]), /same name/);
  });

  it('of 45 MB are there in time, the event loop free meanwhile', async () => {
    const bytes = Buffer.alloc(45e6, random.bytes(997));
    await cache.store(KEY, META, [{ name: 'all', bytes }]);
    const into = new Uint8Array(new SharedArrayBuffer(bytes.length));
    let [longestMs, lastMs] = [0, performance.now()];
    const timer = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 1);
    const beganAtMs = performance.now();
    assert.ok(await cache.load(KEY, () => ({ all: into })));
    const tookMs = performance.now() - beganAtMs;
    clearInterval(timer);
    assert.equal(Buffer.compare(into, bytes), 0);
    // A tenth of this on a quiet machine; the limit is what making tables must be slower than.
    assert.ok(tookMs < 1000, `${tookMs.toFixed()} ms`);
    assert.ok(longestMs < 200, `the loop stood still for ${longestMs.toFixed()} ms`);
  });
});

describe('a damaged file', () => {
  it('is set aside, told of, and its place is free again', async () => {
    await cache.store(KEY, META, SECTIONS);
    const path = await fileOf();
    const whole = await readFile(path);
    whole[whole.length - 1] = (whole.at(-1) ?? 0) ^ 1;
    await writeFile(path, whole);
    assert.equal(await load(), undefined);
    assert.deepEqual(
      troubles.map(({ kind }) => kind),
      ['damaged'],
    );
    assert.match(troubles[0]?.message ?? '', /section B2 has changed/);
    assert.deepEqual(await readdir(dir), [`${path.slice(dir.length + 1)}.damaged`]);
    assert.equal(await cache.store(KEY, META, SECTIONS), true);
    assert.ok(await load());
  });

  it('is noticed whichever byte of header or sections changed, and wherever it was cut', async () => {
    await cache.store(KEY, META, SECTIONS);
    const path = await fileOf();
    const whole = await readFile(path);
    const headerEnd = 44 + whole.readUInt32LE(8);
    const [a, b] = [whole.indexOf(SECTIONS[0]?.bytes ?? ''), whole.indexOf(SECTIONS[2]?.bytes ?? '')];
    const covered = (at: number) => at < headerEnd || (at >= a && at < a + 1000) || at >= b;
    let damaged = 0;
    const refused = async (bytes: Uint8Array, what: string) => {
      await writeFile(path, bytes);
      assert.equal(await load(), undefined, what);
      assert.equal(troubles.at(-1)?.kind, 'damaged', what);
      damaged++;
    };
    for (let at = 0; at < whole.length; at += 3) {
      if (!covered(at)) continue;
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      await refused(changed, `byte ${at}`);
    }
    for (const length of [0, 5, 43, 44, 100, headerEnd, a, whole.length - 1]) {
      await refused(whole.subarray(0, length), `cut at ${length}`);
    }
    await refused(Buffer.concat([whole, Buffer.of(0)]), 'one byte more');
    await writeFile(path, whole);
    assert.ok(await load(), 'the whole file is found');
    assert.ok(damaged > 300, `${damaged} damages tried`);
  });

  it('is one that was given the name of another key', async () => {
    await cache.store(KEY, META, SECTIONS);
    const bytes = await readFile(await fileOf());
    const other = keyOf('another');
    await writeFile(join(dir, `${other.zkeyDigest}.test.1.tables`), bytes);
    assert.equal(await isFound(other), false);
    assert.match(troubles[0]?.message ?? '', /another key/);
    assert.ok(await isFound(KEY));
  });

  it('that shrinks while it is read is noticed', async () => {
    await cache.store(KEY, META, SECTIONS);
    const path = await fileOf();
    const found = await cache.load(KEY, ({ sectionBytes }) => {
      // Between the header's check and the sections.
      truncateSync(path, 600);
      return Object.fromEntries([...sectionBytes].map(([name, bytes]) => [name, new Uint8Array(bytes)]));
    });
    assert.equal(found, undefined);
    assert.match(troubles[0]?.message ?? '', /ends too early/);
  });
});

describe('a disk that does not serve', () => {
  it('is no error: a folder that cannot be made', async () => {
    await writeFile(join(root, 'a file'), '');
    const below = new TableCache({ dir: join(root, 'a file', 'x'), onTrouble: (trouble) => troubles.push(trouble) });
    assert.equal(await below.store(KEY, META, SECTIONS), false);
    assert.equal(await load(KEY, below), undefined);
    assert.deepEqual(
      troubles.map(({ kind }) => kind),
      ['unwritable', 'unreadable'],
    );
  });

  it('is no error: a name that is a folder, and a link that leads nowhere', async () => {
    await cache.store(KEY, META, SECTIONS);
    const path = await fileOf();
    await rm(path);
    await mkdir(path);
    assert.equal(await load(), undefined);
    assert.equal(troubles.at(-1)?.kind, 'unreadable');
    await rm(path, { recursive: true });
    await symlink(join(dir, 'nowhere'), path);
    assert.equal(await load(), undefined);
  });

  it('is no error: a full one, and nothing half-written stays', async () => {
    // A limit on file sizes fails the write midway, as a full disk does, only for this process.
    const script = `ulimit -f 64; exec "$0" --import tsx "$@"`;
    const args = ['-c', script, process.execPath, STORE, dir, KEY.zkeyDigest, '1000000', '1'];
    const { stdout } = await promisify(execFile)('sh', args);
    const { stored, troubles: told } = JSON.parse(stdout) as { stored: boolean; troubles: string[] };
    assert.equal(stored, false);
    assert.match(told.join(), /^unwritable: EFBIG/);
    assert.deepEqual(await readdir(dir), []);
  });
});

describe('several writers', () => {
  it('of one process or many leave one whole file, the first', async () => {
    const run = async (fill: number) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...['--import', 'tsx', STORE, dir, KEY.zkeyDigest, '3000000', String(fill)],
      ]);
      return JSON.parse(stdout) as { stored: boolean; troubles: string[] };
    };
    const answers = await Promise.all([1, 2, 3].map(run));
    for (const answer of answers) assert.deepEqual(answer, { stored: true, troubles: [] });
    const found = await load();
    assert.ok(found);
    const fill = Number((found.meta as { fill: string }).fill);
    assert.ok(found.places.all?.every((byte) => byte === fill));
    assert.equal((await readdir(dir)).length, 1);

    const others = [4, 5, 6].map((byte) =>
      cache.store(KEY, { fill: String(byte) }, [{ name: 'all', bytes: new Uint8Array(10).fill(byte) }]),
    );
    assert.deepEqual(await Promise.all(others), [true, true, true]);
    assert.deepEqual((await load())?.meta, found.meta);
    const fresh = keyOf('fresh');
    const at = await Promise.all(
      [4, 5, 6].map((byte) => cache.store(fresh, byte, [{ name: 'all', bytes: new Uint8Array(10).fill(byte) }])),
    );
    assert.deepEqual(at, [true, true, true]);
    const one = await load(fresh);
    assert.ok(one?.places.all?.every((byte) => byte === one.meta));
  });
});

describe('the limit of the folder', () => {
  const bytes = new Uint8Array(10_000);
  const tables: readonly TableSection[] = [{ name: 'all', bytes }];
  let nowMs = 1_700_000_000_000;
  const limited = (bytesMax: number) =>
    new TableCache({ dir, bytesMax, onTrouble: (trouble) => troubles.push(trouble), now: () => (nowMs += 10_000) });

  it('lets go of what was used longest ago', async () => {
    const small = limited(3.5 * 10_500);
    for (const name of ['a', 'b', 'c']) assert.ok(await small.store(keyOf(name), {}, tables));
    assert.ok(await load(keyOf('a'), small), 'a is used again');
    assert.ok(await small.store(keyOf('d'), {}, tables));
    const found = await Promise.all(['a', 'b', 'c', 'd'].map((name) => isFound(keyOf(name))));
    assert.deepEqual(found, [true, false, true, true]);
    let total = 0;
    for (const name of await readdir(dir)) total += (await stat(join(dir, name))).size;
    assert.ok(total <= 3.5 * 10_500);
  });

  it('lets go of damaged files first, and leaves files of others alone', async () => {
    const small = limited(2.5 * 10_500);
    await small.store(keyOf('a'), {}, tables);
    const path = await fileOf();
    await small.store(keyOf('b'), {}, tables);
    await truncate(path, 10_100);
    await load(keyOf('a'), small);
    await utimes(`${path}.damaged`, new Date(), new Date());
    await writeFile(join(dir, 'notes.txt'), bytes);
    assert.ok(await small.store(keyOf('c'), {}, tables));
    assert.ok((await isFound(keyOf('b'))) && (await isFound(keyOf('c'))));
    assert.ok(!(await readdir(dir)).some((name) => name.endsWith('.damaged')));
    assert.ok((await readdir(dir)).includes('notes.txt'));
  });

  it('refuses what would not fit at all, and lets go of nothing for it', async () => {
    const small = limited(15_000);
    await small.store(keyOf('a'), {}, tables);
    assert.equal(await small.store(keyOf('b'), {}, [{ name: 'all', bytes: new Uint8Array(20_000) }]), false);
    assert.equal(troubles[0]?.kind, 'too-large');
    assert.ok(await isFound(keyOf('a')));
  });

  it('clears what a process that died left behind, but not what one is writing', async () => {
    const any = limited(1e9);
    await mkdir(dir);
    await writeFile(join(dir, 'old.tmp'), bytes);
    await writeFile(join(dir, 'new.tmp'), bytes);
    await utimes(join(dir, 'old.tmp'), nowMs / 1000 - 7200, nowMs / 1000 - 7200);
    await utimes(join(dir, 'new.tmp'), nowMs / 1000, nowMs / 1000);
    await any.store(keyOf('a'), {}, tables);
    const names = await readdir(dir);
    assert.ok(names.includes('new.tmp') && !names.includes('old.tmp'));
  });

  it('is kept in a folder that others have made', async () => {
    await mkdir(dir);
    await chmod(dir, 0o755);
    assert.ok(await limited(1e6).store(KEY, {}, tables));
  });
});
