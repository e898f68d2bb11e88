/** The folder of a node that does not run, held and copied: for backups. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { holdFolder, inspectFolder } from '../../../src/raft/node/index.ts';
import { type BedNode, eventually, NodeBed, text, words } from './node-bed.ts';

describe('the folder of a node, held', () => {
  let bed: NodeBed;
  let a: BedNode;
  const folder = (name: string): string => join(bed.root, name);
  beforeEach(async () => {
    bed = new NodeBed();
    a = await bed.start('a', { bootstrap: true, snapshotThreshold: 20, trailingEntries: 5 });
    await eventually(() => a.node.status().state === 'Leader');
    for (let i = 0; i < 60; i += 1) await a.node.propose(text(`${i}`));
  });
  afterEach(() => bed.close());

  it('is not given while the node runs', async () => {
    await assert.rejects(holdFolder(folder('a')), { code: 'already_running' });
  });

  it('lets no node start on it, during a copy and after, until it is released', async () => {
    await bed.stop('a');
    const held = await holdFolder(folder('a'));
    mkdirSync(folder('copy'));
    await held.copyTo(folder('copy'));
    await assert.rejects(bed.start('a'), { code: 'already_running' });
    await held.release();
    await bed.start('a');
  });

  it('has a copy that is the same node: its identity, its votes, its snapshots, every entry', async () => {
    const before = words(a);
    await bed.stop('a');
    const held = await holdFolder(folder('a'));
    mkdirSync(folder('copy'));
    let copiedBytes = 0;
    await held.copyTo(folder('copy'), {
      onProgress: (bytes) => {
        copiedBytes = bytes;
      },
    });
    await held.release();
    assert.equal(copiedBytes, held.bytes);
    assert.deepEqual(await inspectFolder(folder('copy')), held.report);
    assert.ok(held.report.snapshots.length > 0);
    const again = await bed.start('a', { dir: folder('copy') });
    await eventually(() => again.node.status().state === 'Leader');
    assert.deepEqual(words(again), before);
  });

  it('stops copying when it is interrupted', async () => {
    await bed.stop('a');
    const held = await holdFolder(folder('a'));
    mkdirSync(folder('copy'));
    await assert.rejects(held.copyTo(folder('copy'), { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
    await held.release();
  });
});
