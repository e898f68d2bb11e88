/** Several coordinators and their one database: what a leader writes late, and a database that is not the one it was. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { eventually, pause } from '../raft/node/node-bed.ts';
import { makeProofs, type Proofs } from './bed.ts';
import { type ClusterBed, clusterTest, served } from './cluster-bed.ts';

let proofs: Proofs;
before(async () => {
  proofs = await makeProofs();
});
after(() => proofs.close());

const withCluster = (name: string, body: (bed: ClusterBed) => Promise<void>): void =>
  clusterTest(name, () => proofs, body);

describe('a leader that is held up between a decision and writing it', () => {
  withCluster('is overtaken by the next within two seconds, and its late write changes nothing', async (bed) => {
    const first = await bed.leader();
    const worker = await bed.joined(first, 'w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.acknowledge(lease);
    await eventually(() => first.coordinator.status().outbox === 0);
    const held = bed.holdWrites(first.name);
    await worker.complete(lease, proofs.proof, proofs.signals);
    await eventually(() => held.waiting() === 1);
    assert.equal(row.status, 'assigned', 'it was accepted, and is not written');
    bed.network.isolate(first.name);
    const next = await bed.leader([first.name]);
    const ledMs = performance.now();
    await eventually(() => row.status === 'completed');
    assert.ok(performance.now() - ledMs < 2_000, 'nothing waits for the one that is held up');
    await eventually(() => next.coordinator.status().outbox === 0);
    const before = structuredClone({ row, story: bed.store.storyOf(row.id), cluster: bed.store.cluster });
    held.release();
    bed.network.heal();
    await eventually(() => first.node.status().appliedIndex === next.node.status().appliedIndex);
    await pause(300);
    const now = structuredClone({ row, story: bed.store.storyOf(row.id), cluster: bed.store.cluster });
    assert.deepEqual(now, before);
  });
});

describe('a database in place of the one that it was', () => {
  withCluster('another cluster’s: nothing is written, nobody leads with it, and results are kept', async (bed) => {
    const first = await bed.leader();
    const worker = await bed.joined(first, 'w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.acknowledge(lease);
    await eventually(() => first.coordinator.status().outbox === 0);
    const own = bed.store.cluster;
    bed.store.cluster = { clusterId: 'somebody else’s', epoch: 1, cursor: 3 };
    await worker.complete(lease, proofs.proof, proofs.signals);
    await eventually(() => first.coordinator.status().refusal?.code === 'foreign_cluster');
    assert.deepEqual(bed.store.cluster, { clusterId: 'somebody else’s', epoch: 1, cursor: 3 });
    assert.notEqual(row.status, 'completed');
    // Its own again: whoever leads next writes what was kept.
    bed.store.cluster = own;
    await first.node.transferLeadership();
    const next = await bed.leader([first.name]);
    await eventually(() => row.status === 'completed');
    const back = bed.worker(next, 'w2');
    await served(() => back.register());
  });
});
