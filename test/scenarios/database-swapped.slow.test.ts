/**
 * PostgreSQL comes back with the data of another cluster: the coordinators refuse it, write nothing into it, keep their
 * results and the workers theirs, and go on by themselves once their own data is back.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate, openStore, removePrivatePostgres, startPrivatePostgres } from '../../src/store/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { assigned, sampleTask } from '../support/store-samples.ts';
import { settleAccounts } from './accounts.ts';
import { copyData } from './backups.ts';
import type { Health, Network } from './network.ts';
import { onNetwork } from './one-network.ts';
import { COORDINATORS } from './parts.ts';
import { makeRequests, TaskLoad } from './task-load.ts';
import { DEPTH, holdProofs, releaseProofs, tableDigests, until, workersWarm } from './waits.ts';

const TASKS = 24;
const SWAPPED_MS = 4_000;
const LOAD_LIMIT_MS = 300_000;

describe('a database that is swapped for that of another cluster', () => {
  it('is refused and left as it is, results are kept, and all goes on with the own one', async (t) => {
    const say = (line: string): void => t.diagnostic(line);
    const seen = await onNetwork({ say }, (network) => swap(network, say));
    assert.deepEqual(seen.ready, { status: 503, codes: ['foreign_cluster'] });
    assert.deepEqual(
      seen.foreignAfter,
      seen.foreignBefore,
      'something was written into the database of another cluster',
    );
    // The log keeps what was decided before it was found out, the workers what came after; no task may lack its proof.
    say(`the log kept ${seen.refusing.outbox} decisions`);
    assert.match(seen.faultsLogged.join('\n'), /must not lead with this database.*|foreign_cluster/);
    assert.ok(
      seen.faultsLogged.every((line) => line.includes('foreign_cluster')),
      seen.faultsLogged.join('\n'),
    );
    assert.deepEqual(seen.accounts.wrong, []);
    assert.equal(seen.accounts.verified, TASKS);
    assert.deepEqual(seen.droppedByWorkers, []);
    assert.deepEqual(seen.states.wrong, []);
  });
});

async function swap(network: Network, say: (line: string) => void) {
  const data = network.postgres.dataFolder;
  const [ours, theirs] = [`${data}.ours`, `${data}.theirs`];
  await makeForeign(network.dir, theirs);
  const random = new SeededRandom(3);
  const requests = makeRequests(random, TASKS, [DEPTH]);
  const signal = AbortSignal.timeout(LOAD_LIMIT_MS);
  const load = new TaskLoad({ requests, random, url: network.gatewayUrl, signal });
  const submitting = load.run();
  submitting.catch(() => {});
  load.letIn(TASKS / 4);
  await workersWarm(network);
  load.letIn(TASKS / 2);
  await holdProofs(network);
  await network.postgres.stop();
  renameSync(data, ours);
  renameSync(theirs, data);
  await network.postgres.start();
  const foreignBefore = await tableDigests(network);
  releaseProofs(network);
  const refusing = await until('the leader refuses the database', () => refusal(network));
  const ready = await readyOf(refusing.url);
  await sleep(SWAPPED_MS);
  const foreignAfter = await tableDigests(network);

  await network.postgres.stop();
  renameSync(data, theirs);
  renameSync(ours, data);
  await network.postgres.start();
  const backMs = performance.now();
  load.letIn(TASKS);
  await submitting;
  await until('all tasks have ended', async () => (await network.openTasks()) === 0);
  say(`${TASKS} tasks had ended ${Math.round(performance.now() - backMs)} ms after the own database was back`);
  const accounts = await settleAccounts(network, load.submissions);
  const workerLogs = (['worker-1', 'worker-2'] as const).flatMap((name) => network.log(name).split('\n'));
  const droppedByWorkers = workerLogs.filter((line) => line.includes('foreign_cluster') && /drop/i.test(line));
  return { refusing, ready, foreignBefore, foreignAfter, accounts, droppedByWorkers };
}

/** The data of a cluster that has a task of its own waiting, and one under a lease. */
async function makeForeign(dir: string, data: string): Promise<void> {
  const foreignDir = join(dir, 'foreign');
  const server = await startPrivatePostgres({ dir: foreignDir, durable: false });
  try {
    await migrate(server.connectionString, 'up');
    const store = await openStore({ connectionString: server.connectionString });
    const cluster = await store.claimCluster(randomUUID());
    await store.insert(sampleTask('waiting'));
    const { task } = await store.insert(sampleTask('leased'));
    await store.project(cluster, 0, 7, [assigned(task.id, 7)]);
    await store.close();
  } finally {
    await server.stop();
  }
  copyData(join(server.place, 'data'), data);
  await removePrivatePostgres(foreignDir);
}

async function refusal(network: Network): Promise<(Health & { readonly url: string }) | undefined> {
  for (const name of COORDINATORS) {
    const health = await network.healthOf(name);
    if (health?.problems?.some(({ code }) => code === 'foreign_cluster'))
      return { ...health, url: network.coordinatorUrl(name) };
  }
  return undefined;
}

async function readyOf(url: string): Promise<{ status: number; codes: string[] }> {
  const answer = await fetch(`${url}/ready`);
  const { problems } = (await answer.json()) as { problems: { code: string }[] };
  return { status: answer.status, codes: problems.map(({ code }) => code) };
}
