/** Three coordinators: who takes over, what it knows, and what the one before can still do. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import type { ZkraftError } from '../../src/common/index.ts';
import type { RemoteError } from '../../src/common/rpc/index.ts';
import { recoverFolder } from '../../src/raft/index.ts';
import { eventually, pause } from '../raft/node/node-bed.ts';
import { makeProofs, type Proofs } from './bed.ts';
import { type ClusterBed, clusterTest, served, TIMEOUT_MS } from './cluster-bed.ts';

let proofs: Proofs;
before(async () => {
  proofs = await makeProofs();
});
after(() => proofs.close());

const coded = (code: string) => (error: unknown) => (error as ZkraftError).code === code;

const withCluster = (name: string, body: (bed: ClusterBed) => Promise<void>): void =>
  clusterTest(name, () => proofs, body);

describe('a cluster of coordinators', () => {
  withCluster('comes together by itself, and any of its members names the leader', async (bed) => {
    const leader = await bed.leader();
    await bed.joined(leader, 'w1');
    for (const seat of bed.seats.values()) {
      if (seat === leader) continue;
      await assert.rejects(bed.worker(seat, 'w2').register(), (error: unknown) => {
        assert.ok(coded('not_leader')(error));
        const { leaderId, leaderGrpcAddress } = error as RemoteError;
        assert.deepEqual([leaderId, leaderGrpcAddress], [leader.name, `127.0.0.1:${leader.coordinator.grpcPort}`]);
        return true;
      });
      assert.equal(seat.coordinator.status().workers.total, 1, 'followers know the workers');
    }
  });

  withCluster('a proof begun under a leader that dies is accepted by the next, in the same attempt', async (bed) => {
    const first = await bed.leader();
    const worker = await bed.joined(first, 'w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.acknowledge(lease);
    worker.stopBeating();
    bed.network.isolate(first.name);
    const next = await bed.leader([first.name]);
    // It takes a worker a moment to find the next leader, who meanwhile must not give up on it.
    await pause(200);
    const back = bed.worker(next, 'w1');
    const { keep } = await served(() => back.register({ heldLeases: [lease] }));
    assert.deepEqual(keep, [lease], 'it is told to go on with it');
    await back.complete(lease, proofs.proof, proofs.signals);
    await eventually(() => row.status === 'completed');
    assert.equal(row.attempt, 1);
  });

  withCluster('one that stops hands over, and its workers are told where to go on', async (bed) => {
    const first = await bed.leader();
    const worker = await bed.joined(first, 'w1');
    await bed.stop(first.name);
    await worker.until(() => worker.streamEnd !== undefined);
    const { code, leaderGrpcAddress } = worker.streamEnd as RemoteError;
    const next = await bed.leader();
    assert.deepEqual([code, leaderGrpcAddress], ['not_leader', `127.0.0.1:${next.coordinator.grpcPort}`]);
  });

  withCluster('results that the last leader could not write are written by the next, once', async (bed) => {
    const first = await bed.leader();
    const worker = await bed.joined(first, 'w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await eventually(() => bed.seats.get(first.name)?.coordinator.status().outbox === 0);
    bed.store.away = true;
    await worker.complete(lease, proofs.proof, proofs.signals);
    assert.notEqual(row.status, 'completed');
    bed.network.isolate(first.name);
    const next = await bed.leader([first.name]);
    await eventually(() => next.coordinator.status().outbox === 1);
    bed.store.away = false;
    await eventually(() => row.status === 'completed');
    await eventually(() => next.coordinator.status().outbox === 0);
    assert.equal(row.history.filter((status) => status === 'completed').length, 1);
  });

  withCluster('one cut off from the others decides nothing, and what it hears of has no effect', async (bed) => {
    const first = await bed.leader();
    const worker = await bed.joined(first, 'w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.acknowledge(lease);
    await eventually(() => first.coordinator.status().outbox === 0);
    const { projections } = bed.store;
    const workersTold = async () => {
      const text = await (await fetch(`http://127.0.0.1:${first.coordinator.httpPort}/metrics`)).text();
      return /^coordinator_workers_total (\d+)$/m.exec(text)?.[1];
    };
    assert.equal(await workersTold(), '1');
    bed.network.isolate(first.name);
    const report = worker.complete(lease, proofs.proof, proofs.signals);
    await assert.rejects(report, (error: unknown) => {
      // Not "the lease is over", on which the worker would drop the proof.
      assert.ok(['outcome_unknown', 'not_leader', 'internal'].includes((error as ZkraftError).code), String(error));
      return true;
    });
    await assert.rejects(worker.heartbeat([lease]), coded('not_leader'));
    const next = await bed.leader([first.name]);
    const back = bed.worker(next, 'w1');
    await served(() => back.register({ heldLeases: [lease] }));
    assert.equal(bed.store.projections, projections, 'nothing was written by the one that was cut off');
    // Still to be written when the other hears of it.
    bed.store.readOnly = true;
    await back.complete(lease, proofs.proof, proofs.signals);
    bed.network.heal();
    await eventually(() => first.node.status().state === 'Follower');
    assert.equal(await workersTold(), '0', 'who leads no more tells of no workers');
    await eventually(() => first.node.status().appliedIndex === next.node.status().appliedIndex);
    bed.store.readOnly = false;
    await eventually(() => row.status === 'completed');
    assert.equal(row.history.filter((status) => status === 'completed').length, 1);
  });

  withCluster('one that returns catches up, from the log or from a snapshot', async (bed) => {
    const first = await bed.leader();
    const away = [...bed.seats.keys()].find((name) => name !== first.name) as string;
    await bed.stop(away);
    const worker = await bed.joined(first, 'w1', 16);
    for (let round = 0; round < 30; round += 1) {
      const row = bed.submit();
      await worker.until(() => worker.assignments.some(({ lease }) => lease?.taskId === row.id));
      const { lease } = worker.assignments.find((one) => one.lease?.taskId === row.id) ?? {};
      assert.ok(lease);
      await worker.complete(lease, proofs.proof, proofs.signals);
    }
    assert.ok(first.node.status().snapshotIndex > 60, 'what it lacks is not in the log any more');
    const back = await bed.run(away);
    await eventually(() => back.node.status().appliedIndex === first.node.status().appliedIndex);
    assert.ok(back.node.status().snapshotIndex > 0);
  });

  withCluster('one deposed while it still waits for the database leaves nothing behind that works on', async (bed) => {
    const first = await bed.leader();
    await bed.joined(first, 'w1');
    await eventually(() => first.coordinator.status().outbox === 0);
    // Whoever leads next is held up in its claim, and deposed in it.
    const release = bed.store.holdClaims();
    await first.node.transferLeadership();
    const held = await bed.leader([first.name]);
    await eventually(() => bed.store.claimsHeld === 1);
    await held.node.transferLeadership(first.name);
    release();
    await eventually(() => first.node.status().state === 'Leader');
    await pause(200);
    // It leads again, with a worker of which only this time it has heard.
    await first.node.transferLeadership(held.name);
    const again = await bed.leader([first.name]);
    const worker = bed.worker(again, 'w2');
    await served(() => worker.register({ slots: 2 }));
    await worker.join(2);
    await pause(900);
    assert.equal(worker.streamEnd, undefined, 'it is not taken for dead by a leader of the past');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.complete(lease, proofs.proof, proofs.signals);
    await eventually(() => row.status === 'completed');
  });

  withCluster(
    'two of three are lost for good: the third is recovered, and the database is its own from then on',
    async (bed) => {
      const first = await bed.leader();
      const worker = await bed.joined(first, 'w1');
      const row = bed.submit();
      const { lease } = await worker.assignment();
      await worker.acknowledge(lease);
      await eventually(() => row.status === 'assigned');
      const lost = bed.store.cluster?.clusterId;
      for (const name of ['c1', 'c2', 'c3']) await bed.stop(name);
      const recovered = await recoverFolder({ dir: bed.folder('c2'), consent: true });
      bed.forgetHistory();
      const alone = await bed.run('c2', { peers: [] });
      const back = bed.worker(alone, 'w1');
      const { keep } = await served(() => back.register({ heldLeases: [lease] }));
      assert.deepEqual(keep, [lease]);
      await back.complete(lease, proofs.proof, proofs.signals);
      await eventually(() => row.status === 'completed');
      assert.deepEqual([bed.store.cluster?.clusterId, bed.store.cluster?.epoch], [recovered.clusterId, 2]);
      assert.equal(recovered.oldClusterId, lost);
    },
  );

  withCluster('leases of a leader that goes are given a full period by the next', async (bed) => {
    const first = await bed.leader();
    const worker = await bed.joined(first, 'w1');
    const row = bed.submit();
    const { lease } = await worker.assignment();
    await worker.acknowledge(lease);
    worker.stopBeating();
    bed.network.isolate(first.name);
    const next = await bed.leader([first.name]);
    const ledMs = performance.now();
    await eventually(() => row.history.includes('pending'));
    assert.ok(performance.now() - ledMs > 600 - TIMEOUT_MS, 'not before a heartbeat timeout of the new leader');
    await eventually(() => next.coordinator.status().workers.total === 0);
  });
});
