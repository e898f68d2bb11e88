import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { raftCore } from '../../../src/raft/index.ts';
import { entry } from '../core/cluster.ts';
import { only } from '../core/lone-node.ts';
import { ScriptedPeers } from './scripted-peers.ts';

describe('what a node has promised', () => {
  let bed: ScriptedPeers;
  beforeEach(async () => {
    bed = await ScriptedPeers.start();
  });
  afterEach(async () => {
    bed.place.disk.autoSync = true;
    bed.place.disk.sync();
    await bed.node.close();
  });

  const askedBy = (from: number, term: number): raftCore.PeerMessage => ({
    type: 'vote',
    from,
    to: bed.id,
    term,
    last: { term: 9, index: 9 },
    transfer: false,
  });
  const granted = async (from: number, term: number): Promise<boolean | undefined> =>
    only(await bed.tell(askedBy(from, term)), 'vote-response')[0]?.granted;

  it('a vote is given once a term, and the same again to the same (rule 1)', async () => {
    assert.deepEqual([await granted(2, 5), await granted(3, 5), await granted(2, 5)], [true, false, true]);
  });

  it('a vote is not said before it is durable (rule 1)', async () => {
    bed.place.disk.autoSync = false;
    assert.equal(await granted(2, 5), undefined);
    assert.equal(bed.place.disk.pendingWrites, 1);
    bed.place.disk.sync();
    await bed.settle();
    assert.equal(only(bed.sent, 'vote-response').at(-1)?.granted, true);
  });

  it('a vote is remembered over a power cut (rule 1)', async () => {
    assert.equal(await granted(2, 5), true);
    await bed.powerCut();
    assert.deepEqual([await granted(3, 5), await granted(2, 5)], [false, true]);
  });

  it('asks for votes once its own term is durable, or it could lead one term twice (rule 1)', async () => {
    bed.place.disk.autoSync = false;
    for (let ticks = 0; ticks < 40 && bed.place.disk.pendingWrites === 0; ticks += 1) await bed.advance(100);
    assert.equal(bed.place.disk.pendingWrites, 1, 'the term of its campaign waits for the disk');
    assert.equal(only(bed.sent, 'pre-vote').length > 0, true);
    assert.deepEqual(only(bed.sent, 'vote'), []);
    bed.place.disk.sync();
    await bed.settle();
    assert.deepEqual(
      only(bed.sent, 'vote').map(({ to }) => to),
      [2, 3],
    );
  });

  it('an entry is not acknowledged before it is durable (rule 1)', async () => {
    const append = (index: number, entries: readonly number[]): raftCore.PeerMessage => ({
      type: 'append',
      from: 2,
      to: bed.id,
      term: 1,
      previous: { term: index === 0 ? 0 : 1, index },
      entries: entries.map((one) => entry(1, one)),
      commit: 0,
    });
    await bed.tell(append(0, [1]));
    bed.place.disk.autoSync = false;
    assert.deepEqual(only(await bed.tell(append(1, [2, 3])), 'append-response'), []);
    assert.deepEqual(only(await bed.tell(append(3, [4])), 'append-response'), [], 'nor behind a write that waits');
    bed.place.disk.autoSync = true;
    bed.place.disk.sync();
    await bed.settle();
    assert.deepEqual(
      only(bed.sent, 'append-response').map(({ index }) => index),
      [1, 3, 4],
    );
  });
});
