import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type CoreOptions,
  decodeConfChange,
  encodeConfChange,
  MemoryStorage,
  RaftConfigError,
  RawNode,
} from '../../../src/raft/core/index.ts';
import { add, bytes, Cluster, confState, snapshotAt, text } from './cluster.ts';
import { LoneNode, only } from './lone-node.ts';

describe('a proposal', () => {
  it('tells term and index, by which its fate is known', () => {
    const node = new LoneNode();
    node.elect();
    assert.deepEqual(node.raw.propose(bytes('x')), { status: 'appended', term: 1, index: 2 });
  });

  it('is dropped without a leader, by followers and candidates alike', () => {
    const node = new LoneNode();
    assert.deepEqual(node.raw.propose(bytes('x')), { status: 'dropped', reason: 'no-leader' });
    node.raw.campaign();
    assert.deepEqual(node.raw.propose(bytes('x')), { status: 'dropped', reason: 'no-leader' });
  });

  it('of a follower goes to the leader if that is wanted', () => {
    const cluster = new Cluster(confState([1, 2, 3]), { forwardProposals: true });
    cluster.campaign(1);
    assert.deepEqual(cluster.propose(2, 'x'), { status: 'forwarded', to: 1 });
    assert.deepEqual(cluster.member(3).applied, ['x']);
    const [passed] = only(cluster.sent, 'propose');
    assert.deepEqual([passed?.from, passed?.origin, passed?.to, passed?.term], [2, 2, 1, 0]);
  });

  it('of a follower is dropped if it is not, also when it came from elsewhere', () => {
    const cluster = new Cluster(confState([1, 2, 3]), { forwardProposals: false });
    cluster.campaign(1);
    assert.deepEqual(cluster.propose(2, 'x'), { status: 'dropped', reason: 'not-leader' });
    const outcome = cluster.raw(2).step({
      type: 'propose',
      from: 3,
      to: 2,
      term: 0,
      origin: 3,
      entries: [{ type: 'normal', data: bytes('x') }],
    });
    assert.equal(outcome, 'dropped');
  });

  it('is dropped when too much is uncommitted, taken again when that is applied', () => {
    const node = new LoneNode({ maxUncommittedBytes: 10 });
    node.elect();
    const statuses = [4, 4, 4, 2, 1].map((size) => node.raw.propose(new Uint8Array(size)).status);
    assert.deepEqual(statuses, ['appended', 'appended', 'dropped', 'appended', 'dropped']);
    node.drain();
    node.acknowledge(2, 3);
    assert.equal(node.raw.propose(new Uint8Array(8)).status, 'appended');
    assert.deepEqual(node.raw.propose(new Uint8Array(1)), { status: 'dropped', reason: 'too-much-uncommitted' });
  });

  it('that is larger than the limit is taken when nothing else waits', () => {
    const node = new LoneNode({ maxUncommittedBytes: 10 });
    node.elect();
    assert.equal(node.raw.propose(new Uint8Array(1000)).status, 'appended');
    assert.equal(node.raw.propose(new Uint8Array(1)).status, 'dropped');
  });

  it('of two changes of the members makes the first, and an empty entry of the second', () => {
    const node = new LoneNode();
    node.elect();
    node.acknowledge(2, 1);
    const entries = [4, 5].map((id) => encodeConfChange({ version: 1, change: add(id), context: new Uint8Array(0) }));
    node.tell({ type: 'propose', from: 2, to: 1, term: 0, origin: 2, entries });
    const appended = node.storage.entries(2, 4, Number.POSITIVE_INFINITY) ?? [];
    assert.deepEqual(
      appended.map((one) => decodeConfChange(one) !== undefined),
      [true, false],
    );
    node.acknowledge(2, 3);
    assert.deepEqual([...node.status.configuration.voters], [1, 2, 3, 4]);
  });

  it('that was lost with a leader’s term is not applied anywhere', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(1);
    cluster.propose(1, 'lost');
    cluster.campaign(2);
    cluster.propose(2, 'kept');
    cluster.heal();
    cluster.tick(2, 1);
    cluster.settle();
    for (const id of [1, 2, 3]) assert.deepEqual(cluster.member(id).applied, ['kept']);
  });

  it('that was committed outlives every crash', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.propose(1, 'x');
    for (const id of [1, 2, 3]) cluster.crash(id);
    cluster.campaign(3);
    cluster.propose(3, 'y');
    for (const id of [1, 2, 3]) assert.deepEqual(cluster.member(id).applied, ['x', 'y']);
  });
});

