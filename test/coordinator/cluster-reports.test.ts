/** A worker as it is, with a prover, and three coordinators: what it finishes while nobody leads is not lost. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { silentLogger } from '../../src/common/logging/index.ts';
import type { Prover } from '../../src/prover/types.ts';
import { startWorker, type Worker } from '../../src/worker/index.ts';
import { eventually, pause } from '../raft/node/node-bed.ts';
import { gate, memoryArtifacts } from '../support/worker-fixtures.ts';
import { makeProofs, type Proofs } from './bed.ts';
import { type ClusterBed, clusterTest, TIMEOUT_MS } from './cluster-bed.ts';

/** Of one try of a report, as far as back-off goes. */
const BACKOFF_MS = 40;
/** Longer than an election, and than the heartbeat timeout after which a worker is counted out. */
const LEADERLESS_MS = 6 * TIMEOUT_MS;

let proofs: Proofs;
before(async () => {
  proofs = await makeProofs();
});
after(() => proofs.close());

/** Knows all coordinators; hands a proof in once the gate is open. */
function worker(bed: ClusterBed, wait: () => Promise<void>): Promise<Worker> {
  const prover: Prover = new Proxy(proofs.verifier, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key === 'close') return async () => {};
      return key === 'proveMerkle'
        ? async (...args: Parameters<Prover['proveMerkle']>) => {
            const result = await target.proveMerkle(...args);
            await wait();
            return result;
          }
        : value.bind(target);
    },
  });
  return startWorker({
    id: 'w1',
    coordinatorAddresses: [...bed.seats.values()].map(({ coordinator }) => `127.0.0.1:${coordinator.grpcPort}`),
    prover,
    artifacts: memoryArtifacts(),
    softwareVersion: '0.0.0',
    backoff: { initialMs: 5, capMs: BACKOFF_MS },
    drainMs: 1_000,
    flushMs: 1_000,
    logger: silentLogger,
  });
}

describe('a proof that is finished while nobody leads', () => {
  clusterTest(
    'outlasts the failover: the next leader takes it, in the same attempt',
    () => proofs,
    async (bed) => {
      const finished = gate();
      const proving = await worker(bed, () => finished.wait());
      try {
        const row = bed.submit();
        await eventually(() => row.status === 'in_progress');
        for (const name of bed.seats.keys()) bed.network.isolate(name);
        await eventually(() => [...bed.seats.values()].every(({ node }) => node.status().state !== 'Leader'));
        finished.open();
        await pause(LEADERLESS_MS);
        assert.equal(row.status, 'in_progress', 'nobody could take it');
        bed.network.heal();
        await eventually(() => row.status === 'completed');
        assert.equal(row.attempt, 1);
        assert.equal(row.history.filter((status) => status === 'completed').length, 1);
      } finally {
        finished.open();
        await proving.abort();
      }
    },
  );
});
