import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { raftCore } from '../../../src/raft/index.ts';
import { only } from '../core/lone-node.ts';
import { ScriptedPeers } from './scripted-peers.ts';

describe('changes of the members (rule 6)', () => {
  let bed: ScriptedPeers;
  beforeEach(async () => {
    bed = await ScriptedPeers.start();
  });
  afterEach(() => bed.node.close());

  /** What is appended from now on that is a change. */
  const changesFrom = (count: number): number[] => {
    const entries = only(bed.sent.slice(count), 'append').flatMap((message) => message.entries);
    return [
      ...new Set(entries.filter((one) => raftCore.decodeConfChange(one) !== undefined).map(({ index }) => index)),
    ];
  };
  const outcome = (change: Promise<unknown>): Promise<string> =>
    change.then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
  /** `undefined` while it waits. */
  const soon = async (change: Promise<string>): Promise<string | undefined> => {
    let known: string | undefined;
    void change.then((now) => {
      known = now;
    });
    await bed.settle();
    return known;
  };

  it('are made one at a time: a second is refused while the first is not committed', async () => {
    await bed.lead();
    bed.answers = ({ type }) => type !== 'append';
    const before = bed.sent.length;
    const first = outcome(bed.node.addPeer('d'));
    await bed.settle();
    const second = outcome(bed.node.addPeer('e'));
    assert.equal(await soon(second), 'membership_busy');
    assert.equal(await soon(first), undefined);
    assert.equal(changesFrom(before).length, 1);
  });

  it('are refused until the majority has been told of the one before', async () => {
    await bed.lead();
    bed.answers = ({ type }) => type !== 'heartbeat';
    const first = outcome(bed.node.addPeer('d'));
    assert.equal(await soon(first), undefined);
    assert.equal(bed.node.status().peers, 4, 'it is applied here');
    assert.equal(await soon(outcome(bed.node.addPeer('e'))), 'membership_busy');
    bed.answers = () => true;
    await bed.advance(100);
    assert.equal(await first, 'done');
    assert.equal(await soon(outcome(bed.node.addPeer('e'))), 'done');
  });

  it('are refused before the leader has committed an entry of its term', async () => {
    bed.answers = ({ type }) => type !== 'append';
    await bed.lead();
    assert.equal(bed.node.status().state, 'Leader');
    const before = bed.sent.length;
    assert.equal(await soon(outcome(bed.node.addPeer('d'))), 'membership_busy');
    assert.deepEqual(changesFrom(before), []);
  });
});
