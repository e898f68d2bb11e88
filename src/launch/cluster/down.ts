/** Stops a cluster from outside, also one whose keeper was killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkraftError } from '../../common/index.ts';
import { isAlive, isKept, lastRecord, orphansOf, removeRecord } from './record.ts';

/** As long as its slowest process may take. */
const STOP_MS_MAX = 90_000;
const LOOK_MS = 50;

/** Resolves with how many processes were stopped. Rejects with `cluster_not_running`, `request_timeout`. */
export async function stopCluster(dir: string): Promise<number> {
  const record = lastRecord(dir);
  const endMs = performance.now() + STOP_MS_MAX;
  let count = 0;
  if (record !== undefined && isKept(record)) {
    count = record.processes.filter(({ pid }) => pid !== undefined).length;
    await stopAll([record.pid], endMs);
  }
  // What its keeper left behind, or could not stop.
  const last = lastRecord(dir) ?? record;
  const orphans = last === undefined ? [] : orphansOf(last);
  await stopAll(orphans, endMs);
  if (count + orphans.length === 0) {
    throw new ZkraftError('cluster_not_running', `no cluster runs from ${dir}`, { field: 'dir' });
  }
  removeRecord(dir);
  return Math.max(count, orphans.length);
}

async function stopAll(pids: readonly number[], endMs: number): Promise<void> {
  for (const pid of pids) ask(pid);
  while (pids.some(isAlive)) {
    if (performance.now() > endMs) {
      throw new ZkraftError('request_timeout', `process ${pids.find(isAlive)} did not stop within ${STOP_MS_MAX} ms`);
    }
    await sleep(LOOK_MS);
  }
}

function ask(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
    throw new ZkraftError('cluster_failed', `process ${pid} cannot be stopped: ${(error as Error).message}`);
  }
}
