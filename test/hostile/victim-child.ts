/**
 * What is attacked, in a process of its own: `victim-child.ts OPTIONS`, with a channel to the test that started it.
 *
 * A coordinator or a gateway as its users run it, on a real PostgreSQL, but with times of a test. It tells its ports,
 * then on each message how large it is and how long its event loop was held up since the last one. It ends with the
 * test, however that ends.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { silentLogger } from '../../src/common/logging/index.ts';
import { type CoordinatorOptions, startCoordinator } from '../../src/coordinator/index.ts';
import { type GatewayOptions, startGateway } from '../../src/gateway/index.ts';
import { createProver, openDirectoryArtifacts } from '../../src/prover/index.ts';
import { openStore } from '../../src/store/index.ts';
import { folderLog } from '../support/alone-log.ts';
import type { VictimOptions } from './victim.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as VictimOptions;
const store = await openStore({ connectionString: options.connectionString });
const artifacts = await openDirectoryArtifacts(options.artifactsDir);
const prover = await createProver({ backend: 'snarkjs', threads: 1 });
const local = { host: '127.0.0.1', port: 0, logger: silentLogger };

async function startPart(): Promise<{ ports: Record<string, number>; close(): Promise<void> }> {
  if (options.role === 'gateway') {
    const { keyed = false, ...rest } = options.gateway ?? {};
    const given: GatewayOptions = {
      ...local,
      tasks: store,
      health: store,
      artifacts,
      prover,
      authentication: keyed ? { mode: 'keys', keys: [], lookup: store.keys } : { mode: 'none' },
      ...rest,
    };
    const gateway = await startGateway(given);
    return { ports: { http: gateway.port }, close: () => gateway.close() };
  }
  const given: CoordinatorOptions = {
    id: 'c1',
    store,
    artifacts,
    verifier: prover,
    openLog: folderLog(options.logDir ?? ''),
    grpcHost: '127.0.0.1',
    grpcPort: 0,
    httpHost: '127.0.0.1',
    httpPort: 0,
    logger: silentLogger,
    ...options.coordinator,
  };
  const coordinator = await startCoordinator(given);
  return { ports: { grpc: coordinator.grpcPort, http: coordinator.httpPort }, close: () => coordinator.close() };
}

const part = await startPart();
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();

process.on('message', () => {
  process.send?.({ rssBytes: process.memoryUsage.rss(), heldUpMs: delay.max / 1e6 });
  delay.reset();
});
process.on('disconnect', async () => {
  setTimeout(() => process.exit(1), 5_000).unref();
  await part.close();
  await prover.close();
  await store.close();
  process.exit(0);
});
process.send?.({ ports: part.ports });
