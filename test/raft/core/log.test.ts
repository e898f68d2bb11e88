import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { entryBytes } from '../../../src/raft/core/entry-size.ts';
import { MemoryStorage } from '../../../src/raft/core/index.ts';
import { RaftLog } from '../../../src/raft/core/log.ts';
import { SILENT } from '../../../src/raft/core/logger.ts';
import { majorityIndex, majorityVote } from '../../../src/raft/core/quorum.ts';
import { UnstableTail } from '../../../src/raft/core/unstable.ts';
import type { Entry } from '../../../src/raft/types.ts';
import { confState, entry, snapshotAt } from './cluster.ts';

const entries = (from: number, terms: readonly number[]): Entry[] => terms.map((term, i) => entry(term, from + i));
const terms = (list: readonly Entry[] | undefined): number[] => (list ?? []).map(({ term }) => term);
const ALL = Number.POSITIVE_INFINITY;

describe('the unstable tail', () => {
  it('hands each entry over once, and forgets it when it is stable', () => {
    const tail = new UnstableTail(5);
    tail.replaceFrom(entries(5, [1, 1]));
    assert.deepEqual(terms(tail.pendingEntries()), [1, 1]);
    tail.handOver();
    tail.replaceFrom(entries(7, [1]));
    assert.deepEqual(
      tail.pendingEntries().map(({ index }) => index),
      [7],
    );
    assert.equal(tail.stableTo({ term: 1, index: 6 }), true);
    assert.deepEqual([tail.offset, tail.lastIndex], [7, 7]);
    assert.equal(tail.hasPendingEntries, true);
  });

  it('hands over again what was replaced after it was handed over', () => {
    const tail = new UnstableTail(5);
    tail.replaceFrom(entries(5, [1, 1, 1]));
    tail.handOver();
    tail.replaceFrom(entries(6, [2]));
    assert.deepEqual(
      tail.pendingEntries().map(({ term, index }) => [term, index]),
      [[2, 6]],
    );
    tail.replaceFrom(entries(4, [3]));
    assert.deepEqual([tail.offset, terms(tail.pendingEntries())], [4, [3]]);
  });

  it('does not believe an acknowledgement of what does not stand there', () => {
    const tail = new UnstableTail(5);
    tail.replaceFrom(entries(5, [2, 2]));
    for (const id of [
      { term: 1, index: 5 },
      { term: 2, index: 7 },
      { term: 2, index: 4 },
    ])
      assert.equal(tail.stableTo(id), false);
    assert.equal(tail.offset, 5);
  });

  it('what was handed out does not change when the tail does', () => {
    const tail = new UnstableTail(1);
    tail.replaceFrom(entries(1, [1, 1]));
    const handed = tail.pendingEntries();
    tail.replaceFrom(entries(3, [1]));
    tail.replaceFrom(entries(1, [2]));
    assert.deepEqual(terms(handed), [1, 1]);
  });

  it('begins behind a snapshot that is restored, and keeps it until just that is stable', () => {
    const tail = new UnstableTail(5);
    tail.replaceFrom(entries(5, [1]));
    tail.restore(snapshotAt(9, 2, confState([1])));
    assert.deepEqual([tail.offset, tail.lastIndex, tail.term(9), tail.term(5)], [10, 9, 2, undefined]);
    assert.notEqual(tail.pendingSnapshot(), undefined);
    tail.handOver();
    assert.equal(tail.pendingSnapshot(), undefined);
    tail.snapshotStableTo(8);
    assert.notEqual(tail.snapshot, undefined);
    tail.snapshotStableTo(9);
    assert.equal(tail.snapshot, undefined);
  });

  it('refuses gaps and what it does not have', () => {
    const tail = new UnstableTail(5);
    assert.throws(() => tail.replaceFrom(entries(6, [1])), /leaves a gap/);
    assert.throws(() => tail.slice(4, 5), /no entries/);
  });
});

/** Entries 4 to 6 durable behind a snapshot at 3, 7 to 9 not yet. */
function log(): RaftLog {
  const storage = new MemoryStorage();
  storage.applySnapshot(snapshotAt(3, 1, confState([1])));
  storage.append(entries(4, [1, 1, 2]));
  const made = new RaftLog(storage, ALL, SILENT);
  made.append(entries(7, [2, 3, 3]));
  return made;
}

