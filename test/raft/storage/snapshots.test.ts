/** Snapshots are there whole or not at all, and a damaged one is never restored: asked of real files and simulated ones. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  chooseSnapshot,
  createLog,
  FileSnapshotFolder,
  type LogStorage,
  openLog,
  SimulatedDisk,
  SimulatedFolder,
  type SnapshotFolder,
  SnapshotStore,
  type SnapshotStoreOptions,
} from '../../../src/raft/index.ts';
import type { SnapshotMetadata } from '../../../src/raft/types.ts';
import { CONF, freshDir, hasCode, IDENTITY, run } from './log-beds.ts';

type Change = (bytes: Uint8Array) => Uint8Array | undefined;
interface FolderBed {
  readonly folder: SnapshotFolder;
  damage(name: string, change: Change): Promise<void>;
}

const FOLDER_BEDS: Readonly<Record<string, () => Promise<FolderBed>>> = {
  'in files': async () => {
    const dir = await freshDir();
    return {
      folder: new FileSnapshotFolder(dir),
      damage: async (name, change) => {
        const changed = change(new Uint8Array(await readFile(join(dir, name))));
        await (changed === undefined ? rm(join(dir, name)) : writeFile(join(dir, name), changed));
      },
    };
  },
  'in simulated files': async () => {
    const folder = new SimulatedFolder({ autoSync: true });
    return { folder, damage: async (name, change) => folder.damage(name, change) };
  },
};

const at = (index: number, term = 1): SnapshotMetadata => ({ index, term, confState: CONF });
const storeOf = async (folder: SnapshotFolder, options: Partial<SnapshotStoreOptions> = {}): Promise<SnapshotStore> => {
  const store = new SnapshotStore(folder, { clusterId: IDENTITY.clusterId, ...options });
  await store.open();
  return store;
};
const flip =
  (position: number): Change =>
  (bytes) => {
    bytes[position] = (bytes[position] ?? 0) ^ 1;
    return bytes;
  };

async function save(store: SnapshotStore, metadata: SnapshotMetadata, ...chunks: Uint8Array[]): Promise<void> {
  const writer = await store.create(metadata);
  for (const chunk of chunks) await writer.write(chunk);
  await writer.finish();
}

async function stateOf(store: SnapshotStore, metadata: SnapshotMetadata): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(metadata)) {
    assert.ok(chunk.length <= 1024 * 1024);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A log of 100 entries with snapshots at 40 and 80, compacted up to `compactTo`. */
async function logWithSnapshots(
  store: SnapshotStore,
  compactTo: number,
): Promise<{ log: LogStorage; disk: SimulatedDisk }> {
  const disk = new SimulatedDisk({ autoSync: true });
  const log = await createLog(disk, { identity: IDENTITY, confState: CONF });
  await log.append({ entries: run(1, 100, 1), hardState: { term: 1, vote: 1, commit: 90 } });
  for (const index of [40, 80]) {
    await save(store, at(index), Buffer.from(`state ${index}`));
    await log.recordSnapshot(at(index));
    await store.keepOnly(log.recordedSnapshots());
  }
  await log.compact(compactTo);
  return { log, disk };
}

