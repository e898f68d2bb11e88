import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes, Cluster, confState, learn, text } from './cluster.ts';
import { LoneNode, only, type Setup } from './lone-node.ts';

function leading(setup: Setup = {}): LoneNode {
  const node = new LoneNode(setup);
  node.elect(2);
  node.acknowledge(2, 1);
  return node;
}

const answer = (from: number, readRound: number) =>
  ({ type: 'heartbeat-response', from, to: 1, term: 1, readRound }) as const;

const contexts = (node: LoneNode): string[] => node.reads.map(({ context }) => text(context));

/** Asks, and gives the round that the heartbeats carry. */
function ask(node: LoneNode, name: string): number {
  assert.equal(node.raw.readIndex(bytes(name)), 'pending');
  return only(node.drain(), 'heartbeat')[0]?.readRound ?? 0;
}

describe('a read on the leader', () => {
  it('waits for a quorum to say that it still leads', () => {
    const node = leading({ voters: [1, 2, 3] });
    const round = ask(node, 'a');
    assert.ok(round > 0, 'the heartbeats carry a round');
    assert.deepEqual(contexts(node), []);
    node.tell(answer(3, round));
    assert.deepEqual(node.reads, [{ index: 1, context: bytes('a') }]);
  });

  it('is not confirmed by an answer to an earlier heartbeat', () => {
    const node = leading();
    const first = ask(node, 'a');
    const second = ask(node, 'b');
    assert.ok(second > first, `${second} after ${first}`);
    node.tell(answer(3, 0));
    assert.deepEqual(contexts(node), []);
    node.tell(answer(3, first));
    assert.deepEqual(contexts(node), ['a']);
    node.tell(answer(3, second));
    assert.deepEqual(contexts(node), ['a', 'b']);
  });

  it('is confirmed together with all before it, though their own answers were lost', () => {
    const node = leading();
    ask(node, 'a');
    ask(node, 'b');
    node.tell(answer(2, ask(node, 'c')));
    assert.deepEqual(contexts(node), ['a', 'b', 'c']);
  });

  it('is asked about again with each heartbeat', () => {
    const node = leading();
    const round = ask(node, 'a');
    assert.deepEqual(
      only(node.tick(), 'heartbeat').map(({ readRound }) => readRound),
      [round, round],
    );
    node.tell(answer(2, round));
    assert.deepEqual(
      only(node.tick(), 'heartbeat').map(({ readRound }) => readRound),
      [0, 0],
    );
  });

  it('needs a quorum of different voters; learners do not count', () => {
    const node = new LoneNode({ state: confState([1, 2, 3, 4], { learners: [5] }) });
    node.raw.campaign();
    node.drain();
    for (const id of [2, 3]) node.vote(id);
    for (const id of [2, 3]) node.acknowledge(id, 1);
    const round = ask(node, 'a');
    for (const id of [2, 2, 5]) node.tell(answer(id, round));
    assert.deepEqual(contexts(node), []);
    node.tell(answer(4, round));
    assert.deepEqual(contexts(node), ['a']);
  });

  it('needs both majorities while the configuration is joint', () => {
    const node = new LoneNode({ state: confState([1, 4, 5], { votersOutgoing: [1, 2, 3] }) });
    node.raw.campaign();
    node.drain();
    for (const id of [2, 4]) node.vote(id);
    for (const id of [2, 4]) node.acknowledge(id, 1);
    const round = ask(node, 'a');
    for (const id of [2, 3]) node.tell(answer(id, round));
    assert.deepEqual(contexts(node), []);
    node.tell(answer(5, round));
    assert.deepEqual(contexts(node), ['a']);
  });

  it('waits until the leader has committed in its term, also in a cluster of one', () => {
    const node = new LoneNode({ voters: [1], log: [1, 1], hardState: { commit: 1 } });
    node.raw.campaign();
    node.raw.ready();
    node.raw.advance();
    assert.equal(node.status.role, 'leader');
    node.raw.readIndex(bytes('a'));
    const { readStates } = node.raw.ready();
    assert.deepEqual(readStates, [], 'what was committed before it started is more than it knows');
    node.raw.advance();
    node.storage.append([{ term: 2, index: 3, type: 'normal', data: bytes('') }]);
    node.drain();
    assert.deepEqual(node.reads, [{ index: 3, context: bytes('a') }]);
  });

  it('is forgotten with the term', () => {
    const node = leading();
    const round = ask(node, 'a');
    node.append(3, 2, [1, 1], [2]);
    node.elect();
    assert.equal(node.status.term, 3);
    node.tell({ ...answer(2, round), term: 3 });
    assert.deepEqual(contexts(node), []);
  });

  it('is dropped when too many wait', () => {
    const node = leading({ maxPendingReads: 2 });
    assert.deepEqual(
      [1, 2, 3].map((n) => node.raw.readIndex(bytes(`${n}`))),
      ['pending', 'pending', 'dropped'],
    );
    const early = new LoneNode({ maxPendingReads: 1 });
    early.elect();
    assert.deepEqual([early.raw.readIndex(bytes('a')), early.raw.readIndex(bytes('b'))], ['pending', 'dropped']);
  });

  it('is answered at once under a lease', () => {
    const node = leading({ readOnly: 'lease-based', checkQuorum: true });
    node.raw.readIndex(bytes('a'));
    assert.deepEqual(node.drain(), []);
    assert.deepEqual(contexts(node), ['a']);
  });
});

describe('a read on another node', () => {
  for (const setup of [{}, { readOnly: 'lease-based', checkQuorum: true }] as const)
    it(`is answered by the leader, and comes out where it was asked (${JSON.stringify(setup)})`, () => {
      const cluster = new Cluster(confState([1, 2, 3], { learners: [4] }), setup);
      cluster.campaign(1);
      cluster.propose(1, 'x');
      for (const id of [1, 2, 4]) {
        assert.equal(cluster.raw(id).readIndex(bytes(`from ${id}`)), 'pending');
        cluster.settle();
        const { reads } = cluster.member(id);
        assert.deepEqual(reads, [{ index: cluster.raw(1).status().commit, context: bytes(`from ${id}`) }]);
      }
    });

  it('is dropped where no leader is known', () => {
    assert.equal(new LoneNode().raw.readIndex(bytes('a')), 'dropped');
  });

  it('is not answered by a leader that has lost its quorum', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(1);
    cluster.campaign(2);
    cluster.propose(2, 'new');
    cluster.raw(1).readIndex(bytes('stale'));
    cluster.settle();
    assert.deepEqual(cluster.member(1).reads, []);
  });

  it('passes through a configuration change', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.join(4, confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.change(1, [learn(4)]);
    cluster.raw(4).readIndex(bytes('r'));
    cluster.settle();
    assert.equal(cluster.member(4).reads.length, 1);
  });
});
