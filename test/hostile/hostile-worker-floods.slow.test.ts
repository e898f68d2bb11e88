/** The floods of hostile-worker-floods.test.ts at full size. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, type HonestWorker, newKey, startCluster } from './cluster.ts';
import { AT_ONCE, bears, flood, madeUp } from './pressure.ts';

const WORKERS_MAX = 10_000;

let cluster: Cluster;
let honest: HonestWorker;
before(async () => {
  // So that none of so many is counted out while the others register.
  cluster = await startCluster({ heartbeatTimeoutMs: 600_000 });
  honest = await cluster.honest('honest');
});
after(async () => {
  honest?.stop();
  await cluster?.close();
});

describe('a hostile worker floods the coordinator with', () => {
  it('10,000 heartbeats, starts, failures and completions of tasks that there are not: each is answered', async () => {
    const flooder = cluster.worker('flooder', newKey());
    await flooder.register();
    const { proof, signals } = cluster.proofs.login;
    await bears(cluster, honest, async () => {
      const answers = await flood(10_000, async (n) => {
        const lease = madeUp(n, 'flooder');
        if (n % 4 === 0) return await flooder.heartbeat();
        if (n % 4 === 1) return await flooder.start(lease);
        if (n % 4 === 2) return await flooder.fail(lease, 'wrong_path');
        return await flooder.complete(lease, proof, signals);
      });
      assert.deepEqual(answers, { ok: 2_500, stale_lease: 7_500 });
    });
    flooder.vanish();
  });

  it('registrations under 10,500 names: 10,000 workers are taken, the rest told to come later', async () => {
    const guest = cluster.worker('guest', newKey());
    const { total } = (JSON.parse((await cluster.http('/health')).text) as { workers: { total: number } }).workers;
    await bears(cluster, honest, async () => {
      const answers = await flood(10_500, async (n) => await guest.register({ workerId: `guest-${n}` }));
      // Those that are decided at the same time do not see each other.
      const over = (answers.ok ?? 0) - (WORKERS_MAX - total);
      assert.ok(over >= 0 && over <= AT_ONCE, `${answers.ok} were taken beside ${total}`);
      assert.deepEqual(Object.keys(answers).sort(), ['ok', 'overloaded']);
    });
    guest.vanish();
  });
});
