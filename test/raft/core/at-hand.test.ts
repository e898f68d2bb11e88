import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppendMessage } from '../../../src/raft/core/message.ts';
import { LoneNode, only } from './lone-node.ts';

/** A leader with entries 1 to 6, of which 1 to 3 are on a slow disk. Its own entry of the term is the 7th. */
function leading() {
  const node = new LoneNode({ log: [1, 1, 1, 1, 1, 1] });
  const world = { slowTo: 3, asked: [] as number[], read: [] as number[] };
  const { entries } = node.storage;
  Object.assign(node.storage, {
    isAtHand: (lo: number) => {
      world.asked.push(lo);
      return lo > world.slowTo;
    },
    entries: (lo: number, hi: number, bytesMax: number) => {
      world.read.push(lo);
      return entries.call(node.storage, lo, hi, bytesMax);
    },
  });
  node.elect(3);
  return { node, world };
}

const toTwo = (messages: Parameters<typeof only>[0]): string[] =>
  (only(messages, 'append') as AppendMessage[])
    .filter(({ to }) => to === 2)
    .map(({ previous, entries }) => `after ${previous.index}: ${entries.map(({ index }) => index).join(' ')}`);

const refusal = { type: 'append-response', from: 2, to: 1, term: 2, index: 6, refused: { term: 0, index: 0 } } as const;
const heartbeatAnswer = { type: 'heartbeat-response', from: 2, to: 1, term: 2, readRound: 0 } as const;

describe('entries that are not at hand', () => {
  it('are not read for a member; it gets one message without entries, and the next after its answer', () => {
    const { node, world } = leading();
    assert.deepEqual(toTwo(node.tell(refusal)), ['after 0: ']);
    assert.deepEqual(world.asked.at(-1), 1);
    // Commits and proposals ask nothing of a probe under way.
    const asked = world.asked.length;
    node.raw.propose(Uint8Array.of(1));
    assert.deepEqual(toTwo(node.drain()), []);
    assert.equal(world.asked.length, asked);
    assert.deepEqual(toTwo(node.tell(heartbeatAnswer)), ['after 0: ']);
    assert.deepEqual(toTwo(node.acknowledge(2, 0)), []);
    assert.ok(
      world.read.every((lo) => lo > 3),
      'none of the slow ones was read',
    );
  });

  it('go out when the host says that they may be there, and only then', () => {
    const { node, world } = leading();
    node.tell(refusal);
    node.acknowledge(2, 0);
    node.raw.reportAtHand();
    assert.deepEqual(toTwo(node.drain()), [], 'still not');
    world.slowTo = 0;
    node.raw.reportAtHand();
    assert.deepEqual(toTwo(node.drain()), ['after 0: 1 2 3 4 5 6 7']);
  });

  it('hold up nobody else, and no commit', () => {
    const { node } = leading();
    node.tell(refusal);
    node.acknowledge(3, 7);
    assert.equal(node.status.commit, 7);
    node.raw.propose(Uint8Array.of(1));
    const toThree = only(node.drain(), 'append').filter(({ to }) => to === 3);
    assert.deepEqual(
      toThree.flatMap(({ entries }) => entries.map(({ index }) => index)),
      [8],
    );
  });
});
