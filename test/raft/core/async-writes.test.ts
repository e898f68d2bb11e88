import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  encodeConfChange,
  MemoryStorage,
  type Message,
  RawNode,
  type Ready,
  type StorageAppend,
  type StorageApply,
} from '../../../src/raft/core/index.ts';
import { add, bytes, confState, entry, snapshotAt } from './cluster.ts';

/** One core with asynchronous writes; the test decides when each write and each application is done. */
class AsyncNode {
  readonly storage = new MemoryStorage();
  readonly raw: RawNode;
  readonly appends: StorageAppend[] = [];
  readonly applies: StorageApply[] = [];

  constructor(voters: readonly number[], options: { maxCommittedBytesPerReady?: number } = {}) {
    this.storage.applySnapshot(snapshotAt(0, 0, confState(voters)));
    this.raw = new RawNode({
      id: 1,
      storage: this.storage,
      electionTicks: 10,
      heartbeatTicks: 1,
      jitterTicks: () => 0,
      preVote: false,
      asyncStorageWrites: true,
      ...options,
    });
  }

  ready(): Ready {
    const ready = this.raw.ready();
    if (ready.storageAppend !== undefined) this.appends.push(ready.storageAppend);
    if (ready.storageApply !== undefined) this.applies.push(ready.storageApply);
    return ready;
  }

  /** The oldest write is durable; gives what may be said now. */
  written(): readonly Message[] {
    const work = this.appends.shift();
    if (work === undefined) throw new Error('nothing to write');
    if (work.hardState !== undefined) this.storage.setHardState(work.hardState);
    if (work.snapshot !== undefined) this.storage.applySnapshot(work.snapshot);
    this.storage.append(work.entries);
    return work.responses;
  }

  /** And is said to this node itself. */
  acknowledge(): Message[] {
    const responses = this.written();
    for (const message of responses) if (message.to === 1) this.raw.step(message);
    return responses.filter(({ to }) => to !== 1);
  }

  applied(): void {
    for (const message of this.applies.shift()?.responses ?? []) this.raw.step(message);
  }

  from(leader: number, term: number, previous: [number, number], terms: number[], commit = 0): void {
    const [previousTerm, index] = previous;
    this.raw.step({
      type: 'append',
      from: leader,
      to: 1,
      term,
      previous: { term: previousTerm, index },
      entries: terms.map((one, i) => entry(one, index + 1 + i)),
      commit,
    });
  }

  lead(): void {
    this.raw.campaign();
    this.ready();
    this.acknowledge();
    if (this.raw.status().role !== 'leader')
      this.raw.step({ type: 'vote-response', from: 2, to: 1, term: 1, granted: true });
    assert.equal(this.raw.status().role, 'leader');
  }
}

const indexes = (entries: readonly { readonly index: number }[]): number[] => entries.map(({ index }) => index);

