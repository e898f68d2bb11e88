/**
 * 7. The log grows and is compacted, and a follower that was away for longer than the log reaches back is sent a snapshot:
 * it has the state of the others, and leads with it.
 *
 * The log keeps 10,240 entries behind a snapshot. So many tasks would take minutes, so most entries are an operator's:
 * the same name quarantined again and again.
 */
import assert from 'node:assert/strict';
import { snapshotInfo } from '../../src/cli/raft-calls.ts';
import type { Scenario, Stage } from './stage.ts';

const TRAILING = 10_240;
const CALLS_AT_ONCE = 128;
const ROUNDS = { smoke: 1, full: 4 };
const NOBODY = 'never-registered';

async function run(stage: Stage): Promise<void> {
  for (let round = 0; round < stage.times(ROUNDS.smoke, ROUNDS.full); round += 1) await growPastOneThatIsAway(stage);
}

async function growPastOneThatIsAway(stage: Stage): Promise<void> {
  const leader = await stage.leader();
  const [away] = await stage.followers();
  assert.ok(away);
  await stage.network.part(away).stop();
  const left = (await stage.health(leader))?.raft.applied_index ?? 0;
  const ids = await stage.submitMany(6);
  const begunMs = performance.now();
  await grow(stage, left + TRAILING + 400);
  const grownMs = performance.now() - begunMs;
  await stage.completed(ids);

  const snapshots = await stage.until('the log is cut behind a snapshot', async () => {
    const found = await snapshotInfo(stage.raftTarget(leader));
    const oldest = Math.min(...found.map(({ index }) => Number(index)));
    return oldest > left && found;
  });
  assert.ok(snapshots.length <= 2, 'old snapshots go');

  await stage.network.part(away).start();
  await stage.well();
  const received = await stage.metric(away, 'raft_transport_snapshot_received_bytes_total');
  assert.ok(received > 0, 'it was sent a snapshot');
  // What it was sent is the state: the workers, and the record of the one that is kept out.
  await stage.transferLeadership(away);
  await stage.completed(await stage.submitMany(4));
  const door = stage.admin(away);
  const known = await door.workers();
  assert.deepEqual(
    known.map(({ workerId, quarantined }) => [workerId, quarantined]),
    [
      [NOBODY, true],
      ['worker-1', false],
      ['worker-2', false],
    ],
  );
  await door.release(NOBODY);
  door.close();
  stage.say(`${TRAILING + 400} entries in ${Math.round(grownMs)} ms, then a snapshot of ${received} bytes`);
}

/** Until the leader's log ends beyond `index`. */
async function grow(stage: Stage, index: number): Promise<void> {
  const leader = await stage.leader();
  const door = stage.admin(leader);
  const applied = async (): Promise<number> => (await stage.health(leader))?.raft.applied_index ?? 0;
  let missing = index - (await applied());
  while (missing > 0) {
    stage.abort.signal.throwIfAborted();
    const callers = Array.from({ length: CALLS_AT_ONCE }, async () => {
      for (; missing > 0; missing -= 1) await door.quarantine(NOBODY);
    });
    await Promise.all(callers);
    missing = index - (await applied());
  }
  door.close();
}

export const logCompacted: Scenario = { name: '7 the log grows and is compacted', run };
