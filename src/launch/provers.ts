/** Provers as the settings name them: one that makes proofs, one for what is short. */
import { join } from 'node:path';
import type { Logger } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { createProver, type Prover } from '../prover/index.ts';
import { readBudget } from '../worker/index.ts';

/** Its threads: as many as set, else what processors and memory allow. */
export function createWorkerProver(config: Config, logger: Logger): Promise<Prover> {
  const concurrency = config.get('worker.concurrency');
  return createProver({
    backend: config.get('zkp.backend'),
    kernel: config.get('zkp.kernel'),
    circuitsMax: config.get('zkp.compile_cache_size'),
    threads: concurrency > 0 ? concurrency : readBudget().concurrency,
    tableCacheDir: join(config.get('data.dir'), 'tables'),
    onTrouble: (message) => logger.warn(message),
  });
}

/** Roots for a gateway, verification for a coordinator. */
export function createLightProver(config: Config, threads = 1): Promise<Prover> {
  return createProver({ backend: config.get('zkp.backend'), kernel: config.get('zkp.kernel'), threads });
}
