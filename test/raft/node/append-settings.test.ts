import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { raftCore } from '../../../src/raft/index.ts';
import { eventually, NodeBed, text, words } from './node-bed.ts';

type Append = Extract<raftCore.PeerMessage, { type: 'append' }>;
/** Heartbeats tell of commits, too: one in six seconds. */
const SLOW = { heartbeatTimeoutMs: 60_000, electionTimeoutMs: 60_000 };

describe('what a leader sends', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  /** Appends from now on, when all is told of what was before. */
  async function record(): Promise<Append[]> {
    const all = [...bed.nodes.values()].map(({ node }) => node);
    await eventually(() => new Set(all.map((node) => node.status().appliedIndex)).size === 1);
    const appends: Append[] = [];
    bed.network.filter = (message) => {
      if (message.type === 'append') appends.push(message);
      return true;
    };
    return appends;
  }

  it('is messages of at most maxAppendEntries entries', async () => {
    const [a, b] = await bed.cluster(['a', 'b'], { maxAppendEntries: 5 });
    assert.ok(a && b);
    const appends = await record();
    await Promise.all(Array.from({ length: 33 }, (_, i) => a.node.propose(text(`${i}`))));
    const sizes = appends.map(({ entries }) => entries.length);
    assert.equal(Math.max(...sizes), 5);
  });

  it('tells a commit with the next entries, not with a message of its own', async () => {
    const [a, b] = await bed.cluster(['a', 'b'], { ...SLOW, commitTimeoutMs: 60_000 });
    assert.ok(a && b);
    const appends = await record();
    const { filter } = bed.network;
    bed.network.filter = (message, ...way) => filter(message, ...way) && message.type !== 'heartbeat';
    for (let i = 0; i < 20; i += 1) await a.node.propose(text(`${i}`));
    assert.deepEqual(
      appends.filter(({ entries }) => entries.length === 0),
      [],
    );
    await eventually(() => words(b).includes('18'));
    assert.ok(!words(b).includes('19'), 'the last one waits');
  });

  it('tells it after commitTimeoutMs where no entries come', async () => {
    const [a, b] = await bed.cluster(['a', 'b'], { ...SLOW, commitTimeoutMs: 100 });
    assert.ok(a && b);
    const appends = await record();
    for (let i = 0; i < 5; i += 1) {
      await a.node.propose(text(`the last for now, ${i}`));
      await eventually(() => words(b).includes(`the last for now, ${i}`));
    }
    const empty = appends.filter(({ entries }) => entries.length === 0);
    assert.ok(empty.length >= 3, `${empty.length} of 5; a heartbeat may have been in time for one or two`);
  });

  it('tells it at once where commitTimeoutMs is 0', async () => {
    const [a, b] = await bed.cluster(['a', 'b'], { ...SLOW, commitTimeoutMs: 0 });
    assert.ok(a && b);
    const appends = await record();
    for (let i = 0; i < 10; i += 1) await a.node.propose(text(`${i}`));
    await eventually(() => appends.filter(({ entries }) => entries.length === 0).length >= 10);
  });

  it('is set within limits', async () => {
    for (const [field, value] of [
      ['maxAppendEntries', 0],
      ['maxAppendEntries', 1.5],
      ['commitTimeoutMs', -1],
      ['commitTimeoutMs', Number.NaN],
    ] as const) {
      await assert.rejects(bed.start('a', { [field]: value }), { code: 'config_invalid', field });
    }
  });
});
