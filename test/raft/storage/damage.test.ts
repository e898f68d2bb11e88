/** What exactly is said of each damage, and that a torn tail is none. */
import assert from 'node:assert/strict';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createLog, openLevelLog, openLog, SimulatedDisk } from '../../../src/raft/index.ts';
import {
  decodeHead,
  encodeRecord,
  entryKey,
  HEAD_KEY,
  type LogHead,
  linkKey,
} from '../../../src/raft/storage/batch-record.ts';
import { decodeEntry, encodeEntry } from '../../../src/raft/storage/entry-codec.ts';
import { CONF, entry, hasCode, IDENTITY, run } from './log-beds.ts';
import { boot, change, filesOf, makeFolder } from './rotting-folder.ts';

/** Ten batches of two entries after the one that made it: entries 1 to 20, batches 1 to 11. */
async function makeDisk(text = 'entry'): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ autoSync: true });
  const log = await createLog(disk, { identity: IDENTITY, confState: CONF });
  for (let i = 1; i < 20; i += 2) {
    await log.append({ entries: run(i, i + 1, 3, text), hardState: { term: 3, vote: 1, commit: i } });
  }
  await log.close();
  return disk;
}

const flip = (bytes: Uint8Array): Uint8Array => {
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) ^ 1;
  return bytes;
};
const gone = (): undefined => undefined;
const headWith =
  (edit: Partial<LogHead>) =>
  (bytes: Uint8Array): Uint8Array =>
    encodeRecord({ ...decodeHead(bytes), ...edit });

describe('of each damage is said what it is, and the way out', () => {
  const damages: Readonly<Record<string, [damage: (disk: SimulatedDisk) => void, says: RegExp]>> = {
    'a missing entry': [(disk) => disk.damage(entryKey(7), gone), /entry 7 is missing/],
    'a missing last entry': [(disk) => disk.damage(entryKey(20), gone), /entry 20 is missing/],
    'a flipped bit in an entry': [(disk) => disk.damage(entryKey(7), flip), /entry 7 fails its checksum/],
    'an entry in the place of another': [
      (disk) => disk.damage(entryKey(7), () => disk.get(entryKey(8))),
      /entry 7 fails its checksum/,
    ],
    'an entry of another history': [
      (disk) => disk.damage(entryKey(7), () => encodeEntry(entry(7, 3, 'foreign'), 1234).bytes),
      /entry 7 does not follow the one before it/,
    ],
    'an entry of a later format': [
      (disk) =>
        disk.damage(entryKey(7), (bytes) => {
          bytes[0] = 9;
          return bytes;
        }),
      /entry 7 has format 9; this version reads 2/,
    ],
    'an entry beyond the end': [
      (disk) => disk.damage(entryKey(21), () => encodeEntry(entry(21, 3), 0).bytes),
      /ends with entry 20, but there is an entry 21/,
    ],
    'a missing head record': [(disk) => disk.damage(HEAD_KEY, gone), /the head record is missing/],
    'a damaged head record': [(disk) => disk.damage(HEAD_KEY, flip), /the head record fails its checksum/],
    'a missing batch': [(disk) => disk.damage(linkKey(5), gone), /batch 5 is missing/],
    'a missing first batch': [(disk) => disk.damage(linkKey(1), gone), /batch 1 is missing/],
    'a damaged batch record': [(disk) => disk.damage(linkKey(5), flip), /link0005 fails its checksum/],
    'a batch of another history': [
      (disk) => disk.damage(linkKey(5), () => encodeRecord({ sequence: 5, previous: 'x', digest: 'y' })),
      /batch 5 does not follow the one before it/,
    ],
    'a head of an older batch': [(disk) => disk.damage(HEAD_KEY, headWith({ sequence: 10 })), /batch|its end is lost/],
    'a commit index beyond the last entry': [
      (disk) => disk.damage(HEAD_KEY, headWith({ hardState: { term: 3, vote: 1, commit: 25 } })),
      /its end is lost: entry 25 was committed, but the log ends with 20/,
    ],
    'a term below that of the entries': [
      (disk) => disk.damage(HEAD_KEY, headWith({ hardState: { term: 2, vote: 1, commit: 19 } })),
      /the last entry is of term 3, but the hard state of 2/,
    ],
    'a database of another node': [
      (disk) => disk.damage(HEAD_KEY, headWith({ nodeId: 77 })),
      /it holds the log of node 77 .* but identity.json says node 4503599627370497/,
    ],
    'a missing identity': [
      (disk) => disk.damage('identity.json', gone),
      /identity.json is missing, but there is a log/,
    ],
    'an identity with a flipped digit': [
      (disk) =>
        disk.damage('identity.json', (bytes) => Buffer.from(Buffer.from(bytes).toString().replace('7d7f', '7d7e'))),
      /identity.json fails its checksum/,
    ],
    'an identity that is no JSON': [(disk) => disk.damage('identity.json', () => Buffer.from('{')), /is no JSON/],
  };
  for (const [what, [damage, says]] of Object.entries(damages)) {
    test(what, async () => {
      const disk = await makeDisk();
      damage(disk);
      for (let again = 0; again < 2; again += 1) {
        await assert.rejects(openLog(disk), hasCode('log_corrupt', says));
        await assert.rejects(openLog(disk), hasCode('log_corrupt', /join as new.*recover --force-new-cluster/));
      }
    });
  }

  test('a lost or damaged mark', async () => {
    const disk = await makeDisk();
    await disk.writeMark(0, flip(Uint8Array.from((await disk.readMarks())?.[0] ?? [])), true);
    await (await openLog(disk.clone())).close();
    await disk.writeMark(1, new Uint8Array(64), true);
    await assert.rejects(openLog(disk), hasCode('log_corrupt', /both slots of the end mark fail/));
  });

  test('a log that goes on after its clean close', async () => {
    const disk = await makeDisk();
    const marks = await disk.readMarks();
    const log = await openLog(disk);
    await log.append({ entries: [entry(21, 3)] });
    disk.crash({ keepsMark: true });
    for (const slot of [0, 1] as const) await disk.writeMark(slot, marks?.[slot] ?? new Uint8Array(0), true);
    await assert.rejects(openLog(disk), hasCode('log_corrupt', /closed after batch 11, but ends with batch 12/));
  });

  test('an entry that rots while the node runs ends the log when it is read', async () => {
    const disk = await makeDisk();
    const log = await openLog(disk, { residentBytesMax: 40 });
    disk.damage(entryKey(3), flip);
    assert.throws(() => log.entries(1, 5, 1e6), hasCode('log_corrupt', /entry 3 fails its checksum/));
    await assert.rejects(log.append({ entries: [entry(21, 3)] }), hasCode('log_corrupt'));
    await log.close();
  });

  test('an older entry that comes back from the dead under its key', async () => {
    const disk = await makeDisk();
    const old = disk.get(entryKey(20));
    const log = await openLog(disk, { residentBytesMax: 40 });
    await log.append({ entries: run(20, 30, 4), hardState: { term: 4, vote: 1, commit: 19 } });
    disk.damage(entryKey(20), () => old);
    assert.throws(() => log.entries(20, 22, 1e6), hasCode('log_corrupt', /entry 20 is of term 3, not 4/));
    await log.close();
  });
});

