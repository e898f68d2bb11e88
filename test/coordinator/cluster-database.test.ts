/** Several coordinators and their one database: what a leader writes late, and a database that is not the one it was. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { eventually, pause } from '../raft/node/node-bed.ts';
import { makeProofs, type Proofs, QUICK } from './bed.ts';
import { type ClusterBed, clusterTest } from './cluster-bed.ts';

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
  const foreign = { clusterId: 'somebody else’s', epoch: 1, cursor: 3 };

  withCluster(
    'another cluster’s: nothing is written, workers keep their proofs, and it goes on with its own',
    async (bed) => {
      const first = await bed.leader();
      const worker = await bed.joined(first, 'w1');
      const [row, kept] = [bed.submit(), bed.submit()];
      const leases = [(await worker.assignment()).lease, (await worker.assignment(1)).lease];
      for (const lease of leases) await worker.acknowledge(lease);
      await eventually(() => first.coordinator.status().outbox === 0);
      const leaseOf = ({ id }: { readonly id: string }) => leases.find(({ taskId }) => taskId === id) ?? assert.fail();
      const own = bed.store.cluster;
      bed.store.cluster = foreign;
      await worker.complete(leaseOf(row), proofs.proof, proofs.signals);
      await eventually(() => first.coordinator.status().refusal?.code === 'foreign_cluster');
      // An answer that says no for good would make the worker drop its proof.
      await assert.rejects(worker.complete(leaseOf(kept), proofs.proof, proofs.signals), {
        code: 'foreign_cluster',
        retryable: true,
      });
      assert.deepEqual(bed.store.cluster, foreign);
      assert.notEqual(row.status, 'completed');
      bed.store.cluster = own;
      await eventually(() => row.status === 'completed');
      assert.equal(first.coordinator.status().refusal, undefined);
      assert.equal((await bed.leader()).name, first.name, 'by itself, and without another leader');
      await bed.worker(first, 'w2').register();
    },
  );

  withCluster(
    'another cluster’s for longer than workers may be silent: their leases are there afterwards',
    async (bed) => {
      const first = await bed.leader();
      const worker = await bed.joined(first, 'w1');
      const row = bed.submit();
      const { lease } = await worker.assignment();
      await worker.acknowledge(lease);
      await eventually(() => first.coordinator.status().outbox === 0);
      const own = bed.store.cluster;
      bed.store.cluster = foreign;
      await eventually(() => first.coordinator.status().refusal?.code === 'foreign_cluster');
      await pause(3 * QUICK.heartbeatTimeoutMs);
      bed.store.cluster = own;
      await eventually(() => first.coordinator.status().refusal === undefined);
      await worker.complete(lease, proofs.proof, proofs.signals);
      await eventually(() => row.status === 'completed');
      assert.equal(row.attempt, 1);
    },
  );

  withCluster('another cluster’s, while there is nothing to write: found out all the same', async (bed) => {
    const first = await bed.leader();
    await bed.joined(first, 'w1');
    await eventually(() => first.coordinator.status().outbox === 0);
    const own = bed.store.cluster;
    bed.store.cluster = foreign;
    await eventually(() => first.coordinator.status().refusal?.code === 'foreign_cluster');
    bed.store.cluster = own;
    await eventually(() => first.coordinator.status().refusal === undefined);
  });

  withCluster('another cluster’s for whoever begins to lead: it serves once it has its own', async (bed) => {
    const first = await bed.leader();
    await bed.joined(first, 'w1');
    const own = bed.store.cluster;
    bed.store.cluster = foreign;
    await first.node.transferLeadership();
    const next = await bed.leader([first.name]);
    await eventually(() => next.coordinator.status().refusal?.code === 'foreign_cluster');
    assert.deepEqual(bed.store.cluster, foreign);
    bed.store.cluster = own;
    await eventually(() => next.coordinator.status().refusal === undefined);
    const row = bed.submit();
    const worker = await bed.joined(next, 'w2');
    const { lease } = await worker.assignment();
    await worker.acknowledge(lease);
    await worker.complete(lease, proofs.proof, proofs.signals);
    await eventually(() => row.status === 'completed');
  });
});
