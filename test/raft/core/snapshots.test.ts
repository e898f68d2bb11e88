import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryStorage, type Progress, RawNode } from '../../../src/raft/core/index.ts';
import type { Snapshot } from '../../../src/raft/types.ts';
import { bytes, Cluster, confState, entry, snapshotAt } from './cluster.ts';
import { LoneNode, only, type Setup } from './lone-node.ts';

const STATE = confState([1, 2, 3]);

/** A leader of term 2 with entries up to 11 compacted; follower 2 is thought to be at 0. */
function compacted(setup: Setup = {}): LoneNode {
  const node = new LoneNode({ log: Array.from({ length: 11 }, () => 1), hardState: { commit: 11 }, ...setup });
  node.drain();
  node.elect(3);
  node.storage.createSnapshot(11, STATE, bytes('state'));
  node.storage.compact(11);
  return node;
}

const of = (node: LoneNode, id = 2): Progress => node.status.progress.get(id) as Progress;

const refuse = (node: LoneNode) =>
  node.tell({ type: 'append-response', from: 2, to: 1, term: 2, index: 11, refused: { term: 0, index: 0 } });

describe('a follower that needs what is compacted', () => {
  it('gets a snapshot and then nothing, until it answers', () => {
    const node = compacted();
    const [message] = only(refuse(node), 'snapshot');
    assert.deepEqual(message?.snapshot, snapshotAt(11, 1, STATE, 'state'));
    assert.deepEqual([of(node).state, of(node).pendingSnapshot, of(node).next], ['snapshot', 11, 12]);
    node.raw.propose(bytes('x'));
    const rest = [...node.drain(), ...node.tell({ type: 'heartbeat-response', from: 2, to: 1, term: 2, readRound: 0 })];
    assert.deepEqual(
      rest.filter(({ to }) => to === 2),
      [],
    );
  });

  it('goes on with the log once it has acknowledged the snapshot', () => {
    const node = compacted();
    refuse(node);
    node.raw.propose(bytes('x'));
    node.drain();
    const appends = only(node.acknowledge(2, 11), 'append').filter(({ to }) => to === 2);
    assert.deepEqual(
      appends.flatMap(({ entries }) => entries.map(({ index }) => index)),
      [12, 13],
    );
    assert.deepEqual([of(node).state, of(node).pendingSnapshot], ['replicate', 0]);
  });

  it('goes on as well when it has got what it needs some other way', () => {
    const node = compacted();
    refuse(node);
    node.acknowledge(2, 12);
    assert.deepEqual([of(node).state, of(node).match], ['replicate', 12]);
  });

  it('does not go on by an acknowledgement that still ends before the log', () => {
    const node = compacted();
    refuse(node);
    node.acknowledge(2, 5);
    assert.deepEqual([of(node).state, of(node).match], ['snapshot', 5]);
  });

  it('is probed behind the snapshot when the host reports that it arrived', () => {
    const node = compacted();
    refuse(node);
    node.raw.reportSnapshot(2, 'arrived');
    assert.deepEqual([of(node).state, of(node).next, of(node).paused], ['probe', 12, true]);
  });

  it('is probed where it was when the host reports that it did not, after a heartbeat', () => {
    const node = compacted();
    refuse(node);
    node.raw.reportSnapshot(2, 'failed');
    assert.deepEqual([of(node).state, of(node).next, of(node).paused], ['probe', 1, true]);
    assert.deepEqual(only(node.drain(), 'snapshot'), []);
    const again = node.tell({ type: 'heartbeat-response', from: 2, to: 1, term: 2, readRound: 0 });
    assert.equal(only(again, 'snapshot').length, 1);
  });

  it('gets none while it is not heard of', () => {
    const node = new LoneNode({ checkQuorum: true });
    node.elect(3);
    node.acknowledge(2, 1);
    node.acknowledge(3, 1);
    node.tick(10);
    node.raw.propose(bytes('x'));
    node.drain();
    node.acknowledge(3, 2);
    node.tick(10);
    node.storage.createSnapshot(2, STATE, bytes('state'));
    node.storage.compact(2);
    node.raw.reportUnreachable(2);
    node.raw.propose(bytes('y'));
    assert.deepEqual(only(node.drain(), 'snapshot'), []);
    assert.deepEqual([of(node).recentActive, of(node).state, of(node).next], [false, 'probe', 2]);
    const sent = node.tell({ type: 'heartbeat-response', from: 2, to: 1, term: 1, readRound: 0 });
    assert.equal(only(sent, 'snapshot').length, 1);
  });

  it('gets none while the storage has none at hand, and one later', () => {
    class Busy extends MemoryStorage {
      busy = true;
      override snapshot(): Snapshot {
        return (this.busy ? undefined : super.snapshot()) as Snapshot;
      }
    }
    const storage = new Busy();
    storage.applySnapshot(snapshotAt(5, 1, STATE));
    storage.setHardState({ term: 1, vote: 0, commit: 5 });
    const raw = new RawNode({
      id: 1,
      storage,
      electionTicks: 10,
      heartbeatTicks: 1,
      jitterTicks: () => 0,
      preVote: false,
    });
    const drain = () => {
      const { entries, messages } = raw.ready();
      storage.append(entries);
      raw.advance();
      return messages;
    };
    raw.campaign();
    drain();
    raw.step({ type: 'vote-response', from: 2, to: 1, term: 2, granted: true });
    drain();
    raw.step({ type: 'append-response', from: 2, to: 1, term: 2, index: 5, refused: { term: 0, index: 0 } });
    assert.equal(raw.status().progress.get(2)?.state, 'probe');
    storage.busy = false;
    raw.step({ type: 'heartbeat-response', from: 2, to: 1, term: 2, readRound: 0 });
    assert.equal(only(drain(), 'snapshot').length, 1);
  });
});

