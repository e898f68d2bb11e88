/**
 * The whole network in one process: a private PostgreSQL, a gateway, a coordinator, a worker.
 *
 * The parts are those of production and talk as they do there: SQL over a socket, gRPC and HTTP over loopback. Only
 * their configuration is chosen for the user. Everything is kept under `data.dir`.
 */
import { join, resolve } from 'node:path';
import { type Logger, makeFolder, ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { migrate, openStore, startPrivatePostgres } from '../store/index.ts';
import { launchCoordinator } from './coordinator.ts';
import { launchGateway } from './gateway.ts';
import { publishKeys } from './keys.ts';
import { createLightProver, createWorkerProver } from './provers.ts';
import { RunningGroup } from './running.ts';
import { launchWorker } from './worker.ts';

/** Ctrl-C must end all of it in seconds: what is still being proved is handed back and proved again at the next start. */
const CLOSE_LIMITS = { drainMs: 1_000, flushMs: 1_000 };

export interface DevOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Depths whose keys are made before the network is ready. */
  readonly depths: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, stage: string) => void;
}

export interface DevNetwork {
  readonly gatewayUrl: string;
  readonly coordinatorUrl: string;
  readonly coordinatorGrpc: string;
  readonly workerUrl: string;
  readonly dataDir: string;
  readonly databaseUrl: string;
  /** Rejects when a part can no longer do its work. */
  readonly done: Promise<void>;
  close(): Promise<void>;
}

export async function launchDev(options: DevOptions): Promise<DevNetwork> {
  const { config, logger, signal } = options;
  const dataDir = resolve(config.get('data.dir'));
  const group = new RunningGroup(logger);
  const step = (fraction: number, stage: string): void => {
    signal?.throwIfAborted();
    options.onProgress?.(fraction, stage);
  };
  try {
    await makeDataFolder(dataDir);
    step(0, 'starting PostgreSQL');
    const abortable = signal === undefined ? {} : { signal };
    const postgres = await startPrivatePostgres({ dir: join(dataDir, 'postgres'), logger, ...abortable });
    group.addClosable('postgres', () => postgres.stop());
    const postgresGone = postgres.exited.then((): never => {
      throw new ZkraftError('postgres_failed', `the private PostgreSQL in ${dataDir} ended by itself; start again`);
    });
    // Its end is expected once we stop it.
    postgresGone.catch(() => {});
    step(0.05, 'migrating the database');
    await migrate(postgres.connectionString, 'up');
    const store = await openStore({
      connectionString: postgres.connectionString,
      maxConnections: config.get('database.max_open_conns'),
      logger,
    });
    group.addClosable('store', () => store.close());

    await publishKeys({
      dir: join(dataDir, 'artifacts'),
      store,
      depths: options.depths,
      onProgress: (fraction, stage) => options.onProgress?.(0.1 + 0.75 * fraction, stage),
      ...abortable,
    });
    step(0.87, 'starting the prover');
    // Hashing for the gateway and verification for the coordinator are short; proofs get threads of their own.
    const light = await createLightProver(config);
    group.addClosable('light prover', () => light.close());
    const prover = await createWorkerProver(config, logger);
    group.addClosable('prover', () => prover.close());

    step(0.9, 'starting the coordinator');
    const coordinator = group.add(
      await launchCoordinator(config, {
        store,
        verifier: light,
        logger,
        log: { dir: join(dataDir, 'raft'), raftPort: 0 },
      }),
    );
    step(0.94, 'starting the gateway');
    const gateway = group.add(await launchGateway(config, { store, prover: light, logger }));
    step(0.97, 'starting the worker');
    const grpc = coordinator.addresses.grpc as string;
    const worker = group.add(
      await launchWorker(config, { prover, logger, coordinatorAddresses: [grpc], limits: CLOSE_LIMITS }),
    );
    step(1, 'ready');
    return {
      gatewayUrl: gateway.addresses.http as string,
      coordinatorUrl: coordinator.addresses.http as string,
      coordinatorGrpc: grpc,
      workerUrl: worker.addresses.http as string,
      dataDir,
      databaseUrl: postgres.connectionString,
      done: Promise.race([coordinator.done, worker.done, postgresGone].filter((done) => done !== undefined)),
      close: () => group.close(),
    };
  } catch (error) {
    await group.close();
    throw error;
  }
}

async function makeDataFolder(dir: string): Promise<void> {
  try {
    await makeFolder(dir, 0o700);
  } catch (cause) {
    throw new ZkraftError('config_invalid', `data.dir ${dir} cannot be made: ${(cause as Error).message}`, {
      field: 'data.dir',
      cause,
    });
  }
}
