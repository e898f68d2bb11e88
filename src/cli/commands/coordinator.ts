/** `zkraft coordinator`: leases tasks to workers and verifies what they prove. */
import { serviceCommand } from '../service-command.ts';

export const coordinator = serviceCommand({
  name: 'coordinator',
  describe: 'Runs a coordinator',
  sections: ['coordinator', 'database', 'zkp'],
  examples: [['DATABASE_URL=postgres://... $0 coordinator --coordinator-raft-raft-dir ./raft', 'A coordinator of one']],
  start: async (config, group, logger) => {
    const { createLightProver, launchCoordinator, openConfiguredStore } = await import('../../launch/index.ts');
    const store = await openConfiguredStore(config, logger);
    group.addClosable('store', () => store.close());
    const verifier = await createLightProver(config, config.get('coordinator.verify_threads'));
    group.addClosable('verifier', () => verifier.close());
    return launchCoordinator(config, { store, verifier, logger });
  },
});
