/** What a coordinator under pressure must bear, and how the pressure is made. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease, RemoteError } from '../../src/common/rpc/index.ts';
import type { Cluster, HonestWorker } from './cluster.ts';

/** On a busy machine of two processors, which the attacker shares. */
const SERVED_MS = 10_000;
const HELD_UP_MS = 3_000;
const GROWTH_BYTES = 200 * 1024 * 1024;
/** Calls under way at the same time. */
export const AT_ONCE = 64;

/** Runs the attack, with tasks submitted and proved all along, and looks at the coordinator afterwards. */
export async function bears(cluster: Cluster, honest: HonestWorker, attack: () => Promise<void>): Promise<void> {
  const before = await cluster.victim.vitals();
  let over = false;
  const attacking = attack().finally(() => {
    over = true;
  });
  attacking.catch(() => {});
  const waits: number[] = [];
  do {
    const begun = performance.now();
    const row = await cluster.ended(await cluster.submit(), 2 * SERVED_MS);
    assert.deepEqual([row.status, row.workerId], ['completed', honest.wire.id]);
    waits.push(performance.now() - begun);
    await sleep(100);
  } while (!over);
  await attacking;
  const { rssBytes, heldUpMs } = await cluster.victim.vitals();
  assert.ok(Math.max(...waits) < SERVED_MS, `an honest task took ${Math.round(Math.max(...waits))} ms`);
  assert.ok(heldUpMs < HELD_UP_MS, `the event loop was held up for ${Math.round(heldUpMs)} ms`);
  assert.ok(rssBytes - before.rssBytes < GROWTH_BYTES, `it grew by ${(rssBytes - before.rssBytes) >> 20} MiB`);
  assert.equal((await cluster.http('/livez')).status, 200);
  assert.deepEqual(honest.refusals, []);
}

/** `count` calls, `AT_ONCE` at a time; how often each was answered with what. */
export async function flood(count: number, call: (n: number) => Promise<unknown>): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const code = await call(next++).then(
        () => 'ok',
        (error: RemoteError) => error.code,
      );
      answers[code] = (answers[code] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return answers;
}

/** A lease that the log never granted. */
export const madeUp = (n: number, workerId: string): Lease => ({
  taskId: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  workerId,
  attempt: 1,
  epoch: BigInt(n),
});
