import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Progress } from '../../../src/raft/core/index.ts';
import { Inflights } from '../../../src/raft/core/inflights.ts';
import { bytes, Cluster, confState } from './cluster.ts';
import { LoneNode, only, type Setup } from './lone-node.ts';

/** A leader of term 1 whose follower 2 is in the state of replication, with entry 1 acknowledged. */
function leading(setup: Setup = {}): LoneNode {
  const node = new LoneNode(setup);
  node.elect(3);
  node.acknowledge(2, 1);
  return node;
}

const of = (node: LoneNode, id: number): Progress => node.status.progress.get(id) as Progress;

function propose(node: LoneNode, data = 'x'): number {
  node.raw.propose(bytes(data));
  return only(node.drain(), 'append').filter(({ to }) => to === 2).length;
}

const heartbeatAnswer = (from: number) => ({ type: 'heartbeat-response', from, to: 1, term: 1, readRound: 0 }) as const;

describe('a follower that is probed', () => {
  it('gets one message with entries, and the next after an answer', () => {
    const node = new LoneNode();
    const first = only(node.elect(3), 'append').filter(({ to }) => to === 2);
    assert.equal(first.length, 1);
    assert.deepEqual([propose(node), propose(node)], [0, 0]);
    const sent = only(node.acknowledge(2, 1), 'append').filter(({ to }) => to === 2);
    assert.deepEqual(
      sent.flatMap(({ entries }) => entries.map(({ index }) => index)),
      [2, 3],
    );
    assert.equal(of(node, 2).state, 'replicate');
  });

  it('gets one more with each answer to a heartbeat, for a probe may be lost', () => {
    const node = new LoneNode();
    node.elect(3);
    for (let i = 0; i < 3; i++) {
      assert.equal(propose(node), 0);
      const probes = only(node.tell(heartbeatAnswer(2)), 'append').filter(({ to }) => to === 2);
      assert.deepEqual(
        probes.map(({ previous }) => previous.index),
        [0],
      );
      assert.equal(propose(node), 0);
    }
  });

  it('is told where to begin by its refusals, never before what it has acknowledged', () => {
    const node = new LoneNode({ log: [1, 1, 1, 1] });
    node.elect(3);
    const refuse = (index: number, hint: number) =>
      node.tell({ type: 'append-response', from: 2, to: 1, term: 2, index, refused: { term: 1, index: hint } });
    assert.deepEqual(
      only(refuse(4, 2), 'append').map(({ previous }) => previous.index),
      [2],
    );
    assert.deepEqual(refuse(4, 2), [], 'an answer to what was not asked last is old news');
    node.acknowledge(2, 3);
    assert.deepEqual([of(node, 2).match, of(node, 2).state], [3, 'replicate']);
    assert.deepEqual(refuse(3, 0), []);
  });
});

