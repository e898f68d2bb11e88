/**
 * PostgreSQL is away for a while under load: what is proved meanwhile is kept and written when it is back, submits are told
 * to try again, and afterwards all is as if nothing had been. With ZKRAFT_FULL=1 it is away for a minute.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../support/seeded-random.ts';
import { settleAccounts } from './accounts.ts';
import type { Network } from './network.ts';
import { onNetwork } from './one-network.ts';
import { COORDINATORS } from './parts.ts';
import { makeRequests, TaskLoad } from './task-load.ts';
import {
  acceptedProofs,
  DEPTH,
  holdProofs,
  releaseProofs,
  submitOnce,
  until,
  type Wait,
  workersWarm,
} from './waits.ts';

const AWAY_MS = process.env.ZKRAFT_FULL === '1' ? 60_000 : 8_000;
const TASKS = 24;
const ANSWER_LIMIT_MS = 2_000;
const SERVED_WITHIN_MS = 10_000;
const ASK_EACH_MS = 250;

describe('a database that is away', () => {
  it('costs no result: what was proved meanwhile is written afterwards, and submits are told to try again', async (t) => {
    const say = (line: string): void => t.diagnostic(line);
    const seen = await onNetwork({ say }, (network) => takeAway(network, say));
    assert.deepEqual(
      seen.asked.filter(({ status, retryAfter }) => status !== 503 || retryAfter === null),
      [],
      'a submit was not answered with 503 and Retry-After',
    );
    assert.ok(seen.asked.length >= AWAY_MS / 1_000, `only ${seen.asked.length} submits were answered`);
    const longestMs = Math.round(Math.max(...seen.asked.map(({ tookMs }) => tookMs)));
    assert.ok(longestMs <= ANSWER_LIMIT_MS, `a submit was answered after ${longestMs} ms`);
    assert.ok(seen.outboxMost > 0, 'nothing waited for the database');
    assert.ok(seen.servedAfterMs <= SERVED_WITHIN_MS, `results were written ${seen.servedAfterMs} ms after its return`);
    assert.deepEqual(seen.accounts.wrong, []);
    assert.equal(seen.accounts.verified, TASKS);
    assert.deepEqual(seen.states.wrong, []);
    assert.deepEqual(seen.faultsLogged, []);
    say(
      `away for ${AWAY_MS / 1_000} s: ${seen.asked.length} submits were told to try again, in ${longestMs} ms at most`,
    );
    say(
      `${seen.provedMeanwhile.length} proofs were accepted meanwhile, and were rows ${seen.servedAfterMs} ms after its return`,
    );
    say(`${seen.accounts.completed} tasks completed, ${seen.accounts.verified} proofs verified`);
  });
});

async function takeAway(network: Network, say: (line: string) => void) {
  const random = new SeededRandom(1);
  const requests = makeRequests(random, TASKS, [DEPTH]);
  const load = new TaskLoad({
    requests,
    random,
    url: network.gatewayUrl,
    signal: AbortSignal.timeout(AWAY_MS + 300_000),
  });
  const submitting = load.run();
  submitting.catch(() => {});
  load.letIn(TASKS / 4);
  await workersWarm(network);
  load.letIn(TASKS / 2);
  await holdProofs(network);
  await network.part('postgres').stop();
  const stoppedAt = Date.now();
  load.letIn(TASKS);
  releaseProofs(network);
  say('PostgreSQL is stopped');
  const { asked, outboxMost } = await askMeanwhile(network, AWAY_MS);
  const provedMeanwhile = acceptedProofs(network, stoppedAt);
  assert.ok(provedMeanwhile.length > 0, 'no proof was accepted while the database was away');
  await network.part('postgres').start();
  const backMs = performance.now();
  const written = `SELECT id FROM tasks WHERE id = ANY($1::uuid[]) AND status = 'completed'`;
  await until('what was proved meanwhile is in the database', async () => {
    const rows = await network.query(written, [provedMeanwhile]).catch(() => []);
    return rows.length === provedMeanwhile.length;
  });
  const servedAfterMs = Math.round(performance.now() - backMs);
  await submitting;
  await until('all tasks have ended', async () => (await network.openTasks()) === 0);
  const accounts = await settleAccounts(network, load.submissions);
  return { asked, outboxMost, provedMeanwhile, servedAfterMs, accounts };
}

async function askMeanwhile(network: Network, forMs: number): Promise<{ asked: Wait[]; outboxMost: number }> {
  const endMs = performance.now() + forMs;
  const asked: Wait[] = [];
  let outboxMost = 0;
  while (performance.now() < endMs) {
    asked.push(await submitOnce(network));
    const healths = await Promise.all(COORDINATORS.map((name) => network.healthOf(name)));
    outboxMost = Math.max(outboxMost, ...healths.map((health) => health?.outbox ?? 0));
    await sleep(ASK_EACH_MS);
  }
  return { asked, outboxMost };
}
