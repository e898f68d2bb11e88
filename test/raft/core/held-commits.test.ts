import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppendMessage } from '../../../src/raft/core/message.ts';
import { bytes } from './cluster.ts';
import { LoneNode, only, type Setup } from './lone-node.ts';

/** Of three, with both followers replicating and entry 1 committed. */
function leading(setup: Setup): LoneNode {
  const node = new LoneNode(setup);
  node.elect(3);
  for (const follower of [2, 3]) node.acknowledge(follower, 1);
  node.raw.tellCommit();
  node.drain();
  return node;
}

type Sent = Parameters<typeof only>[0];
const shown = (sent: Sent): string[] =>
  (only(sent, 'append') as AppendMessage[]).map(
    ({ to, entries, commit }) => `${to}: [${entries.map(({ index }) => index).join(' ')}] commit ${commit}`,
  );

function propose(node: LoneNode, count = 1): string[] {
  node.raw.proposeBatch(Array.from({ length: count }, () => bytes('x')));
  return shown(node.drain());
}

describe('a message to a follower', () => {
  it('has at most so many entries, and a batch takes as many messages as it needs', () => {
    const node = leading({ maxMessageEntries: 3 });
    assert.deepEqual(
      propose(node, 8).filter((message) => message.startsWith('2')),
      ['2: [2 3 4] commit 1', '2: [5 6 7] commit 1', '2: [8 9] commit 1'],
    );
  });

  it('has at most so many entries when much is made up for', () => {
    const node = new LoneNode({ log: [1, 1, 1, 1, 1, 1], maxMessageEntries: 4 });
    node.elect(3);
    node.tell({ type: 'append-response', from: 2, to: 1, term: 2, index: 6, refused: { term: 0, index: 0 } });
    const sent = shown(node.acknowledge(2, 0)).filter((message) => message.startsWith('2'));
    assert.deepEqual(sent, ['2: [1 2 3 4] commit 0', '2: [5 6 7] commit 0']);
  });
});

describe('a commit index that is held back', () => {
  it('is told at once where nothing holds it', () => {
    const node = leading({});
    propose(node);
    assert.deepEqual(shown(node.acknowledge(2, 2)), ['2: [] commit 2', '3: [] commit 2']);
    assert.equal(node.raw.holdsCommit, false);
  });

  it('rides with the next entries', () => {
    const node = leading({ holdCommits: true });
    propose(node);
    assert.deepEqual(shown(node.acknowledge(2, 2)), []);
    assert.deepEqual(shown(node.acknowledge(3, 2)), []);
    assert.equal(node.status.commit, 2);
    assert.equal(node.raw.holdsCommit, true);
    assert.deepEqual(propose(node), ['2: [3] commit 2', '3: [3] commit 2']);
    assert.equal(node.raw.holdsCommit, false);
    node.raw.tellCommit();
    assert.deepEqual(shown(node.drain()), [], 'there is nothing left to tell');
  });

  it('goes out when the host says so, once', () => {
    const node = leading({ holdCommits: true });
    propose(node);
    node.acknowledge(2, 2);
    node.raw.tellCommit();
    assert.deepEqual(shown(node.drain()), ['2: [] commit 2', '3: [] commit 2']);
    assert.equal(node.raw.holdsCommit, false);
    node.raw.tellCommit();
    assert.deepEqual(shown(node.drain()), []);
  });

  it('rides with a heartbeat as far as the follower is known to have it', () => {
    const node = leading({ holdCommits: true });
    propose(node);
    node.acknowledge(2, 2);
    const commits = only(node.tick(), 'heartbeat').map(({ to, commit }) => [to, commit]);
    assert.deepEqual(commits, [
      [2, 2],
      [3, 1],
    ]);
    assert.equal(node.raw.holdsCommit, true, 'the third lacks it still');
  });

  it('is told at once when a change of the members is committed: one who is removed must hear of it', () => {
    const node = leading({ holdCommits: true });
    node.raw.proposeConfChange({ version: 1, change: { kind: 'remove', nodeId: 3 }, context: new Uint8Array(0) });
    node.drain();
    assert.deepEqual(shown(node.acknowledge(2, 2)).slice(0, 2), ['2: [] commit 2', '3: [] commit 2']);
  });
});