describe('a node that gets a snapshot', () => {
  const give = (node: LoneNode, snapshot: Snapshot) =>
    only(node.tell({ type: 'snapshot', from: 2, to: 1, term: 3, snapshot }), 'append-response')[0];

  it('takes log, commit index and configuration from it', () => {
    const node = new LoneNode({ log: [1, 1] });
    const state = confState([1, 2], { votersOutgoing: [1, 2, 3], learnersNext: [3], learners: [4], autoLeave: true });
    assert.equal(give(node, snapshotAt(11, 2, state))?.index, 11);
    const { commit, applied, lastIndex, configuration } = node.status;
    assert.deepEqual([commit, applied, lastIndex, node.terms], [11, 11, 11, []]);
    assert.deepEqual([...configuration.learnersNext], [3]);
    assert.equal(configuration.autoLeave, true);
  });

  it('acknowledges it only once it is written', () => {
    const node = new LoneNode();
    node.raw.step({ type: 'snapshot', from: 2, to: 1, term: 3, snapshot: snapshotAt(11, 2, STATE) });
    const ready = node.raw.ready();
    assert.equal(ready.snapshot?.metadata.index, 11);
    assert.deepEqual(
      ready.messages.map(({ type }) => type),
      ['append-response'],
      'among those that wait for the write',
    );
    assert.equal(node.raw.status().applied, 0);
    node.storage.applySnapshot(ready.snapshot as Snapshot);
    node.raw.advance();
    assert.equal(node.raw.status().applied, 11);
  });

  it('has no use for one that is older than what it has committed', () => {
    const node = new LoneNode({ log: [1, 1, 1], hardState: { commit: 3 } });
    assert.equal(give(node, snapshotAt(2, 1, STATE))?.index, 3);
    assert.deepEqual(node.terms, [1, 1, 1]);
  });

  it('keeps a log that has all of it, and learns that it is committed', () => {
    const node = new LoneNode({ log: [1, 1, 1] });
    assert.equal(give(node, snapshotAt(2, 1, STATE))?.index, 2);
    assert.deepEqual([node.terms, node.status.commit], [[1, 1, 1], 2]);
  });

  it('forgets a log that goes further but with another term at the end of it', () => {
    const node = new LoneNode({ log: [1, 1, 1] });
    give(node, snapshotAt(2, 2, STATE));
    assert.deepEqual([node.terms, node.status.lastIndex], [[], 2]);
  });

  it('refuses one of a configuration it is not in', () => {
    const node = new LoneNode();
    give(node, snapshotAt(11, 2, confState([2, 3])));
    assert.deepEqual([node.status.commit, node.status.lastIndex], [0, 0]);
  });

  it('can be promoted by it from learner to voter', () => {
    const node = new LoneNode({ state: confState([2, 3], { learners: [1] }) });
    give(node, snapshotAt(11, 2, STATE));
    node.raw.campaign();
    assert.equal(node.status.role, 'candidate');
  });

  it('applies nothing while it is being written, and what follows after', () => {
    const node = new LoneNode();
    node.raw.step({ type: 'snapshot', from: 2, to: 1, term: 3, snapshot: snapshotAt(11, 2, STATE) });
    node.raw.step({
      type: 'append',
      from: 2,
      to: 1,
      term: 3,
      previous: { term: 2, index: 11 },
      entries: [entry(3, 12, 'x')],
      commit: 12,
    });
    const ready = node.raw.ready();
    assert.deepEqual([ready.committedEntries, ready.entries.length], [[], 1]);
    node.storage.applySnapshot(ready.snapshot as Snapshot);
    node.storage.append(ready.entries);
    node.raw.advance();
    assert.deepEqual(
      node.raw.ready().committedEntries.map(({ index }) => index),
      [12],
    );
  });
});

describe('a cluster with a slow follower', () => {
  it('brings it up to date by snapshot after snapshot, while writes go on', () => {
    const cluster = new Cluster(STATE, { maxInflightMessages: 2 });
    cluster.campaign(1);
    const all: string[] = [];
    for (let round = 0; round < 5; round++) {
      cluster.isolate(3);
      for (let i = 0; i < 5; i++) {
        all.push(`${round}.${i}`);
        cluster.propose(1, `${round}.${i}`);
      }
      cluster.compact(1);
      cluster.heal();
      for (let i = 0; i < 3; i++) {
        cluster.tick(1, 1);
        cluster.settle();
      }
      assert.deepEqual(cluster.member(3).applied, all);
    }
    assert.equal(only(cluster.sent, 'snapshot').length, 5);
  });
});
