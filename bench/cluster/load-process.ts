/** The process of clients and workers: the workers are the real agent, each with a prover that has all proofs ready. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ChannelCredentials } from '@grpc/grpc-js';
import { VERSION } from '../../src/common/index.ts';
import { createLogger } from '../../src/common/logging/index.ts';
import { type CircuitArtifacts, loadCircuit, openDirectoryArtifacts } from '../../src/prover/index.ts';
import { startWorker, type Worker } from '../../src/worker/index.ts';
import type { LoadAnswer, LoadOrder, LoadRequest } from './load.ts';
import { ReadyProver } from './ready-prover.ts';
import { Submitter } from './submitter.ts';

const order = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as LoadOrder;
const logger = createLogger({ level: 'error', format: 'console', output: 'stderr' });
const prover = new ReadyProver(order.statements, order.slots);
const submitter = new Submitter(order.gatewayUrl, order.statements, () => prover.answered);
const workers: Worker[] = [];
/** Once for all workers of this process: checking a key takes longer than a hundred tasks here. */
const circuits = new Map<string, Promise<CircuitArtifacts>>();

async function addWorker(n: number): Promise<void> {
  const { certFile, keyFile, caFile, name } = order.workers[n] ?? unknownWorker(n);
  const dir = join(order.dir, name);
  workers.push(
    await startWorker({
      id: name,
      coordinatorAddresses: order.coordinators,
      prover,
      concurrency: order.slots,
      artifacts: await openDirectoryArtifacts(join(order.dir, 'artifacts')),
      spoolDir: join(dir, 'spool'),
      credentials: ChannelCredentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile)),
      loadCircuit: (artifacts, pinned) => {
        const loading = circuits.get(pinned.digest) ?? loadCircuit(artifacts, pinned);
        circuits.set(pinned.digest, loading);
        return loading;
      },
      softwareVersion: VERSION,
      logger: logger.child({ worker_id: name }),
    }),
  );
}

const unknownWorker = (n: number): never => {
  throw new Error(`there is no certificate for worker ${n}`);
};

async function answer(request: LoadRequest): Promise<unknown> {
  switch (request.ask) {
    case 'workers':
      while (workers.length < request.count) await addWorker(workers.length);
      return workers.length;
    case 'submit':
      return await submitter.run(request.order);
    case 'progress':
      return { proved: prover.answered, pending: submitter.pending };
    case 'restart':
      submitter.restart();
      return true;
    case 'close':
      submitter.close();
      await Promise.all(workers.map((worker) => worker.close()));
      setImmediate(() => process.disconnect());
      return true;
  }
}

process.on('message', ({ id, request }: { id: number; request: LoadRequest }) => {
  answer(request).then(
    (value) => process.send?.({ id, value } satisfies LoadAnswer),
    (error: Error) => process.send?.({ id, error: error.message } satisfies LoadAnswer),
  );
});
// Whoever started this is gone.
process.on('disconnect', () => process.exit());
process.send?.({ id: 0 } satisfies LoadAnswer);
