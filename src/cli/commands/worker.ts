/** `zkraft worker`: an agent that proves. */
import { serviceCommand } from '../service-command.ts';

export const worker = serviceCommand({
  name: 'worker',
  describe: 'Runs a worker agent',
  sections: ['worker', 'zkp'],
  examples: [
    ['$0 worker --worker-coordinator-address 127.0.0.1:9090', 'Proves for that coordinator'],
    [
      'WORKER_TOKEN_FILE=/run/secrets/worker $0 worker --worker-concurrency 4',
      'Four proofs at a time, token from a file',
    ],
  ],
  start: async (config, group, logger) => {
    const { createWorkerProver, launchWorker } = await import('../../launch/index.ts');
    const prover = await createWorkerProver(config, logger);
    group.addClosable('prover', () => prover.close());
    return launchWorker(config, { prover, logger });
  },
});