test('an entry is whole only as what it was written as', () => {
  for (const data of ['seven', '']) {
    const { bytes } = encodeEntry(entry(7, 2, data, 'conf-change'), 99);
    assert.equal(decodeEntry(7, bytes).entry.term, 2);
    assert.throws(() => decodeEntry(8, bytes), hasCode('log_corrupt'));
    for (let i = 1; i < bytes.length; i += 1) {
      const rotten = Uint8Array.from(bytes);
      rotten[i] = (rotten[i] ?? 0) ^ 1;
      assert.throws(() => decodeEntry(7, rotten), hasCode('log_corrupt'), `byte ${i}`);
    }
  }
});

describe('a folder', () => {
  test('whose last, unacknowledged batch is torn starts without it', async () => {
    const folder = await makeFolder(false);
    const log = await openLevelLog(folder.dir);
    const last = log.lastIndex();
    await log.append({ entries: run(last + 1, last + 2, 50), hardState: { term: 50, vote: 1, commit: last } });
    await log.close();
    const wal = (await readdir(join(folder.dir, 'log'))).filter((name) => name.endsWith('.log')).at(-1) ?? '';
    const path = join(folder.dir, 'log', wal);
    const { size } = await stat(path);
    await change(path, (bytes) => bytes.subarray(0, size - 5));
    // Acknowledged, for all that the mark says.
    await assert.rejects(boot(folder.dir), hasCode('log_corrupt', /its end is lost/));

    const other = await makeFolder(false);
    const walFiles = (await filesOf(join(other.dir, 'log'))).filter(({ name }) => name.endsWith('.log'));
    const torn = Buffer.from('a batch that was being written when the power went');
    await change(join(other.dir, 'log', walFiles.at(-1)?.name ?? ''), (bytes) => Buffer.concat([bytes, torn]));
    assert.deepEqual((await boot(other.dir)).entries, other.acknowledged.entries);
  });

  test('that lacks its database, or its mark, is refused, and nothing is made anew', async () => {
    for (const [name, says] of [
      ['log', /its folder log\/ is missing/],
      ['end.mark', /the end mark is missing/],
      ['log/CURRENT', /is damaged/],
    ] as const) {
      const { dir } = await makeFolder(true, 2);
      await rm(join(dir, name), { recursive: true });
      for (let again = 0; again < 2; again += 1) await assert.rejects(boot(dir), hasCode('log_corrupt', says));
    }
  });
});
