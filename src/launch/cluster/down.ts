/** Stops a cluster from outside, also one whose keeper was killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ZkraftError } from '../../common/index.ts';
import { isAlive, lastRecord, orphansOf, removeRecord } from './record.ts';

/** As long as its slowest process may take. */
const STOP_MS_MAX = 90_000;
const LOOK_MS = 50;

/** Resolves with how many processes were stopped. Rejects with `cluster_not_running`, `request_timeout`. */
export async function stopCluster(dir: string): Promise<number> {
  const record = lastRecord(dir);
  const orphans = record === undefined ? [] : orphansOf(record);
  const isKept = record !== undefined && isAlive(record.pid);
  if (record === undefined || (!isKept && orphans.length === 0)) {
    throw new ZkraftError('cluster_not_running', `no cluster runs from ${dir}`, { field: 'dir' });
  }
  const pids = isKept ? [record.pid] : orphans;
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  const endMs = performance.now() + STOP_MS_MAX;
  while (pids.some(isAlive)) {
    if (performance.now() > endMs) {
      throw new ZkraftError('request_timeout', `process ${pids.find(isAlive)} did not stop within ${STOP_MS_MAX} ms`);
    }
    await sleep(LOOK_MS);
  }
  removeRecord(dir);
  return isKept ? record.processes.length : orphans.length;
}
