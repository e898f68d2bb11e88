/** Crashes of the simulated disk lose nothing that was acknowledged; what the disk loses beyond that is found out. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  createLog,
  DiskStallWatch,
  FreeSpaceGuard,
  type LogStorage,
  openLog,
  SimulatedDisk,
} from '../../../src/raft/index.ts';
import type { HardState } from '../../../src/raft/types.ts';
import { CONF, entry, hasCode, IDENTITY, run, textOf } from './log-beds.ts';

/** Lets all microtasks run: the storage does nothing that waits for more. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface State {
  readonly entries: readonly string[];
  readonly hardState: HardState;
}
const stateOf = (log: LogStorage): State => ({ entries: textOf(log), hardState: log.initialState().hardState });

async function freshLog(disk: SimulatedDisk): Promise<LogStorage> {
  disk.autoSync = true;
  const log = await createLog(disk, { identity: IDENTITY, confState: CONF });
  disk.autoSync = false;
  return log;
}

async function reopen(disk: SimulatedDisk): Promise<LogStorage> {
  disk.autoSync = true;
  const log = await openLog(disk);
  disk.autoSync = false;
  return log;
}

describe('a log on a disk that crashes', () => {
  test('is, whatever was in flight, as some append left it, and never as one before the last acknowledged', async () => {
    let [crashes, replaced, unacknowledgedKept, compactions] = [0, 0, 0, 0];
    const action = fc.oneof(
      { weight: 8, arbitrary: fc.record({ do: fc.constant('append' as const), back: fc.nat(4), count: fc.nat(3) }) },
      { weight: 5, arbitrary: fc.record({ do: fc.constant('sync' as const), count: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const), of: fc.nat(9) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('crash' as const), kept: fc.nat(2), keepsMark: fc.boolean() }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        const disk = new SimulatedDisk();
        let log = await freshLog(disk);
        let term = 1;
        /** What each call, in order, will leave; the first is the last acknowledged. */
        let states: State[] = [stateOf(log)];
        let base = 0;
        for (const [round, one] of [...actions, { do: 'crash' as const, kept: 1, keepsMark: true }].entries()) {
          const latest = states.at(-1) as State;
          const expect = (state: State, written: Promise<void>): void => {
            states.push(state);
            void written.then(() => {
              states = states.slice(states.indexOf(state));
            });
          };
          if (one.do === 'append') {
            const end = base + latest.entries.length;
            const from = Math.max(latest.hardState.commit, end - one.back) + 1;
            if (from <= end) {
              term += 1;
              replaced += 1;
            }
            const entries = run(from, from + one.count, term, `round ${round}`);
            const hardState = {
              term,
              vote: latest.hardState.term === term ? latest.hardState.vote : term,
              commit: latest.hardState.commit,
            };
            const texts = entries.map((e) => `${e.index}/${e.term} normal ${new TextDecoder().decode(e.data)}`);
            expect(
              { entries: [...latest.entries.slice(0, from - 1 - base), ...texts], hardState },
              log.append({ entries, hardState }),
            );
          } else if (one.do === 'commit') {
            const commit = Math.min(base + latest.entries.length, latest.hardState.commit + one.of);
            const hardState = { ...latest.hardState, commit };
            expect({ ...latest, hardState }, log.append({ hardState }));
          } else if (one.do === 'compact') {
            // Alone: the model knows one base.
            await settle();
            while (disk.sync() > 0) await settle();
            const commit = states.at(-1)?.hardState.commit ?? 0;
            if (commit < 2 || commit - 1 <= base) continue;
            disk.autoSync = true;
            for (const index of [commit - 1, commit]) {
              if (index <= (log.recordedSnapshots().at(-1)?.index ?? 0)) continue;
              await log.recordSnapshot({ index, term: log.term(index) ?? 0, confState: CONF });
            }
            const to = log.recordedSnapshots()[0]?.index ?? 0;
            await log.compact(to);
            disk.autoSync = false;
            compactions += to > base ? 1 : 0;
            base = Math.max(base, to);
            states = [stateOf(log)];
          } else if (one.do === 'sync') {
            await settle();
            disk.sync(one.count);
            await settle();
          } else {
            await settle();
            disk.crash({ kept: one.kept, keepsMark: one.keepsMark });
            crashes += 1;
            log = await reopen(disk);
            const found = stateOf(log);
            const which = states.findLastIndex((state) => JSON.stringify(state) === JSON.stringify(found));
            assert.notEqual(which, -1, `${JSON.stringify(found)} is none of ${JSON.stringify(states)}`);
            if (which > 0) unacknowledgedKept += 1;
            states = [found];
            term = Math.max(term, found.hardState.term) + 1;
          }
        }
      }),
      { numRuns: 300, seed: 20_261_128 },
    );
    // Nothing is shown by crashes that met nothing.
    assert.ok(
      crashes > 500 && replaced > 500 && unacknowledgedKept > 100 && compactions > 20,
      `${[crashes, replaced, unacknowledgedKept, compactions]}`,
    );
  });

  test('shows and acknowledges nothing before the sync', async () => {
    const disk = new SimulatedDisk();
    const log = await freshLog(disk);
    let isAcknowledged = false;
    void log.append({ entries: run(1, 3, 1), hardState: { term: 1, vote: 2, commit: 0 } }).then(() => {
      isAcknowledged = true;
    });
    await settle();
    assert.deepEqual(
      [log.lastIndex(), log.initialState().hardState.vote, isAcknowledged, disk.pendingWrites],
      [0, 0, false, 1],
    );
    disk.sync();
    await settle();
    assert.deepEqual([log.lastIndex(), log.initialState().hardState.vote, isAcknowledged], [3, 2, true]);
  });

  test('starts with a batch that was written after a clean close and a restart, and told to nobody', async () => {
    for (const keepsMark of [true, false]) {
      const disk = new SimulatedDisk({ autoSync: true });
      await (await createLog(disk, { identity: IDENTITY })).close();
      const log = await reopen(disk);
      void log.append({ entries: run(1, 3, 1), hardState: { term: 1, vote: 2, commit: 0 } });
      await settle();
      disk.crash({ kept: 1, keepsMark });
      assert.equal((await reopen(disk)).lastIndex(), 3);
    }
  });

  test('holds on to no batch that is durable, however long the queue is never empty', async () => {
    const disk = new SimulatedDisk({ autoSync: true });
    const log = await freshLog(disk);
    disk.autoSync = true;
    const hardState = { term: 1, vote: 1, commit: 0 };
    let before = log.append({ entries: [entry(1, 1)], hardState });
    // Each asks for the term of entry 1: through all batches before it, were they still there.
    for (let i = 0; i < 20_000; i += 1) {
      await Promise.resolve();
      const next = log.append({ hardState });
      await before;
      before = next;
    }
    await before;
    await log.close();
  });

  test('refuses to start when acknowledged batches are gone, for as long as they are', async () => {
    for (const lost of [1, 2, 5]) {
      const disk = new SimulatedDisk({ autoSync: true });
      const log = await freshLog(disk);
      disk.autoSync = true;
      for (let i = 1; i <= 10; i += 1)
        await log.append({ entries: [entry(i, 1)], hardState: { term: 1, vote: 1, commit: 0 } });
      disk.crash({ keepsMark: true });
      disk.loseSynced(lost);
      for (let again = 0; again < 2; again += 1) {
        await assert.rejects(
          openLog(disk),
          hasCode('log_corrupt', new RegExp(`its end is lost: batch 11 .* ends with batch ${11 - lost}`)),
        );
      }
    }
  });

  test('believes an old mark after a power cut, but not one that the log contradicts', async () => {
    const disk = new SimulatedDisk({ autoSync: true });
    const log = await freshLog(disk);
    disk.autoSync = true;
    for (let i = 1; i <= 10; i += 1)
      await log.append({ entries: [entry(i, 1)], hardState: { term: 1, vote: 1, commit: 0 } });
    const other = disk.clone();
    disk.crash();
    assert.equal((await openLog(disk)).lastIndex(), 10);
    const cut = await openLog(other);
    await cut.append({ entries: [entry(10, 1, 'another ten')] });
    await cut.close();
    const marks = await other.readMarks();
    disk.crash();
    const late = await openLog(disk);
    await late.append({ entries: [entry(10, 1, 'one more ten')] });
    await late.close();
    // The mark of a log that went another way.
    for (const slot of [0, 1] as const) await disk.writeMark(slot, marks?.[slot] ?? new Uint8Array(0), true);
    await assert.rejects(openLog(disk), hasCode('log_corrupt', /batch 12 is not the one that was acknowledged/));
  });
});