describe('with asynchronous writes', () => {
  it('a leader sends what it has not written, and does not count itself until it has', () => {
    const node = new AsyncNode([1, 2]);
    node.lead();
    const { messages } = node.ready();
    assert.deepEqual(
      messages.map(({ type, to }) => [type, to]),
      [['append', 2]],
    );
    node.raw.step({ type: 'append-response', from: 2, to: 1, term: 1, index: 1 });
    assert.equal(node.raw.status().commit, 0, 'the follower has it on disk, the leader has not');
    node.acknowledge();
    assert.equal(node.raw.status().commit, 1);
  });

  it('a leader of one commits nothing before its disk has it', () => {
    const node = new AsyncNode([1]);
    node.raw.campaign();
    node.ready();
    assert.equal(node.raw.status().role, 'candidate', 'nor does its own vote count');
    node.acknowledge();
    node.raw.propose(bytes('x'));
    node.ready();
    assert.deepEqual([node.raw.status().role, node.raw.status().commit], ['leader', 0]);
    node.acknowledge();
    assert.equal(node.raw.status().commit, 2);
  });

  it('an own acknowledgement of an earlier term is not counted in a later one', () => {
    const node = new AsyncNode([1, 2, 3]);
    node.lead();
    node.raw.propose(bytes('x'));
    node.ready();
    const late = node.written();
    node.from(2, 2, [0, 0], [2, 2]);
    node.raw.campaign();
    node.ready();
    while (node.appends.length > 0) node.acknowledge();
    node.raw.step({ type: 'vote-response', from: 3, to: 1, term: 3, granted: true });
    assert.equal(node.raw.status().role, 'leader');
    for (const message of late) node.raw.step(message);
    assert.equal(node.raw.status().progress.get(1)?.match, 2, 'what it had written as a follower, and no more');
  });

  it('a vote goes out only after it is written', () => {
    const node = new AsyncNode([1, 2, 3]);
    node.raw.step({ type: 'vote', from: 2, to: 1, term: 1, last: { term: 0, index: 0 }, transfer: false });
    assert.deepEqual(node.ready().messages, []);
    assert.deepEqual(
      node.acknowledge().map(({ type, to }) => [type, to]),
      [['vote-response', 2]],
    );
    assert.deepEqual(node.storage.initialState().hardState, { term: 1, vote: 2, commit: 0 });
  });

  it('a follower acknowledges only what is written, in the order of the writes', () => {
    const node = new AsyncNode([1, 2, 3]);
    node.from(2, 1, [0, 0], [1]);
    assert.deepEqual(node.ready().messages, []);
    node.from(2, 1, [1, 1], [1]);
    assert.deepEqual(node.ready().messages, []);
    const answers = [...node.acknowledge(), ...node.acknowledge()];
    assert.deepEqual(
      answers.map((m) => m.type === 'append-response' && m.index),
      [1, 2],
    );
  });

  it('several writes are on their way at once, each entry in one of them', () => {
    const node = new AsyncNode([1, 2]);
    node.lead();
    for (const data of ['a', 'b', 'c']) {
      node.raw.propose(bytes(data));
      node.ready();
    }
    assert.deepEqual(
      node.appends.map(({ entries }) => indexes(entries)),
      [[1, 2], [3], [4]],
    );
    assert.equal(node.raw.hasReady(), false);
  });

  it('what was replaced while it was being written is written again, and the late acknowledgement is not believed', () => {
    const node = new AsyncNode([1, 2, 3]);
    node.from(2, 1, [0, 0], [1, 1]);
    node.ready();
    node.from(3, 2, [1, 1], [2]);
    const { entries } = node.ready();
    assert.deepEqual(
      entries.map(({ term, index }) => [term, index]),
      [[2, 2]],
    );
    node.acknowledge();
    node.from(3, 2, [2, 2], [], 2);
    assert.deepEqual(node.ready().committedEntries, [], 'entry 2/2 is committed, but not durable here');
    while (node.appends.length > 0) node.acknowledge();
    assert.deepEqual(indexes(node.ready().committedEntries), [1, 2]);
  });

  it('an entry replaced and put back is not durable by the first write’s acknowledgement (ABA)', () => {
    const node = new AsyncNode([1, 2, 3]);
    // A: 1/1 and 1/2 are being written.
    node.from(2, 1, [0, 0], [1, 1]);
    node.ready();
    // B: another leader replaces 2.
    node.from(3, 2, [1, 1], [2]);
    node.ready();
    // A again: a third leader has 1/2 in its log.
    node.from(2, 3, [1, 1], [1]);
    node.ready();
    assert.equal(node.appends.length, 3);
    node.acknowledge();
    node.acknowledge();
    assert.deepEqual(node.storage.term(2), 2, 'on disk now stands B; that A was once written there must not count');
    node.from(2, 3, [1, 2], [], 2);
    assert.deepEqual(node.ready().committedEntries, []);
    node.acknowledge();
    node.acknowledge();
    assert.deepEqual(indexes(node.ready().committedEntries), [1, 2]);
    assert.equal(node.storage.term(2), 1);
  });

  it('a snapshot’s acknowledgement counts whatever the term', () => {
    const node = new AsyncNode([1, 2, 3]);
    node.raw.step({ type: 'snapshot', from: 2, to: 1, term: 1, snapshot: snapshotAt(5, 1, confState([1, 2, 3])) });
    node.ready();
    node.from(3, 2, [1, 5], [2]);
    node.ready();
    node.acknowledge();
    assert.equal(node.raw.status().applied, 5);
  });

  it('a change of the configuration that a snapshot has overtaken is passed over', () => {
    const node = new AsyncNode([1, 2, 3]);
    const change = { version: 2, transition: 'joint-explicit', changes: [add(4)], context: new Uint8Array(0) } as const;
    node.raw.step({
      type: 'append',
      from: 2,
      to: 1,
      term: 1,
      previous: { term: 0, index: 0 },
      entries: [{ term: 1, index: 1, ...encodeConfChange(change) }],
      commit: 1,
    });
    node.ready();
    node.acknowledge();
    assert.deepEqual(indexes(node.ready().committedEntries), [1]);
    const joint = confState([1, 2, 3, 4], { votersOutgoing: [1, 2, 3] });
    node.raw.step({ type: 'snapshot', from: 2, to: 1, term: 1, snapshot: snapshotAt(5, 1, joint) });
    assert.deepEqual(node.raw.applyConfChange(change, 1), joint);
    node.applied();
    node.ready();
    while (node.appends.length > 0) node.acknowledge();
    assert.equal(node.raw.status().applied, 5);
    assert.throws(() => node.raw.applyConfChange(change, 6), /already joint/);
  });

  it('entries are applied only when they are durable here', () => {
    const node = new AsyncNode([1, 2, 3]);
    node.from(2, 1, [0, 0], [1, 1], 2);
    assert.deepEqual(node.ready().committedEntries, []);
    node.acknowledge();
    assert.deepEqual(indexes(node.ready().committedEntries), [1, 2]);
    assert.equal(node.raw.status().applied, 0);
    node.applied();
    assert.equal(node.raw.status().applied, 2);
  });

  it('committed entries come in pages, and no more while a page’s worth is being applied', () => {
    // An entry of term 1 with one byte counts 9.
    const node = new AsyncNode([1], { maxCommittedBytesPerReady: 20 });
    node.lead();
    for (const data of 'abcdef') node.raw.propose(bytes(data));
    node.ready();
    node.acknowledge();
    const pages = [];
    pages.push(indexes(node.ready().committedEntries));
    assert.equal(node.raw.hasReady(), false, 'there is more, but it waits for the first page');
    for (let i = 0; i < 10 && node.applies.length > 0; i++) {
      node.applied();
      if (node.raw.hasReady()) pages.push(indexes(node.ready().committedEntries));
    }
    assert.deepEqual(pages, [[1, 2], [3, 4], [5, 6], [7]]);
  });

  it('a page that fills the limit to the byte leaves no room for another', () => {
    // An empty entry counts 6, one with a byte of data 9.
    const node = new AsyncNode([1], { maxCommittedBytesPerReady: 15 });
    node.lead();
    node.raw.propose(bytes('a'));
    node.ready();
    node.acknowledge();
    assert.deepEqual(indexes(node.ready().committedEntries), [1, 2]);
    node.raw.propose(bytes('b'));
    node.ready();
    while (node.appends.length > 0) node.acknowledge();
    assert.equal(node.raw.status().commit, 3);
    assert.deepEqual(node.ready().committedEntries, []);
    node.applied();
    assert.deepEqual(indexes(node.ready().committedEntries), [3]);
  });

  it('advance is refused', () => {
    assert.throws(() => new AsyncNode([1]).raw.advance(), /advance was called with asynchronous writes/);
  });
});