describe('a follower that is replicated to', () => {
  it('gets entries without waiting, as many messages as its window has', () => {
    const node = leading({ maxInflightMessages: 3 });
    assert.deepEqual([propose(node), propose(node), propose(node), propose(node)], [1, 1, 1, 0]);
    assert.equal(of(node, 2).inflights.count, 3);
    assert.equal(of(node, 2).blocked, true);
  });

  it('an acknowledgement frees all messages before it, and what waited goes', () => {
    const node = leading({ maxInflightMessages: 3 });
    for (let i = 0; i < 5; i++) propose(node);
    const sent = only(node.acknowledge(2, 3), 'append').filter(({ to }) => to === 2);
    const indexes = sent.flatMap(({ entries }) => entries.map(({ index }) => index));
    assert.deepEqual([...new Set(indexes)], [5, 6]);
  });

  it('an acknowledgement that is old frees nothing', () => {
    const node = leading({ maxInflightMessages: 3 });
    for (let i = 0; i < 4; i++) propose(node);
    node.acknowledge(2, 4);
    const { count } = of(node, 2).inflights;
    node.acknowledge(2, 3);
    assert.equal(of(node, 2).inflights.count, count);
  });

  it('has a window in bytes as well, which one message may exceed', () => {
    const node = leading({ maxMessageBytes: 64, maxInflightBytes: 100 });
    const data = 'y'.repeat(60);
    assert.deepEqual([propose(node, data), propose(node, data), propose(node, data)], [1, 1, 0]);
    const huge = leading({ maxMessageBytes: 64, maxInflightBytes: 100 });
    assert.equal(propose(huge, 'z'.repeat(500)), 1);
    assert.equal(propose(huge), 0);
  });

  it('a heartbeat’s answer lets one empty message through a full window, so that a loss is noticed', () => {
    const node = leading({ maxInflightMessages: 2 });
    for (let i = 0; i < 3; i++) propose(node);
    const appends = only(node.tell(heartbeatAnswer(2)), 'append');
    assert.deepEqual(
      appends.map(({ entries }) => entries.length),
      [0],
    );
    assert.equal(of(node, 2).blocked, true);
  });

  it('gets as many entries in one message as its limit of bytes allows, but one always', () => {
    const node = new LoneNode({ maxMessageBytes: 50 });
    node.elect(3);
    for (let i = 0; i < 4; i++) propose(node, 'v'.repeat(20));
    propose(node, 'w'.repeat(200));
    propose(node, 'u');
    const sent = only(node.acknowledge(2, 1), 'append').filter(({ to }) => to === 2);
    assert.deepEqual(
      sent.map(({ entries }) => entries.map(({ index }) => index)),
      [[2], [3], [4], [5], [6], [7]],
    );
    const wide = new LoneNode({ maxMessageBytes: 60 });
    wide.elect(3);
    for (let i = 0; i < 4; i++) propose(wide, 'v'.repeat(20));
    assert.deepEqual(
      only(wide.acknowledge(2, 1), 'append')
        .filter(({ to }) => to === 2)
        .map(({ entries }) => entries.length),
      [2, 2],
    );
  });

  it('is probed again when it refuses, or cannot be reached', () => {
    const node = leading();
    propose(node);
    node.raw.reportUnreachable(2);
    assert.deepEqual([of(node, 2).state, of(node, 2).next], ['probe', 2]);
    const other = leading();
    propose(other);
    const again = other.tell({
      type: 'append-response',
      from: 2,
      to: 1,
      term: 1,
      index: 2,
      refused: { term: 1, index: 1 },
    });
    assert.deepEqual([of(other, 2).state, only(again, 'append')[0]?.previous.index], ['probe', 1]);
  });

  it('is told of a new commit index even when there is nothing else to send', () => {
    const node = leading();
    propose(node);
    const appends = only(node.acknowledge(3, 2), 'append');
    assert.deepEqual(
      appends.filter(({ to }) => to === 2).map(({ entries, commit }) => [entries.length, commit]),
      [[0, 2]],
    );
  });
});

describe('a heartbeat', () => {
  it('never speaks of a commit beyond what the follower is known to have', () => {
    const node = leading({ voters: [1, 2, 3, 4, 5], log: [] });
    node.vote(4);
    node.drain();
    assert.equal(node.status.role, 'leader');
    for (let i = 0; i < 3; i++) propose(node);
    node.acknowledge(3, 4);
    node.acknowledge(4, 4);
    assert.equal(node.status.commit, 4);
    const commits = Object.fromEntries(only(node.tick(), 'heartbeat').map(({ to, commit }) => [to, commit]));
    assert.deepEqual(commits, { 2: of(node, 2).match, 3: 4, 4: 4, 5: 0 });
  });

  it('commits none of the entries that a leader of the past has kept to itself', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(1);
    for (const data of ['lost', 'as well']) cluster.propose(1, data);
    cluster.campaign(2);
    for (const data of ['a', 'b', 'c']) cluster.propose(2, data);
    cluster.heal();
    cluster.ignore('append');
    cluster.tick(2, 1);
    cluster.settle();
    assert.equal(cluster.raw(1).status().lead, 2);
    assert.deepEqual(cluster.member(1).applied, []);
    cluster.heal();
    cluster.tick(2, 1);
    cluster.settle();
    assert.deepEqual(cluster.member(1).applied, ['a', 'b', 'c']);
  });
});

describe('the window of messages', () => {
  it('does what a plain list would', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.oneof(fc.record({ add: fc.integer({ min: 0, max: 30 }) }), fc.record({ free: fc.nat(120) })), {
          maxLength: 200,
        }),
        (messagesMax, bytesMax, steps) => {
          const window = new Inflights(messagesMax, bytesMax);
          let list: [index: number, bytes: number][] = [];
          let index = 0;
          for (const step of steps) {
            if ('free' in step) {
              window.freeUpTo(step.free);
              list = list.filter(([at]) => at > step.free);
            } else if (!window.full) {
              window.add(++index, step.add);
              list.push([index, step.add]);
            }
            const sum = list.reduce((all, [, size]) => all + size, 0);
            assert.deepEqual([window.count, window.bytes], [list.length, sum]);
            assert.equal(window.full, list.length >= messagesMax || sum >= bytesMax);
            assert.deepEqual([window.clone().count, window.clone().bytes], [list.length, sum]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses what it has no room for', () => {
    const window = new Inflights(1, Number.POSITIVE_INFINITY);
    window.add(1, 1);
    assert.throws(() => window.add(2, 1), /full window/);
  });
});