describe('a disk that fails', () => {
  test('ends the log: that append and every later call are refused, and nothing is tried again', async () => {
    const disk = new SimulatedDisk({ autoSync: true });
    const log = await freshLog(disk);
    const first = log.append({ entries: run(1, 2, 1), hardState: { term: 1, vote: 1, commit: 0 } });
    await settle();
    const queued = log.append({ entries: run(3, 4, 1) });
    await settle();
    disk.failNext(new Error('EIO: i/o error, fdatasync'));
    const { syncs } = disk;
    disk.sync();
    for (const append of [first, queued])
      await assert.rejects(append, hasCode('log_write_failed', /EIO.*look at the disk/));
    await assert.rejects(
      log.append({ hardState: { term: 2, vote: 1, commit: 0 } }),
      hasCode('log_write_failed', /EIO/),
    );
    await assert.rejects(log.compact(1), hasCode('log_write_failed'));
    await settle();
    assert.deepEqual([disk.pendingWrites, disk.syncs, log.lastIndex()], [0, syncs, 0]);
    await log.close();
    assert.equal((await reopen(disk)).lastIndex(), 0);
  });

  test('that stalls is told by the oldest append that waits', async () => {
    let nowMs = 0;
    const now = (): number => nowMs;
    const stallWatch = new DiskStallWatch({ electionTimeoutMs: 1_000, now });
    const disk = new SimulatedDisk({ autoSync: true });
    await (await createLog(disk, { identity: IDENTITY })).close();
    const log = await openLog(disk, { stallWatch });
    disk.autoSync = false;
    const hardState = { term: 1, vote: 1, commit: 0 };
    const first = log.append({ entries: [entry(1, 1)], hardState });
    nowMs = 1_500;
    const second = log.append({ entries: [entry(2, 1)] });
    nowMs = 2_000;
    await settle();
    assert.equal(stallWatch.verdict(), 'well');
    nowMs = 2_001;
    assert.equal(stallWatch.verdict(), 'step-down');
    nowMs = 10_000;
    assert.equal(stallWatch.verdict(), 'step-down');
    nowMs = 10_001;
    assert.equal(stallWatch.verdict(), 'exit');
    disk.sync();
    await Promise.all([first, second]);
    assert.deepEqual([stallWatch.verdict(), stallWatch.oldestWaitMs], ['well', 0]);
    await assert.rejects(log.append({ entries: [entry(9, 1)] }), hasCode('internal'));
    nowMs = 50_000;
    assert.equal(stallWatch.verdict(), 'well', 'a refused append waits for nothing');
  });
});

