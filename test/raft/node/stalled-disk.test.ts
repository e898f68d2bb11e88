import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { only } from '../core/lone-node.ts';
import { text } from './node-bed.ts';
import { ScriptedPeers, TIMEOUT_MS } from './scripted-peers.ts';

describe('a node whose disk is stalled (rule 3)', () => {
  let bed: ScriptedPeers;
  let fate: Promise<string>;
  beforeEach(async () => {
    bed = await ScriptedPeers.start();
    await bed.lead();
    assert.equal(bed.node.status().state, 'Leader');
    bed.place.disk.autoSync = false;
    fate = bed.node.propose(text('x')).then(
      () => 'committed',
      (error: { code: string }) => error.code,
    );
    await bed.settle();
  });
  afterEach(async () => {
    bed.place.disk.autoSync = true;
    bed.place.disk.sync();
    await bed.node.close();
  });

  it('leads for two election timeouts more, and then no longer, though its peers answer', async () => {
    await bed.advance(2 * TIMEOUT_MS);
    assert.equal(bed.node.status().state, 'Leader');
    await bed.advance(TIMEOUT_MS / 5);
    assert.equal(bed.node.status().state, 'Follower');
    assert.equal(await fate, 'outcome_unknown');
    const before = bed.sent.length;
    await bed.advance(TIMEOUT_MS);
    assert.deepEqual(only(bed.sent.slice(before), 'heartbeat'), []);
  });

  it('does not campaign while it lasts, and leads again when it is over', async () => {
    const { term } = bed.node.status();
    await bed.advance(2.2 * TIMEOUT_MS);
    const before = bed.sent.length;
    await bed.advance(5 * TIMEOUT_MS);
    assert.deepEqual(bed.sent.slice(before), []);
    assert.deepEqual([bed.node.status().state, bed.node.status().term], ['Follower', term]);
    bed.place.disk.autoSync = true;
    bed.place.disk.sync();
    await bed.settle();
    await bed.lead();
    assert.deepEqual([bed.node.status().state, bed.node.status().term, bed.fatal], ['Leader', term + 1, []]);
  });

  it('ends after ten seconds', async () => {
    await bed.advance(10_000);
    assert.deepEqual(bed.fatal, []);
    await bed.advance(200);
    assert.deepEqual(bed.fatal, ['log_write_failed']);
    assert.equal(await fate, 'outcome_unknown');
    assert.equal(bed.node.status().state, 'Shutdown');
  });
});
