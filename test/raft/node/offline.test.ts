import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { inspectFolder, recoverFolder } from '../../../src/raft/node/index.ts';
import { type BedNode, eventually, NodeBed, retried, text, words } from './node-bed.ts';

describe('the folder of a node that does not run', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());
  const folder = (name: string): string => join(bed.root, name);

  it('tells the members and the snapshots (rule 11)', async () => {
    const few = { snapshotThreshold: 20, trailingEntries: 5 };
    const [a] = await bed.cluster(['a', 'b', 'c'], few);
    assert.ok(a);
    for (let i = 0; i < 60; i += 1) await a.node.propose(text(`${i}`));
    await eventually(() => a.node.snapshotInfo().length === 2);
    await assert.rejects(inspectFolder(folder('a')), { code: 'already_running' });
    const online = a.node.snapshotInfo();
    await bed.stop('a');
    const report = await inspectFolder(folder('a'));
    assert.deepEqual(report.peers.map(({ name, role, isSelf }) => `${name} ${role} ${isSelf}`).sort(), [
      'a voter true',
      'b voter false',
      'c voter false',
    ]);
    assert.deepEqual(
      report.snapshots.map(({ index }) => index),
      online.map(({ index }) => index),
    );
    assert.ok(report.snapshots.every(({ bytes, problem }) => (bytes ?? 0) > 0 && problem === undefined));
    await assert.rejects(inspectFolder(folder('nowhere')), { code: 'config_invalid' });
  });

  for (const few of [{}, { snapshotThreshold: 10, trailingEntries: 3 }]) {
    const from = 'snapshotThreshold' in few ? 'a snapshot' : 'the log alone';
    it(`becomes a cluster of its own by recovery, from ${from}, and takes new nodes (rules 7 and 10)`, async () => {
      const [a] = await bed.cluster(['a', 'b', 'c'], few);
      assert.ok(a);
      const id = await a.node.openSession();
      await a.node.propose(text('in a session'), { session: { id, sequence: 1 } });
      for (let i = 0; i < 40; i += 1) await a.node.propose(text(`${i}`));
      const before = words(a);
      const { clusterId, incarnation } = a.node.status();
      for (const name of ['a', 'b', 'c']) await bed.stop(name);
      await assert.rejects(recoverFolder({ dir: folder('a'), consent: false }), { code: 'usage' });
      const recovered = await recoverFolder({ dir: folder('a'), consent: true });
      assert.equal(recovered.oldClusterId, clusterId);
      assert.equal(recovered.epoch, 2);
      assert.ok(readdirSync(recovered.backup).includes('identity.json'));

      const again = await bed.start('a', few);
      await eventually(() => again.node.status().state === 'Leader');
      assert.notEqual(again.node.status().clusterId, clusterId);
      assert.notEqual(again.node.status().incarnation, incarnation);
      assert.deepEqual(words(again), before);
      const repeated = await again.node.propose(text('in a session'), { session: { id, sequence: 1 } });
      assert.equal(repeated.result, 'applied in a session');
      assert.equal(again.node.status().peers, 1);
      assert.equal(again.node.status().epoch, 2);
      assert.deepEqual(again.node.status().succeeds, [clusterId]);

      // One of the old cluster is not taken in, nor takes this one in; wiped, it is.
      await bed.start('b', few);
      await assert.rejects(again.node.addPeer('b'), /of another cluster/);
      await bed.stop('b');
      bed.wipe('b');
      const fresh = await bed.start('b', few);
      await retried(() => again.node.addPeer('b'));
      await retried(() => again.node.promote('b'));
      await again.node.propose(text('of the new cluster'));
      await eventually(() => words(fresh).includes('of the new cluster'));
      assert.deepEqual(words(fresh), words(again));
    });

    it(`raises the epoch with each recovery, from ${from}, on whichever node and for every member`, async () => {
      const [a] = await bed.cluster(['a', 'b'], few);
      assert.ok(a);
      const write = async (node: BedNode, word: string) => {
        for (let i = 0; i < 30; i += 1) await retried(() => node.node.propose(text(`${word} ${i}`)));
      };
      await write(a, 'before');
      const b = bed.nodes.get('b');
      assert.ok(b);
      await eventually(() => words(b).includes('before 29'));
      assert.deepEqual(
        [a, b].map(({ node }) => node.status().epoch),
        [1, 1],
      );
      for (const name of ['a', 'b']) await bed.stop(name);
      assert.equal((await inspectFolder(folder('a'))).epoch, 1);
      assert.equal((await recoverFolder({ dir: folder('a'), consent: true })).epoch, 2);
      assert.equal((await inspectFolder(folder('a'))).epoch, 2);

      // A new member knows it, though it was not there; a snapshot of the recovered cluster, and a restart, keep it.
      const again = await bed.start('a', few);
      await eventually(() => again.node.status().state === 'Leader');
      bed.wipe('b');
      const fresh = await bed.start('b', few);
      assert.equal(fresh.node.status().epoch, 0, 'it waits');
      await bed.join(again, 'b');
      await write(again, 'after');
      await eventually(() => words(fresh).includes('after 29'));
      assert.equal(fresh.node.status().epoch, 2);
      for (const name of ['a', 'b']) await bed.stop(name);

      // The other one this time.
      assert.equal((await recoverFolder({ dir: folder('b'), consent: true })).epoch, 3);
      const last = await bed.start('b', few);
      await eventually(() => last.node.status().state === 'Leader');
      assert.equal(last.node.status().epoch, 3);
      assert.equal(last.node.status().succeeds.length, 2, 'it remembers both');
      assert.deepEqual(words(last), words(fresh));
    });
  }
});
