import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../src/common/logging/index.ts';
import type { raftCore } from '../../../src/raft/index.ts';
import { ApplyQueue } from '../../../src/raft/node/apply-queue.ts';
import { Contacts } from '../../../src/raft/node/contacts.ts';
import { openRaftNode } from '../../../src/raft/node/index.ts';
import { Mailbox } from '../../../src/raft/node/mailbox.ts';
import { compactTo, isSnapshotDue } from '../../../src/raft/node/snapshot-policy.ts';
import { StorageWriter } from '../../../src/raft/node/storage-writer.ts';
import { Ticker } from '../../../src/raft/node/ticker.ts';
import { filesUnder, read, sourceFiles } from '../../tidy/source-tree.ts';

const policy = { intervalMs: 120_000, threshold: 8_192, trailingEntries: 10_240 };

describe('the node', () => {
  it('calls the core from its driver alone (rule 2)', () => {
    const makers = filesUnder('src/raft/node', '.ts').filter((path) => /new RawNode\(/.test(read(path)));
    // The driver's own, and one of a folder that nothing runs on.
    assert.deepEqual(makers.sort(), ['src/raft/node/core-view.ts', 'src/raft/node/offline.ts']);
    const hosts = filesUnder('src/raft/node', '.ts').filter((path) => /createCore\(/.test(read(path)));
    assert.deepEqual(
      hosts.filter((path) => !path.endsWith('core-view.ts')),
      ['src/raft/node/driver.ts'],
    );
  });

  it('makes a snapshot by entries, or by time when there is something new', () => {
    const due = (appliedIndex: number, snapshotIndex: number, sinceLastMs: number) =>
      isSnapshotDue(policy, { appliedIndex, snapshotIndex, sinceLastMs });
    assert.equal(due(8_191, 0, 0), false);
    assert.equal(due(8_192, 0, 0), true);
    assert.equal(due(101, 100, 120_000), true);
    assert.equal(due(100, 100, 500_000), false);
  });

  it('never cuts the log past a snapshot under way to a peer, nor past the older of its own (rule 4)', () => {
    const at = { appliedIndex: 50_000, oldestSnapshotIndex: 45_000, snapshotsUnderWay: [] };
    assert.equal(compactTo(policy, at), 39_760);
    assert.equal(compactTo(policy, { ...at, snapshotsUnderWay: [41_000, 30_000] }), 30_000);
    assert.equal(compactTo(policy, { ...at, oldestSnapshotIndex: 20_000 }), 20_000);
    assert.ok(compactTo(policy, { ...at, appliedIndex: 9_000 }) <= 0);
  });

  it('measures how late the event loop is (rule 12)', () => {
    const lags: number[] = [];
    let nowMs = 0;
    let due: (() => void) | undefined;
    let ticks = 0;
    const ticker = new Ticker({
      runtime: {
        now: () => nowMs,
        random: () => 0,
        defer: () => {},
        after: (delayMs, work) => {
          assert.equal(delayMs, 100);
          due = work;
          return () => {
            due = undefined;
          };
        },
      },
      tickMs: () => 100,
      tick: () => {
        ticks += 1;
      },
      lag: (lagMs) => lags.push(lagMs),
    });
    ticker.start();
    nowMs = 100;
    due?.();
    nowMs = 1_250;
    due?.();
    assert.deepEqual(lags, [0, 1_050]);
    assert.equal(ticks, 2, 'a late tick is one tick');
    ticker.stop();
    assert.equal(due, undefined);
  });

  it('does no proving: nothing of src/raft reaches the prover, or what is built on it (rule 12)', () => {
    const files = sourceFiles(['src/raft']);
    assert.ok(files.length > 100);
    const reached = files.flatMap(({ imports }) => imports.map(({ target }) => target?.split('/')[1]));
    const own = reached.filter((folder) => folder !== undefined);
    assert.deepEqual([...new Set(own)].sort(), ['common', 'raft']);
    const packages = files.flatMap(({ imports }) => imports.filter(({ target }) => target === undefined));
    assert.ok(packages.every(({ specifier }) => !/snarkjs|circom|wasm|webgpu/.test(specifier)));
  });

  it('refuses reads by a lease', async () => {
    const options = {
      dir: 'nowhere',
      name: 'a',
      raftAddress: 'a:1',
      clientAddress: 'a:2',
      connect: () => Promise.reject(new Error('unused')),
      logger: silentLogger,
      onFatal: () => {},
    };
    await assert.rejects(openRaftNode({ ...options, readMode: 'lease' }), {
      code: 'config_invalid',
      field: 'readMode',
    });
    await assert.rejects(openRaftNode({ ...options, electionTimeoutMs: 5 }), { field: 'electionTimeoutMs' });
  });
});

describe('a mailbox', () => {
  it('drops messages beyond its limit, and nothing else', () => {
    const mailbox = new Mailbox<number>(2);
    assert.deepEqual(
      [1, 2, 3].map((n) => mailbox.postMessage(n)),
      [true, true, false],
    );
    mailbox.post(4);
    assert.deepEqual([...mailbox.take(2)], [1, 2]);
    assert.equal(mailbox.postMessage(5), true);
    assert.deepEqual([...mailbox.take(10)], [4, 5]);
    assert.equal(mailbox.dropped, 1);
  });
});

describe('an apply queue', () => {
  it('stops after its time, goes on where it was, and answers when all of a page is applied', () => {
    let nowMs = 0;
    const queue = new ApplyQueue(() => nowMs, { entriesMax: 1_000, durationMsMax: 5 });
    const entries = Array.from({ length: 50 }, (_, i) => ({
      index: i + 1,
      term: 1,
      type: 'normal' as const,
      data: new Uint8Array(0),
    }));
    const response = { type: 'storage-apply-response' as const, to: 1, entries };
    queue.push({ entries, responses: [response] });
    const applied: number[] = [];
    const finished: unknown[] = [];
    const run = (): number =>
      queue.run(
        ({ index }) => {
          applied.push(index);
          nowMs += 1;
        },
        (done) => finished.push(done),
      );
    assert.equal(run(), 16);
    assert.deepEqual(finished, []);
    while (!queue.isEmpty) run();
    assert.deepEqual(
      applied,
      entries.map(({ index }) => index),
    );
    assert.deepEqual(finished, [response]);
  });
});

describe('contacts', () => {
  it('begin anew after a silence of an election timeout', () => {
    const contacts = new Contacts(100);
    contacts.heard(1, 0);
    contacts.heard(1, 90);
    assert.equal(contacts.inTouchForMs(1, 150), 150);
    assert.equal(contacts.isInTouch(1, 191), false);
    contacts.heard(1, 300);
    assert.equal(contacts.inTouchForMs(1, 320), 20);
    assert.equal(contacts.inTouchForMs(2, 320), 0);
  });
});

describe('a storage writer', () => {
  type Append = { resolve: () => void; entries: number };
  const message = (index: number): raftCore.Message => ({
    type: 'append-response',
    from: 1,
    to: 2,
    term: 1,
    index,
  });
  const entry = (index: number) => ({ index, term: 1, type: 'normal' as const, data: new Uint8Array(0) });

  function bed() {
    const appends: (Append & { commit: number | undefined })[] = [];
    let dones = 0;
    const writer = new StorageWriter({
      log: {
        initialState: () => ({
          hardState: { term: 1, vote: 0, commit: 0 },
          confState: { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
        }),
        append: ({ entries, hardState }) =>
          new Promise((resolve) => {
            appends.push({ resolve, entries: entries?.length ?? 0, commit: hardState?.commit });
          }),
      },
      now: () => 0,
      done: () => {
        dones += 1;
      },
      install: () => assert.fail('no snapshot'),
      failed: (error) => assert.fail(String(error)),
      appended: () => {},
    });
    return { writer, appends, dones: () => dones };
  }
  const work = (what: Partial<raftCore.StorageAppend>): raftCore.StorageAppend => ({
    type: 'storage-append',
    from: 1,
    entries: [],
    responses: [],
    ...what,
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('says things in the order of the writes, whichever is done first (rule 1)', async () => {
    const { writer, appends } = bed();
    writer.write(work({ entries: [entry(1)], responses: [message(1)] }));
    writer.write(work({ entries: [entry(2)], responses: [message(2)] }));
    appends[1]?.resolve();
    await settled();
    assert.deepEqual(writer.takeDone(), []);
    appends[0]?.resolve();
    await settled();
    assert.deepEqual(writer.takeDone(), [message(1), message(2)]);
  });

  it('does not sync for a commit index alone, but says nothing before the writes before it are done', async () => {
    const { writer, appends } = bed();
    writer.write(work({ entries: [entry(1)], responses: [message(1)] }));
    writer.write(work({ hardState: { term: 1, vote: 0, commit: 1 }, responses: [message(9)] }));
    assert.equal(appends.length, 1);
    assert.deepEqual(writer.takeDone(), []);
    appends[0]?.resolve();
    await settled();
    assert.deepEqual(writer.takeDone(), [message(1), message(9)]);
    writer.write(work({ entries: [entry(2)] }));
    assert.equal(appends[1]?.commit, 1, 'it rides with the next write');
  });

  it('syncs a vote by itself', () => {
    const { writer, appends } = bed();
    writer.write(work({ hardState: { term: 1, vote: 2, commit: 0 }, responses: [message(1)] }));
    assert.equal(appends.length, 1);
    assert.deepEqual(writer.takeDone(), []);
  });
});