for (const [name, makeBed] of Object.entries(FOLDER_BEDS)) {
  describe(`snapshots ${name}`, () => {
    test('come back as they were written, in chunks of at most 1 MiB', async () => {
      const { folder } = await makeBed();
      const store = await storeOf(folder);
      const big = Buffer.alloc(2_500_000, 'abcdefg');
      await save(store, at(7), Buffer.from('head'), big, new Uint8Array(0));
      assert.ok((await stateOf(store, at(7))).equals(Buffer.concat([Buffer.from('head'), big])));
      await save(store, at(9));
      assert.equal((await stateOf(store, at(9))).length, 0);
      const sound = await (await storeOf(folder)).verify(at(7));
      assert.equal(sound.stateBytes, 2_500_004);
      assert.deepEqual(Buffer.from(sound.sha256), createHash('sha256').update('head').update(big).digest());
    });

    test('of which one bit differs anywhere, or which are cut short, are refused', async () => {
      const { folder, damage } = await makeBed();
      const store = await storeOf(folder);
      await save(store, at(7), Buffer.from('some state'));
      const [file = ''] = await folder.list();
      let length = 0;
      await damage(file, (bytes) => {
        ({ length } = bytes);
        return bytes;
      });
      for (let position = 0; position < length; position += 1) {
        await damage(file, flip(position));
        await assert.rejects(store.verify(at(7)), hasCode('log_corrupt'), `byte ${position}`);
        await assert.rejects(stateOf(store, at(7)), hasCode('log_corrupt'), `byte ${position}`);
        await damage(file, flip(position));
      }
      assert.equal((await stateOf(store, at(7))).toString(), 'some state');
      await damage(file, (bytes) => bytes.subarray(0, length - 1));
      await assert.rejects(store.verify(at(7)), hasCode('log_corrupt'));
    });

    test('are refused under metadata or in a cluster that are not theirs', async () => {
      const { folder } = await makeBed();
      const store = await storeOf(folder);
      await save(store, at(7), Buffer.from('state'));
      const other = { ...at(7), confState: { ...CONF, voters: [1, 2] } };
      await assert.rejects(store.verify(other), hasCode('log_corrupt', /other metadata/));
      await assert.rejects(store.verify(at(7, 2)), hasCode('log_corrupt', /is missing/));
      const stranger = await storeOf(folder, { clusterId: 'another' });
      await assert.rejects(stranger.verify(at(7)), hasCode('log_corrupt', /of cluster/));
    });

    test('leave nothing when they are aborted, too large, damaged on the way, or without room', async () => {
      const { folder } = await makeBed();
      let isFull = false;
      const admit = async (): Promise<void> => {
        if (isFull) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
      };
      const store = await storeOf(folder, { snapshotBytesMax: 10, freeSpace: { admit } });
      const aborted = await store.create(at(1));
      await aborted.write(Buffer.from('12345'));
      await aborted.abort();
      await assert.rejects(aborted.write(Buffer.from('6')), hasCode('internal'));
      const large = await store.create(at(1));
      await large.write(Buffer.from('1234567890'));
      await assert.rejects(large.write(Buffer.from('1')), hasCode('artifact_too_large', /10 bytes/));
      const wrong = await store.create(at(1));
      await wrong.write(Buffer.from('12345'));
      await assert.rejects(wrong.finish(new Uint8Array(32)), hasCode('artifact_corrupt', /send it again/));
      isFull = true;
      const full = await store.create(at(1));
      await assert.rejects(full.write(Buffer.from('1')), hasCode('disk_full'));
      isFull = false;
      assert.deepEqual(await folder.list(), []);
      await save(store, at(1), Buffer.from('fits'));
      assert.equal((await stateOf(store, at(1))).toString(), 'fits');
    });

    test('are written two at a time at most', async () => {
      const { folder } = await makeBed();
      const store = await storeOf(folder);
      const [one, two] = [await store.create(at(1)), await store.create(at(1))];
      await assert.rejects(store.create(at(3)), hasCode('overloaded'));
      await one.abort();
      await two.finish();
      await (await store.create(at(3))).abort();
    });

    test('that were not finished are gone at the next start, and superseded ones when the log forgets them', async () => {
      const { folder } = await makeBed();
      const store = await storeOf(folder);
      const unfinished = await store.create(at(5));
      await unfinished.write(Buffer.from('x'));
      for (const index of [1, 2, 3, 4]) await save(store, at(index), Buffer.from('y'));
      assert.equal((await folder.list()).length, 5);
      const again = await storeOf(folder);
      await again.keepOnly([at(2), at(3)]);
      // The newest is about to be recorded.
      assert.deepEqual(
        (await folder.list()).map((file) => Number(file.slice(9, 25))),
        [2, 3, 4],
      );
    });

    test('fall back to the one before when the newest is damaged and the log reaches it', async () => {
      const { folder, damage } = await makeBed();
      const store = await storeOf(folder);
      const { log, disk } = await logWithSnapshots(store, 40);
      assert.equal((await chooseSnapshot(log, store, assert.fail))?.metadata.index, 80);
      await log.close();
      const files = await folder.list();
      await damage(files.at(-1) ?? '', flip(30));
      const again = await openLog(disk);
      const passedOver: string[] = [];
      const chosen = await chooseSnapshot(again, store, (error) => passedOver.push(error.message));
      assert.equal(chosen?.metadata.index, 40);
      assert.equal((await stateOf(store, at(40))).toString(), 'state 40');
      assert.equal(passedOver.length, 1);
      // The damaged one counts no more: nothing is compacted that only it stands for.
      await again.append({ hardState: { term: 1, vote: 1, commit: 100 } });
      await save(store, at(95), Buffer.from('state 95'));
      await again.recordSnapshot(at(95));
      assert.deepEqual(
        again.recordedSnapshots().map(({ index }) => index),
        [40, 95],
      );
      await again.close();
    });

    test('that are all damaged are no loss while the log has its first entry, and are refused after', async () => {
      for (const [compactTo, commits] of [
        [0, 'replay'],
        [40, 'refuse'],
      ] as const) {
        const { folder, damage } = await makeBed();
        const store = await storeOf(folder);
        const { log, disk } = await logWithSnapshots(store, compactTo);
        await log.close();
        for (const file of await folder.list()) await damage(file, () => undefined);
        const again = await openLog(disk);
        const choice = chooseSnapshot(again, store, () => {});
        // Two snapshots were recorded, so the beginning is not known any more: only its entries are.
        await assert.rejects(choice, hasCode('log_corrupt', /is missing; .* is missing.*remove this node/s), commits);
        await again.close();
      }
      const { folder, damage } = await makeBed();
      const store = await storeOf(folder);
      const disk = new SimulatedDisk({ autoSync: true });
      const log = await createLog(disk, { identity: IDENTITY, confState: CONF });
      await log.append({ entries: run(1, 9, 1), hardState: { term: 1, vote: 1, commit: 9 } });
      await save(store, at(5), Buffer.from('x'));
      await log.recordSnapshot(at(5));
      for (const file of await folder.list()) await damage(file, flip(40));
      assert.equal(await chooseSnapshot(log, store, () => {}), undefined);
      assert.deepEqual(log.initialState().confState, CONF);
      await log.close();
    });

    test('of a peer that replaced the log have nothing to fall back to, and that is told', async () => {
      const { folder, damage } = await makeBed();
      const store = await storeOf(folder);
      const { log } = await logWithSnapshots(store, 40);
      await save(store, at(500, 7), Buffer.from('from a peer'));
      await log.applySnapshot(at(500, 7), { term: 7, vote: 0, commit: 500 });
      await store.keepOnly(log.recordedSnapshots());
      assert.equal((await chooseSnapshot(log, store, assert.fail))?.metadata.index, 500);
      const [file = '', ...others] = await folder.list();
      assert.deepEqual(others, []);
      await damage(file, flip(100));
      await assert.rejects(
        chooseSnapshot(log, store, () => {}),
        hasCode('log_corrupt', /join as new/),
      );
      await log.close();
    });
  });
}

test('a snapshot is durable when it is finished, and not before', async () => {
  const folder = new SimulatedFolder({ autoSync: true });
  const store = await storeOf(folder);
  await save(store, at(1), Buffer.from('one'));
  folder.autoSync = false;
  const writer = await store.create(at(2));
  await writer.write(Buffer.from('two'));
  let isDone = false;
  const finished = writer.finish().then(() => {
    isDone = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(folder.complete(), 1, 'the file');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isDone, false);
  assert.equal(folder.complete(), 1, 'the folder');
  await finished;
  folder.crash();
  assert.equal((await stateOf(await storeOf(folder), at(2))).toString(), 'two');
});

test('a failed fsync ends the store', async () => {
  const folder = new SimulatedFolder({ autoSync: true });
  const store = await storeOf(folder);
  const writer = await store.create(at(2));
  folder.failNext(new Error('EIO: i/o error, fsync'));
  await assert.rejects(writer.finish(), hasCode('log_write_failed', /EIO/));
  await assert.rejects(store.create(at(3)), hasCode('log_write_failed'));
  assert.deepEqual(await folder.list(), []);
});