describe('a core that starts', () => {
  it('applies what is committed and not said to be applied', () => {
    const node = new LoneNode({ log: [1, 1, 1], hardState: { commit: 3 }, applied: 1 });
    node.drain();
    assert.deepEqual(
      node.applied.map(({ index }) => index),
      [2, 3],
    );
  });

  it('hands committed entries out in pages', () => {
    const node = new LoneNode({ log: [1, 1, 1, 1, 1], hardState: { commit: 5 }, maxCommittedBytesPerReady: 12 });
    const pages: number[] = [];
    while (node.raw.hasReady()) {
      pages.push(node.raw.ready().committedEntries.length);
      node.raw.advance();
    }
    assert.deepEqual(pages, [2, 2, 1]);
  });

  it('refuses a storage that says more is committed than it has', () => {
    assert.throws(() => new LoneNode({ log: [1, 1], hardState: { commit: 3 } }), /storage says that 3 is committed/);
  });

  it('refuses to have applied more than is committed', () => {
    assert.throws(() => new LoneNode({ log: [1, 1], hardState: { commit: 1 }, applied: 2 }), /entry 2 applied/);
  });

  it('says what is wrong with its options', () => {
    const storage = new MemoryStorage();
    storage.applySnapshot(snapshotAt(0, 0, confState([1])));
    const good: CoreOptions = { id: 1, storage, electionTicks: 10, heartbeatTicks: 1, jitterTicks: () => 0 };
    const wrong: [Partial<CoreOptions>, RegExp][] = [
      [{ id: 0 }, /^id is 0/],
      [{ id: 2 ** 53 }, /^id is/],
      [{ heartbeatTicks: 0 }, /^heartbeatTicks is 0/],
      [{ electionTicks: 1 }, /^electionTicks is 1; give a whole number over heartbeatTicks, 1/],
      [{ applied: -1 }, /^applied is -1/],
      [{ maxInflightMessages: 0 }, /^maxInflightMessages is 0/],
      [{ maxPendingReads: Number.NaN }, /^maxPendingReads is NaN/],
      [{ maxMessageBytes: 100, maxInflightBytes: 99 }, /^maxInflightBytes is 99; give at least maxMessageBytes, 100/],
      [{ readOnly: 'lease-based', checkQuorum: false }, /needs checkQuorum/],
    ];
    for (const [options, message] of wrong)
      assert.throws(
        () => new RawNode({ ...good, ...options }),
        (error) => error instanceof RaftConfigError && message.test(error.message),
      );
    assert.doesNotThrow(() => new RawNode({ ...good, maxMessageBytes: undefined, logger: undefined }));
  });

  it('tells a logger what it does, and no other core', () => {
    const lines: string[] = [];
    const node = new LoneNode({ logger: (level, line) => lines.push(`${level} ${line()}`) });
    node.elect();
    assert.ok(lines.includes('info 1 at term 1: leader'), lines.join('\n'));
  });
});

describe('a status', () => {
  it('is a copy that does not change', () => {
    const node = new LoneNode();
    node.elect();
    const before = node.status;
    node.acknowledge(2, 1);
    assert.equal(before.progress.get(2)?.match, 0);
    assert.equal(node.status.progress.get(2)?.match, 1);
  });

  it('shows nobody’s progress on a follower', () => {
    assert.equal(new LoneNode().status.progress.size, 0);
  });

  it('of applied entries is what a state machine sees', () => {
    const cluster = new Cluster(confState([1]));
    cluster.campaign(1);
    cluster.propose(1, 'x');
    const { applied, commit, lastIndex } = cluster.raw(1).status();
    assert.deepEqual([applied, commit, lastIndex, text(bytes('x'))], [3, 3, 3, 'x']);
  });
});
