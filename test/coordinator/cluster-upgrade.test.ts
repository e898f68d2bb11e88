/** A rolling upgrade: three coordinators are replaced one by one by those of the next release, which has a new command. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import type { ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import { Replica } from '../../src/coordinator/replica.ts';
import type { StateVersions } from '../../src/coordinator/state/index.ts';
import { eventually, pause } from '../raft/node/node-bed.ts';
import { makeProofs, type Proofs } from './bed.ts';
import { type ClusterBed, clusterTest, type Seat, served } from './cluster-bed.ts';

/** Of the next release. That a command came with it is said of one that no test here would propose otherwise. */
const NEXT: StateVersions = { understood: 2, since: (kind) => (kind === 'outbox_refilled' ? 2 : 1) };

let proofs: Proofs;
before(async () => {
  proofs = await makeProofs();
});
after(() => proofs.close());

const versions = (bed: ClusterBed): number[] =>
  [...bed.seats.values()].map(({ coordinator }) => coordinator.status().stateVersion);

/** Another program on the same folder. */
async function upgrade(bed: ClusterBed, name: string): Promise<Seat> {
  await bed.stop(name);
  const seat = await bed.run(name, { versions: NEXT });
  const leader = await bed.leader();
  await eventually(() => seat.node.status().appliedIndex === leader.node.status().appliedIndex);
  return seat;
}

/** What that leader says to the new command; its own replica is not for others, so this one only asks. */
const proposeNew = ({ node, coordinator }: Seat): Promise<unknown> => {
  const asking = new Replica({ log: node, now: Date.now, versions: NEXT, logger: silentLogger });
  asking.state.version = coordinator.status().stateVersion;
  return asking.propose({ kind: 'outbox_refilled' });
};

describe('a rolling upgrade', () => {
  clusterTest(
    'raises the version when the last one is upgraded, and not before',
    () => proofs,
    async (bed) => {
      const row = bed.submit();
      const worker = await bed.joined(await bed.leader(), 'w1');
      const { lease } = await worker.assignment();
      await worker.acknowledge(lease);
      for (const name of ['c3', 'c1']) {
        const seat = await upgrade(bed, name);
        assert.deepEqual(versions(bed), [1, 1, 1], `${name} is upgraded, and c2 is not`);
        const first = await bed.leader();
        if (first !== seat) await first.node.transferLeadership(name);
        await eventually(() => seat.node.status().state === 'Leader');
        await pause(150);
        assert.deepEqual(versions(bed), [1, 1, 1], `${name} leads, and c2 is not upgraded`);
        await assert.rejects(proposeNew(seat), (error: ZkraftError) => {
          assert.equal(error.code, 'upgrade_pending');
          assert.match(error.message, /outbox_refilled needs version 2 .* it is at 1.*list-peers/);
          return true;
        });
      }
      await upgrade(bed, 'c2');
      await eventually(() => versions(bed).every((version) => version === 2));
      await served(() =>
        proposeNew([...bed.seats.values()].find(({ node }) => node.status().state === 'Leader') as Seat),
      );
      // The task that was leased before the first was upgraded is completed after the last.
      const back = bed.worker(await bed.leader(), 'w1');
      await served(() => back.register({ heldLeases: [lease] }));
      await back.complete(lease, proofs.proof, proofs.signals);
      await eventually(() => row.status === 'completed');
      assert.equal(row.attempt, 1);
    },
  );

  clusterTest(
    'cannot be gone back from: the earlier program stops, and says why',
    () => proofs,
    async (bed) => {
      for (const name of ['c3', 'c1', 'c2']) await upgrade(bed, name);
      await eventually(() => versions(bed).every((version) => version === 2));
      const away = [...bed.seats.values()].find(({ node }) => node.status().state !== 'Leader') as Seat;
      await bed.stop(away.name);
      await assert.rejects(bed.run(away.name), (error: ZkraftError) => {
        assert.equal(error.code, 'upgrade_needed');
        assert.match(error.message, /version 2, and this program understands up to 1: run the later program/);
        return true;
      });
      bed.differences.splice(0);
      const back = await bed.run(away.name, { versions: NEXT });
      const leader = await bed.leader();
      await eventually(() => back.node.status().appliedIndex === leader.node.status().appliedIndex);
    },
  );

  clusterTest(
    'stops an earlier program that is running when the version is raised over it',
    () => proofs,
    async (bed) => {
      // As if it had been taken back to the earlier program just after it said that it understands the later one.
      const leader = await bed.leader();
      const [one] = [...bed.seats.values()].filter((seat) => seat !== leader);
      assert.ok(one);
      const raising = new Replica({ log: leader.node, now: Date.now, versions: NEXT, logger: silentLogger });
      await raising.propose({ kind: 'version_raised', to: 2 }).catch(() => {});
      await eventually(() => one.node.status().state === 'Shutdown');
      assert.match(
        bed.differences.join('\n'),
        new RegExp(`${one.name} ended: .*version 2, and this program understands`),
      );
      bed.differences.splice(0);
    },
  );
});
