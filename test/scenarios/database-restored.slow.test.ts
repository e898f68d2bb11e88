/**
 * PostgreSQL's data is replaced by a backup from before some tasks were completed, and before others were there at all.
 *
 * What the backup has is done again, until it is as it was answered; what it does not have is gone, leaves and all, and
 * its clients are told so: the same request makes it a task again.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type Client, createClient } from '../../src/client/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { verifyProofs } from './accounts.ts';
import { copyData } from './backups.ts';
import type { Network } from './network.ts';
import { onNetwork } from './one-network.ts';
import { COORDINATORS } from './parts.ts';
import { makeRequests, type Request, type Submission } from './task-load.ts';
import { DEPTH, holdProofs, releaseProofs, request, until } from './waits.ts';

const TASK_LIMIT_MS = 60_000;

describe('a database restored from a backup', () => {
  it('has again what was answered as completed, and says of what it lost that it is not there', async (t) => {
    const say = (line: string): void => t.diagnostic(line);
    const seen = await onNetwork({ say }, (network) => restore(network, say));
    assert.ok(seen.openInBackup >= 1, 'the backup was to be taken while proofs were under way');
    assert.ok(seen.lastStatuses.every((status) => status === 'completed'));
    assert.deepEqual(seen.keptRows, seen.keptRowsBefore, 'what was completed in the backup changed');
    assert.deepEqual(seen.lostStatuses, [404, 404]);
    assert.deepEqual(seen.proofs, { verified: seen.asked, wrong: [] });
    assert.match(seen.logs, /the database is older than the log/);
    assert.deepEqual(seen.states.wrong, []);
    assert.deepEqual(seen.faultsLogged, []);
  });
});

async function restore(network: Network, say: (line: string) => void) {
  const client = createClient({ url: network.gatewayUrl, retry: { retriesMax: 100, initialMs: 100, capMs: 1_000 } });
  const requests = makeRequests(new SeededRandom(2), 12, [DEPTH]);
  const [kept, open, lost, later] = [
    requests.slice(0, 3),
    requests.slice(3, 8),
    requests.slice(8, 10),
    requests.slice(10),
  ];
  const keptTasks = await submitted(client, kept);
  await completed(client, keptTasks);
  const keptRowsBefore = await rowsOf(network, keptTasks);
  const openTasks = await submitted(client, open);
  await holdProofs(network);
  const data = network.postgres.dataFolder;
  const backup = `${data}.backup`;
  await network.postgres.stop();
  copyData(data, backup);
  await network.postgres.start();
  releaseProofs(network);
  await completed(client, openTasks);
  const lostTasks = await submitted(client, lost);
  await completed(client, lostTasks);
  say(
    `${keptTasks.length + openTasks.length + lostTasks.length} tasks were answered as completed; restoring the backup`,
  );

  await network.postgres.stop();
  rmSync(data, { recursive: true });
  copyData(backup, data);
  await network.postgres.start();
  const backMs = performance.now();
  const openInBackup = await network.openTasks();
  await until('what the backup shows as open is completed again', async () => (await network.openTasks()) === 0);
  say(
    `${openInBackup} tasks were open in the backup, completed again after ${Math.round(performance.now() - backMs)} ms`,
  );
  const again = await Promise.all([...keptTasks, ...openTasks].map(({ taskId }) => client.getTask(taskId)));
  const keptRows = await rowsOf(network, keptTasks);
  const lostStatuses = await Promise.all(
    lostTasks.map(async ({ taskId }) => (await request(`${network.gatewayUrl}/api/v1/tasks/${taskId}`)).status),
  );
  const anew = [...(await submitted(client, lost)), ...(await submitted(client, later))];
  await completed(client, anew);
  const submissions = [...keptTasks, ...openTasks, ...anew];
  return {
    openInBackup,
    lastStatuses: again.map(({ status }) => status),
    keptRowsBefore,
    keptRows,
    lostStatuses,
    proofs: await verifyProofs(network.gatewayUrl, submissions),
    asked: submissions.length,
    logs: COORDINATORS.map((name) => network.log(name)).join(''),
  };
}

interface Submitted extends Submission {
  readonly taskId: string;
}

async function submitted(client: Client, requests: readonly Request[]): Promise<Submitted[]> {
  const all: Submitted[] = [];
  for (const asked of requests) {
    const { taskId } = await client.submitMerkleTask(asked);
    all.push({ request: asked, taskId, taskIds: new Set([taskId]) });
  }
  return all;
}

async function completed(client: Client, tasks: readonly Submitted[]): Promise<void> {
  for (const { taskId } of tasks) {
    const { status, error } = await client.waitForTask(taskId, { timeoutMs: TASK_LIMIT_MS });
    assert.equal(status, 'completed', error);
  }
}

const rowsOf = (network: Network, tasks: readonly Submitted[]): Promise<object[]> =>
  network.query('SELECT tasks::text FROM tasks WHERE id = ANY($1::uuid[]) ORDER BY id', [
    tasks.map(({ taskId }) => taskId),
  ]);
