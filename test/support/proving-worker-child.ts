/**
 * A worker in a process of its own, with the real prover: `proving-worker-child.ts COORDINATOR ARTIFACTS_DIR MODE THREADS`.
 *
 * Started with an IPC channel, over which it is told `begin` and `end`. In between it measures how late the loop of its
 * main thread is, in which heartbeats are sent; at the end it says so and closes.
 */
import { silentLogger } from '../../src/common/logging/index.ts';
import { createProver, loadCircuit, openDirectoryArtifacts, type ProveMode } from '../../src/prover/index.ts';
import { startWorker } from '../../src/worker/index.ts';
import { type LoopDelay, measureLoopDelay } from './loop-delay.ts';

export interface Measured extends LoopDelay {
  /** Cores in use by the process, all threads, while measuring. */
  readonly cores: number;
}

const [coordinator = '', artifactsDir = '', mode = '', threads = ''] = process.argv.slice(2);
const artifacts = await openDirectoryArtifacts(artifactsDir);
await using prover = await createProver({ backend: 'wasm', threads: Number(threads), mode: mode as ProveMode });
for (const { circuitId } of await artifacts.circuits.list()) {
  await prover.warm(await loadCircuit(artifacts, circuitId));
}
const worker = await startWorker({
  id: 'w1',
  coordinatorAddresses: [coordinator],
  prover,
  artifacts,
  softwareVersion: '0.0.0',
  logger: silentLogger,
});
const told = (what: string): Promise<void> =>
  new Promise((resolve) => {
    process.on('message', (message) => {
      if (message === what) resolve();
    });
  });

await told('begin');
const measured = measureLoopDelay();
const [cpuBefore, beganAtMs] = [process.cpuUsage(), performance.now()];
await told('end');
const cpu = process.cpuUsage(cpuBefore);
const cores = (cpu.user + cpu.system) / 1e3 / (performance.now() - beganAtMs);
process.send?.({ ...measured(), cores } satisfies Measured);
await worker.close();
process.disconnect();
