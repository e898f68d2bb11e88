/** `zkraft gateway`: the HTTP face, over a PostgreSQL that exists. */
import { serviceCommand } from '../service-command.ts';

export const gateway = serviceCommand({
  name: 'gateway',
  describe: 'Runs the HTTP gateway',
  sections: ['server', 'auth', 'database', 'rate_limit', 'cors', 'zkp'],
  examples: [['DATABASE_URL=postgres://... $0 gateway --server-port 8080', 'A gateway over that database']],
  start: async (config, group, logger) => {
    const { createLightProver, launchGateway, openConfiguredStore } = await import('../../launch/index.ts');
    const store = await openConfiguredStore(config, logger);
    group.addClosable('store', () => store.close());
    const prover = await createLightProver(config);
    group.addClosable('prover', () => prover.close());
    return launchGateway(config, { store, prover, logger });
  },
});
