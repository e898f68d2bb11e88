/** A set-up thread: one job at a time. Started by crew.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { ZkraftError } from '../../common/index.ts';
import { JobRunner } from './job-runner.ts';
import type { Answer, Job, Result, ThreadKernels } from './thread-jobs.ts';

const port = parentPort;
// What arrives meanwhile waits: the port is read once somebody listens.
const runner = await JobRunner.create(workerData as ThreadKernels);

/** The bytes' buffer, which is moved where it is not shared. */
function movable(result: Result): ArrayBuffer[] {
  return result instanceof Uint8Array && result.buffer instanceof ArrayBuffer ? [result.buffer] : [];
}

port?.on('message', async (job: Job) => {
  try {
    const result = await runner.run(job);
    port.postMessage({ result } satisfies Answer, movable(result));
  } catch (thrown) {
    port.postMessage({ error: ZkraftError.from(thrown).toJSON() } satisfies Answer);
  }
});
