/** What consensus may rely on, asked of both: the folder on disk, and the disk that is simulated. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ZkraftError } from '../../../src/common/index.ts';
import { FreeSpaceGuard, type LogStorage } from '../../../src/raft/index.ts';
import { CONF, entry, hasCode, IDENTITY, LOG_BEDS, run, textOf } from './log-beds.ts';

const ALL = Number.MAX_SAFE_INTEGER;
const texts = (log: LogStorage, lo: number, hi: number, bytesMax = ALL): string[] | undefined =>
  log.entries(lo, hi, bytesMax)?.map(({ data }) => new TextDecoder().decode(data));
const refused = (says: RegExp) => hasCode('internal', says);

for (const [name, makeBed] of Object.entries(LOG_BEDS)) {
  describe(`a log ${name}`, () => {
    test('begins empty, with the configuration of the cluster and nobody voted for', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      assert.deepEqual(log.initialState(), { hardState: { term: 0, vote: 0, commit: 0 }, confState: CONF });
      assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(0), log.term(1)], [1, 0, 0, undefined]);
      assert.equal(log.snapshot(), undefined);
      assert.deepEqual(log.identity, IDENTITY);
      assert.deepEqual(log.entries(1, 1, ALL), []);
      await log.close();
    });

    test('remembers entries of each type, terms, vote and commit over a restart', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      const entries = [entry(1, 1, ''), entry(2, 1, 'add', 'conf-change'), entry(3, 4, 'joint', 'conf-change-v2')];
      const hardState = { term: 5, vote: 9_007_199_254_740_991, commit: 2 };
      await log.append({ entries, hardState });
      await log.close();
      const again = await bed.open();
      assert.deepEqual(again.entries(1, 4, ALL), entries);
      assert.deepEqual(again.initialState().hardState, hardState);
      assert.deepEqual(
        [0, 1, 2, 3, 4].map((i) => again.term(i)),
        [0, 1, 1, 4, undefined],
      );
      await again.close();
    });

    test('gives entries up to the limit in bytes, and at least one', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ entries: run(1, 10, 1, 'x'.repeat(100)), hardState: { term: 1, vote: 1, commit: 0 } });
      assert.equal(texts(log, 1, 11, 0)?.length, 1);
      assert.equal(texts(log, 3, 11, 400)?.length, 3);
      assert.equal(texts(log, 3, 6)?.length, 3);
      await log.close();
    });

    test('replaces a suffix that was not committed, also when the new one is shorter', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ entries: run(1, 20, 1), hardState: { term: 1, vote: 1, commit: 9 } });
      await log.append({ entries: run(10, 12, 3, 'other'), hardState: { term: 3, vote: 2, commit: 9 } });
      const expected = [...run(1, 9, 1), ...run(10, 12, 3, 'other')].map(({ data }) => new TextDecoder().decode(data));
      assert.deepEqual(texts(log, 1, 13), expected);
      assert.deepEqual([log.lastIndex(), log.term(9), log.term(10), log.term(13)], [12, 1, 3, undefined]);
      await log.close();
      const again = await bed.open();
      assert.deepEqual(texts(again, 1, 13), expected);
      assert.deepEqual([again.lastIndex(), again.term(9), again.term(10), again.term(13)], [12, 1, 3, undefined]);
      await again.close();
    });

    test('knows the terms after a cut that takes the beginning of a term with it', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      const entries = [...run(1, 14, 1), ...run(15, 20, 2)];
      await log.append({ entries, hardState: { term: 2, vote: 1, commit: 9 } });
      await log.append({ entries: run(10, 12, 2, 'earlier') });
      assert.deepEqual(
        [9, 10, 12, 13].map((i) => log.term(i)),
        [1, 2, 2, undefined],
      );
      await log.close();
    });

    test('refuses what would break the log, and leaves no trace of it', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ entries: run(1, 10, 2), hardState: { term: 2, vote: 3, commit: 6 } });
      const before = [textOf(log), log.initialState()];
      await assert.rejects(log.append({ entries: [entry(6, 2)] }), refused(/would replace a committed one/));
      await assert.rejects(log.append({ entries: [entry(12, 2)] }), refused(/would leave a gap/));
      await assert.rejects(log.append({ entries: [entry(11, 2), entry(13, 2)] }), refused(/stands where 12 should/));
      await assert.rejects(log.append({ entries: [entry(11, 1)] }), refused(/below the one before it/));
      await assert.rejects(log.append({ entries: [entry(11, 3)] }), refused(/the hard state of term 2/));
      const state = (term: number, vote: number, commit: number) => log.append({ hardState: { term, vote, commit } });
      await assert.rejects(state(1, 3, 6), refused(/term would fall/));
      await assert.rejects(state(2, 1, 6), refused(/vote of term 2 would change/));
      await assert.rejects(state(2, 3, 5), refused(/commit index would fall/));
      await assert.rejects(state(2, 3, 11), refused(/beyond the last entry/));
      await assert.rejects(
        log.append({ entries: [entry(11, 2)], hardState: { term: 2, vote: 3, commit: 12 } }),
        refused(/beyond/),
      );
      await assert.rejects(log.recordSnapshot({ index: 7, term: 2, confState: CONF }), refused(/not committed/));
      await assert.rejects(
        log.recordSnapshot({ index: 5, term: 1, confState: CONF }),
        refused(/has term 1, but the log 2/),
      );
      await assert.rejects(log.applySnapshot({ index: 5, term: 2, confState: CONF }), refused(/older than the commit/));
      await assert.rejects(log.compact(1), refused(/without its entries/));
      assert.deepEqual([textOf(log), log.initialState()], before);
      await log.append({ entries: [entry(11, 2)] });
      await log.close();
      const again = await bed.open();
      assert.deepEqual([textOf(again).slice(0, -1), again.initialState()], before);
      await again.close();
    });

    test('takes concurrent appends in order, each checked against those before it', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ hardState: { term: 7, vote: 1, commit: 0 } });
      const settled: number[] = [];
      const appends = Array.from({ length: 300 }, (_, i) =>
        log.append({ entries: [entry(i + 1, 1)] }).then(() => {
          settled.push(i);
          assert.ok(log.lastIndex() >= Math.min(i + 1, 160), 'shown before it is acknowledged');
        }),
      );
      // Replaces half of what has not even been written.
      appends.push(log.append({ entries: run(151, 160, 2, 'new'), hardState: { term: 7, vote: 1, commit: 155 } }));
      const late = log.append({ entries: [entry(162, 2)] });
      await assert.rejects(late, refused(/gap: the log ends with 160/));
      await Promise.all(appends);
      assert.deepEqual(
        settled,
        Array.from({ length: 300 }, (_, i) => i),
      );
      assert.deepEqual([log.lastIndex(), log.term(150), log.term(151)], [160, 1, 2]);
      await log.close();
      const again = await bed.open();
      assert.equal(again.lastIndex(), 160);
      assert.equal(texts(again, 160, 161)?.[0], 'new 160');
      await again.close();
    });

    test('keeps the right log through many batches in flight and queued', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ hardState: { term: 50, vote: 1, commit: 0 } });
      const model: string[] = [];
      const waiting: Promise<void>[] = [];
      for (let i = 0; i < 200; i += 1) {
        const term = 1 + Math.floor(i / 5);
        const from = Math.max(1, model.length + 1 - (i % 5 === 0 ? i % 7 : 0));
        const entries = run(from, from + (i % 4), term, `round ${i}`);
        model.splice(
          from - 1,
          model.length,
          ...entries.map((e) => `${e.index}/${e.term} normal ${new TextDecoder().decode(e.data)}`),
        );
        waiting.push(log.append({ entries }));
        if (i % 9 === 0) await waiting.at(-1);
      }
      await Promise.all(waiting);
      assert.deepEqual(textOf(log), model);
      await log.close();
      const again = await bed.open();
      assert.deepEqual(textOf(again), model);
      await again.close();
    });

    test('begins from its newest snapshot, and drops only what the older one does not need', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ entries: run(1, 100, 1), hardState: { term: 1, vote: 1, commit: 90 } });
      const joint = { ...CONF, voters: [1, 2, 4], votersOutgoing: [1, 2, 3], autoLeave: true };
      await log.recordSnapshot({ index: 40, term: 1, confState: CONF });
      await assert.rejects(log.compact(40), refused(/without its entries/), 'one snapshot is not enough');
      await log.recordSnapshot({ index: 80, term: 1, confState: joint });
      await assert.rejects(log.compact(41), refused(/without its entries/));
      await log.compact(40);
      assert.deepEqual([log.firstIndex(), log.term(39), log.term(40)], [41, undefined, 1]);
      assert.equal(log.entries(40, 50, ALL), undefined);
      assert.equal(texts(log, 41, 42)?.[0], 'entry 41');
      assert.deepEqual(log.snapshot()?.metadata, { index: 80, term: 1, confState: joint });
      await log.close();
      const again = await bed.open();
      assert.deepEqual([again.firstIndex(), again.lastIndex(), again.term(40)], [41, 100, 1]);
      assert.deepEqual(again.initialState().confState, joint);
      again.beginFrom({ index: 40, term: 1, confState: CONF });
      assert.deepEqual(again.initialState().confState, CONF);
      await again.append({ entries: run(101, 102, 1) });
      await again.close();
    });

    test("replaces the whole log by a peer's snapshot whose last term differs", async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ entries: run(1, 60, 1), hardState: { term: 1, vote: 1, commit: 10 } });
      const snapshot = { index: 50, term: 3, confState: { ...CONF, learners: [9] } };
      await assert.rejects(log.applySnapshot(snapshot), refused(/the hard state of term 1/));
      await log.applySnapshot(snapshot, { term: 3, vote: 0, commit: 50 });
      assert.deepEqual([log.firstIndex(), log.lastIndex(), log.term(50), log.term(49)], [51, 50, 3, undefined]);
      assert.equal(log.initialState().hardState.commit, 50);
      await log.append({ entries: run(51, 53, 3, 'after') });
      await log.close();
      const again = await bed.open();
      assert.deepEqual([again.firstIndex(), again.lastIndex(), again.term(50)], [51, 53, 3]);
      assert.deepEqual(texts(again, 51, 54), ['after 51', 'after 52', 'after 53']);
      assert.deepEqual(again.initialState().confState, snapshot.confState);
      await again.close();
    });

    test('takes a snapshot beyond its end, the entries after it and the state in one write', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ entries: run(1, 5, 1), hardState: { term: 1, vote: 1, commit: 1 } });
      await Promise.all([
        log.append({ entries: run(6, 9, 1) }),
        log.append({
          snapshot: { index: 1_000, term: 8, confState: CONF },
          entries: run(1_001, 1_003, 8, 'after'),
          hardState: { term: 9, vote: 2, commit: 1_001 },
        }),
        log.append({ entries: run(1_003, 1_004, 9, 'anew') }),
      ]);
      await log.close();
      const again = await bed.open();
      assert.deepEqual([again.firstIndex(), again.lastIndex(), again.term(1_000)], [1_001, 1_004, 8]);
      assert.deepEqual(texts(again, 1_001, 1_005), ['after 1001', 'after 1002', 'anew 1003', 'anew 1004']);
      assert.deepEqual(again.initialState().hardState, { term: 9, vote: 2, commit: 1_001 });
      await again.close();
    });

    test('keeps what follows a snapshot whose last entry it has', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      await log.append({ entries: run(1, 60, 1), hardState: { term: 1, vote: 1, commit: 10 } });
      await log.applySnapshot({ index: 50, term: 1, confState: CONF });
      assert.deepEqual([log.lastIndex(), log.initialState().hardState.commit], [60, 50]);
      await log.close();
      const again = await bed.open();
      assert.equal(texts(again, 60, 61)?.[0], 'entry 60');
      await again.close();
    });

    test('reads from the disk what is beyond its cap in memory, and ahead when asked', async () => {
      const bed = await makeBed();
      const log = await bed.create({ residentBytesMax: 20_000 });
      const entries = [...run(1, 500, 1, 'x'.repeat(82)), ...run(501, 1_000, 2, 'y'.repeat(82))];
      for (let i = 0; i < 1_000; i += 50) {
        await log.append({ entries: entries.slice(i, i + 50), hardState: { term: 2, vote: 1, commit: 0 } });
      }
      for (const storage of [log, await log.close().then(() => bed.open({ residentBytesMax: 20_000 }))]) {
        if (storage === log) continue;
        assert.equal(storage.isResident(1, 10), false);
        assert.equal(storage.isResident(990, 1_001), true);
        assert.deepEqual(storage.entries(1, 1_001, ALL), entries);
        assert.deepEqual([storage.term(1), storage.term(500), storage.term(501)], [1, 1, 2]);
        await storage.load(400, 600);
        assert.equal(storage.isResident(400, 600), true);
        assert.equal(storage.isResident(399, 600), false);
        assert.deepEqual(
          [399, 400, 599, 600, 990, 1_001].map((lo) => storage.residentTo(lo)),
          [399, 600, 600, 600, 1_001, 1_001],
        );
        // A window that meets the tail: memory from there to the end.
        await storage.load(700, 1_001);
        assert.equal(storage.residentTo(700), 1_001);
        await storage.load(400, 600);
        assert.deepEqual(storage.entries(400, 600, ALL), entries.slice(399, 599));
        // Replaces what is neither in memory nor in the window any more.
        await storage.append({ entries: run(450, 452, 2, 'z') });
        assert.deepEqual(texts(storage, 448, 453)?.slice(-3), ['z 450', 'z 451', 'z 452']);
        assert.equal(storage.lastIndex(), 452);
        await storage.append({ entries: run(453, 900, 2, 'x'.repeat(82)) });
        assert.equal(storage.isResident(450, 453), false);
        assert.deepEqual(texts(storage, 450, 453), ['z 450', 'z 451', 'z 452']);
        await storage.close();
      }
    });

    test('merges what waits for the disk into few batches', async () => {
      const bed = await makeBed();
      let admitted = 0;
      const freeSpace = {
        admit: async () => {
          admitted += 1;
        },
      };
      const log = await bed.create({ freeSpace });
      const state = { term: 1, vote: 1, commit: 0 };
      await Promise.all(
        Array.from({ length: 500 }, (_, i) => log.append({ entries: [entry(i + 1, 1)], hardState: state })),
      );
      assert.ok(admitted <= 2, `500 appends took ${admitted} batches`);
      await log.close();
    });

    test('stops taking appends before the disk is full, and goes on when there is room', async () => {
      const bed = await makeBed();
      let full = false;
      const freeSpace = new FreeSpaceGuard({
        where: 'the disk',
        freeBytesMin: 1_000_000,
        probeIntervalMs: 0,
        probe: async () => (full ? 900_000 : 1e12),
        now: () => 0,
      });
      const log = await bed.create({ freeSpace });
      await log.append({ entries: run(1, 5, 1), hardState: { term: 1, vote: 1, commit: 0 } });
      full = true;
      const appends = [log.append({ entries: [entry(6, 1)] }), log.append({ entries: [entry(7, 1)] })];
      for (const append of appends) await assert.rejects(append, hasCode('disk_full', /Make room/));
      assert.equal(log.lastIndex(), 5);
      // A vote is small, and must not be lost to a full disk.
      await log.append({ hardState: { term: 2, vote: 3, commit: 5 } });
      full = false;
      await log.append({ entries: run(6, 7, 2, 'again') });
      await log.close();
      const again = await bed.open();
      assert.deepEqual(texts(again, 6, 8), ['again 6', 'again 7']);
      await again.close();
    });

    test('refuses with an append what was queued behind it, and takes both again', async () => {
      const bed = await makeBed();
      const doors: (() => void)[] = [];
      let isRefusing = true;
      const admit = async (): Promise<void> => {
        if (!isRefusing) return;
        await new Promise<void>((resolve) => doors.push(resolve));
        throw new ZkraftError('disk_full', 'no room');
      };
      const log = await bed.create({ freeSpace: { admit } });
      const hardState = { term: 1, vote: 1, commit: 0 };
      const first = log.append({ entries: run(1, 5, 1), hardState });
      await new Promise((resolve) => setImmediate(resolve));
      const second = log.append({ entries: run(6, 7, 1) });
      isRefusing = false;
      for (const open of doors) open();
      for (const append of [first, second]) await assert.rejects(append, hasCode('disk_full'));
      await assert.rejects(log.append({ entries: run(6, 7, 1) }), refused(/gap: the log ends with 0/));
      await log.append({ entries: run(1, 5, 1), hardState });
      await log.append({ entries: run(6, 7, 1) });
      assert.equal(log.lastIndex(), 7);
      await log.close();
    });

    test('is made once: the same identity opens it again, another is refused', async () => {
      const bed = await makeBed();
      await assert.rejects(bed.open(), hasCode('config_invalid', /holds no log/));
      const log = await bed.create();
      await log.append({ entries: run(1, 3, 1), hardState: { term: 1, vote: 1, commit: 3 } });
      await assert.rejects(bed.open(), hasCode('already_running'));
      await log.close();
      const other = { ...IDENTITY, incarnationId: 'another' };
      await assert.rejects(bed.create({ identity: other }), hasCode('config_invalid', /never overwritten/));
      await assert.rejects(bed.create({ identity: { ...IDENTITY, nodeId: 0 } }), hasCode('config_invalid', /nodeId/));
      await assert.rejects(
        bed.open({ nodeName: 'coordinator-2' }),
        hasCode('config_invalid', /belongs to "coordinator-1"/),
      );
      const same = await bed.create();
      assert.equal(same.lastIndex(), 3);
      await same.close();
      await (await bed.open({ nodeName: 'coordinator-1' })).close();
    });

    test('writes at its close what was queued, and takes nothing after', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      const last = log.append({ entries: run(1, 2, 1), hardState: { term: 1, vote: 1, commit: 0 } });
      const closing = log.close();
      await assert.rejects(log.append({ entries: run(3, 3, 1) }), hasCode('shutting_down'));
      await last;
      await closing;
      await log.close();
      const again = await bed.open();
      assert.equal(again.lastIndex(), 2);
      await again.close();
    });

    test('stays whole through more batches than it keeps links of', async () => {
      const bed = await makeBed();
      const log = await bed.create();
      for (let i = 1; i <= 1_100; i += 1) {
        const hardState = { term: 1, vote: 1, commit: i - 1 };
        const written = log.append({ entries: [entry(i, 1)], hardState });
        // LevelDB's fsyncs take their time: only some batches alone, the rest of them in the simulated disk.
        if (name !== 'on LevelDB' || i % 16 === 0) await written;
      }
      await log.close();
      const again = await bed.open();
      assert.equal(again.lastIndex(), 1_100);
      await again.close();
    });
  });
}