describe('the log', () => {
  it('knows the terms of what it has, and of the entry before', () => {
    const made = log();
    assert.deepEqual(
      [2, 3, 4, 5, 6, 7, 8, 9, 10].map((index) => made.term(index)),
      [undefined, 1, 1, 1, 2, 2, 3, 3, undefined],
    );
    assert.deepEqual([made.firstIndex(), made.last()], [4, { term: 3, index: 9 }]);
  });

  it('gives slices over both parts as one would of a plain list, within a limit of bytes, but one entry at least', () => {
    const made = log();
    const plain = made.slice(4, 10, ALL) ?? [];
    assert.deepEqual(terms(plain), [1, 1, 2, 2, 3, 3]);
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 10 }), fc.integer({ min: 4, max: 10 }), fc.nat(60), (a, b, limit) => {
        const [lo, hi] = [Math.min(a, b), Math.max(a, b)];
        const expected: Entry[] = [];
        let size = 0;
        for (const one of plain.slice(lo - 4, hi - 4)) {
          size += entryBytes(one);
          if (expected.length > 0 && size > limit) break;
          expected.push(one);
        }
        assert.deepEqual(made.slice(lo, hi, limit), expected);
      }),
      { numRuns: 500 },
    );
    assert.equal(made.slice(3, 5, ALL), undefined, 'compacted');
    assert.throws(() => made.slice(4, 11, ALL), /no entries/);
  });

  it('finds the last entry whose term is not over another', () => {
    const made = log();
    assert.deepEqual(made.lastNotOver(9, 2), { term: 2, index: 7 });
    assert.deepEqual(made.lastNotOver(9, 1), { term: 1, index: 5 });
    assert.deepEqual(made.lastNotOver(9, 0), { term: 0, index: 2 }, 'where it does not know any more');
    assert.deepEqual(made.lastNotOver(0, 5), { term: 0, index: 0 });
  });

  it('refuses to replace what is committed, to commit what is not there, to apply what is not committed', () => {
    const made = log();
    made.commitTo(8);
    assert.throws(() => made.append(entries(8, [4])), /would replace one of 8 committed/);
    assert.throws(() => made.commitTo(10), /acknowledged are lost/);
    assert.throws(() => made.appliedTo(9, 0), /entry 9 applied/);
    made.appliedTo(5, 0);
    assert.throws(() => made.appliedTo(4, 0), /entry 4 applied/);
    made.commitTo(4);
    assert.equal(made.committed, 8, 'it never goes back');
  });

  it('commits by counting only what bears the term in question', () => {
    const made = log();
    assert.equal(made.tryCommit({ term: 3, index: 7 }), false);
    assert.equal(made.tryCommit({ term: 3, index: 8 }), true);
    assert.equal(made.tryCommit({ term: 3, index: 8 }), false);
  });

  it('ends up as the leader’s, whatever was sent in whatever order, and loses nothing that is committed', () => {
    // Any two logs that agree up to what is committed; pieces of the leader's, shuffled.
    const run = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 8 });
    const rising = (steps: readonly number[]): number[] => {
      let term = 1;
      return steps.map((step) => {
        term += step - 1;
        return term;
      });
    };
    fc.assert(
      fc.property(
        run,
        run,
        fc.nat(8),
        fc.array(fc.tuple(fc.nat(7), fc.nat(8), fc.nat(10)), { maxLength: 20 }),
        (a, b, shared, pieces) => {
          // Even terms and odd ones: no leader ever wrote both, so the two meet only where they are the same.
          const leader = rising(a).map((term) => 2 * term);
          const common = leader.slice(0, Math.min(shared, leader.length));
          const own = rising(b).map((term) => 2 * term + 1 + (common.at(-1) ?? 0));
          const storage = new MemoryStorage();
          storage.append(entries(1, [...common, ...own]));
          const made = new RaftLog(storage, ALL, SILENT);
          made.commitTo(common.length);
          const message = (start: number, length: number, commit: number) =>
            ({
              type: 'append',
              from: 2,
              to: 1,
              term: 99,
              previous: { term: start === 0 ? 0 : (leader[start - 1] as number), index: start },
              entries: entries(start + 1, leader.slice(start, start + length)),
              commit,
            }) as const;
          let known = common.length;
          for (const [start, length, commit] of pieces) {
            const from = Math.min(start, leader.length);
            if (from < made.committed) continue;
            const last = made.tryAppend(message(from, length, Math.min(commit, leader.length)));
            if (last === undefined) continue;
            known = Math.max(known, last);
            const now = terms(made.slice(1, made.lastIndex() + 1, ALL));
            assert.deepEqual(now.slice(0, last), leader.slice(0, last));
            assert.ok(made.committed <= known, `${made.committed} committed, ${known} vouched for`);
          }
          made.tryAppend(message(made.committed, leader.length, leader.length));
          assert.deepEqual(terms(made.slice(1, leader.length + 1, ALL)), leader);
          assert.equal(made.committed, leader.length);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('the log in memory', () => {
  it('replaces a suffix, passes over what is compacted, and keeps the term before its first entry', () => {
    const storage = new MemoryStorage();
    storage.append(entries(1, [1, 1, 1, 1]));
    storage.append(entries(3, [2]));
    assert.deepEqual([storage.lastIndex(), storage.term(3), storage.term(4)], [3, 2, undefined]);
    assert.equal(storage.compact(2), true);
    assert.equal(storage.compact(2), false);
    assert.deepEqual([storage.firstIndex(), storage.term(2), storage.term(1)], [3, 1, undefined]);
    storage.append(entries(1, [1, 1, 3]));
    assert.deepEqual([storage.term(2), storage.term(3), storage.lastIndex()], [1, 3, 3]);
    assert.throws(() => storage.append(entries(5, [3])), /leaves a gap/);
    assert.throws(() => storage.compact(9), /compaction at 9/);
  });

  it('keeps its newest snapshot, and an older one changes nothing', () => {
    const storage = new MemoryStorage();
    storage.append(entries(1, [1, 1]));
    const made = storage.createSnapshot(2, confState([1]), new Uint8Array(0));
    assert.deepEqual([made.metadata.index, made.metadata.term, storage.lastIndex()], [2, 1, 2]);
    assert.throws(() => storage.createSnapshot(1, confState([1]), new Uint8Array(0)), /not newer/);
    assert.equal(storage.applySnapshot(snapshotAt(1, 1, confState([1]))), false);
    assert.equal(storage.applySnapshot(snapshotAt(7, 2, confState([1, 2]))), true);
    assert.deepEqual([storage.firstIndex(), storage.lastIndex(), storage.term(7)], [8, 7, 2]);
    assert.deepEqual(storage.initialState().confState.voters, [1, 2]);
  });
});

describe('a majority', () => {
  const voters = fc.array(fc.tuple(fc.nat(9), fc.option(fc.nat(20))), { maxLength: 9 });

  it('has an index that enough have, and no higher one', () => {
    fc.assert(
      fc.property(voters, (said) => {
        const acknowledged = new Map(said);
        const ids = new Set(acknowledged.keys());
        const index = majorityIndex(ids, (id) => acknowledged.get(id) ?? undefined);
        const have = (at: number): number => [...ids].filter((id) => (acknowledged.get(id) ?? 0) >= at).length;
        if (ids.size === 0) {
          assert.equal(index, ALL);
          return;
        }
        assert.ok(have(index) > ids.size / 2, `${index} is not on a majority`);
        assert.ok(have(index + 1) <= ids.size / 2, `${index + 1} is on a majority too`);
      }),
      { numRuns: 500 },
    );
  });

  it('has won a vote when no further voice can change it, lost when none can save it', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.boolean()), { minLength: 1, maxLength: 9 }), (voices) => {
        const ids = new Set(voices.keys());
        const votes = new Map([...voices.entries()].filter((vote): vote is [number, boolean] => vote[1] !== null));
        const count = (ifOpen: boolean): number => voices.filter((voice) => voice ?? ifOpen).length;
        const half = voices.length / 2;
        const expected = count(false) > half ? 'won' : count(true) > half ? 'pending' : 'lost';
        assert.equal(majorityVote(ids, votes), expected);
      }),
      { numRuns: 500 },
    );
  });
});
