/** What a coordinator under pressure must bear, and how the pressure is made. */
import assert from 'node:assert/strict';
import type { Lease, RemoteError } from '../../src/common/rpc/index.ts';
import { bearsAttack } from './attack.ts';
import type { Cluster, HonestWorker } from './cluster.ts';

const ENDURANCE = { servedMs: 10_000, growthBytes: 200 * 1024 * 1024, pauseMs: 100 };
/** Calls under way at the same time. */
export const AT_ONCE = 64;

/** The attack, with tasks submitted and proved all along. */
export async function bears(cluster: Cluster, honest: HonestWorker, attack: () => Promise<void>): Promise<void> {
  const proved = async (): Promise<void> => {
    const row = await cluster.ended(await cluster.submit(), 2 * ENDURANCE.servedMs);
    assert.deepEqual([row.status, row.workerId], ['completed', honest.wire.id]);
  };
  await bearsAttack(cluster.victim, ENDURANCE, proved, attack);
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