describe('with writes in step', () => {
  const node = (): { raw: RawNode; storage: MemoryStorage } => {
    const storage = new MemoryStorage();
    storage.applySnapshot(snapshotAt(0, 0, confState([1])));
    return {
      storage,
      raw: new RawNode({ id: 1, storage, electionTicks: 10, heartbeatTicks: 1, jitterTicks: () => 0 }),
    };
  };

  it('a second Ready without advance is refused', () => {
    const { raw } = node();
    raw.campaign();
    raw.ready();
    assert.throws(() => raw.ready(), /called twice without advance/);
  });

  it('a sync is demanded for entries, term and vote, not for a commit index', () => {
    const { raw, storage } = node();
    raw.campaign();
    const demands: [boolean, number | undefined][] = [];
    while (raw.hasReady()) {
      const { mustSync, hardState, entries } = raw.ready();
      if (hardState !== undefined) storage.setHardState(hardState);
      storage.append(entries);
      demands.push([mustSync, hardState?.commit]);
      raw.advance();
    }
    assert.deepEqual(demands, [
      // Pre-vote of one changes nothing; then term and vote; then the empty entry; then its commit.
      [false, undefined],
      [true, 0],
      [true, undefined],
      [false, 1],
    ]);
  });

  it('nothing is ready when nothing has happened, and an unchanged hard state is not repeated', () => {
    const { raw } = node();
    assert.equal(raw.hasReady(), false);
    const { hardState, softState, entries, messages } = raw.ready();
    assert.deepEqual([hardState, softState, entries, messages], [undefined, undefined, [], []]);
  });
});