describe('the free-space guard', () => {
  const guardOf = (free: () => number, now: () => number = () => 0) => {
    let probes = 0;
    const guard = new FreeSpaceGuard({
      where: '/raft',
      freeBytesMin: 1_000,
      probeIntervalMs: 100,
      probe: async () => {
        probes += 1;
        return free();
      },
      now,
    });
    return { guard, probes: () => probes };
  };

  test('looks at the disk once in a while, and again when the margin may be used up', async () => {
    let nowMs = 0;
    const { guard, probes } = guardOf(
      () => 1_000_000,
      () => nowMs,
    );
    for (let i = 0; i < 100; i += 1) await guard.admit(10);
    assert.equal(probes(), 1);
    nowMs = 100;
    await guard.admit(10);
    assert.equal(probes(), 2);
    await guard.admit(70_000);
    assert.equal(probes(), 3);
  });

  test('refuses at the threshold, and lets what is small pass', async () => {
    let free = 1_000 + 39;
    const { guard } = guardOf(() => free);
    await assert.rejects(guard.admit(10), hasCode('disk_full', /\/raft has 0\.00 GiB free/));
    assert.equal(guard.isLow, false);
    free = 999;
    await assert.rejects(guard.admit(10), hasCode('disk_full'));
    assert.equal(guard.isLow, true);
    await guard.admit(0);
    free = 1_000 + 40;
    await guard.admit(10);
  });
});
