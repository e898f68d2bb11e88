/** Starts a coordinator, with its replicated log, from settings. */
import type { TlsIdentity } from '../common/http/index.ts';
import { type Logger, refuseOpenBind, ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { startCoordinator } from '../coordinator/index.ts';
import type { Prover } from '../prover/index.ts';
import type { Store } from '../store/index.ts';
import { coordinatorLog, type LogPlace } from './coordinator-log.ts';
import type { Running } from './running.ts';
import { readCertificates, readTlsIdentity } from './tls.ts';

export async function launchCoordinator(
  config: Config,
  parts: { store: Store; verifier: Prover; logger: Logger; log?: LogPlace },
): Promise<Running> {
  const token = config.get('coordinator.worker_token');
  for (const key of ['coordinator.grpc_host', 'coordinator.http_host'] as const) {
    refuseOpenBind(config.get(key), key, token !== '', 'set coordinator.worker_token');
  }
  const advertised = config.get('coordinator.advertise_address');
  const grpcTls = grpcTlsOf(config);
  const { promise: done, reject: fail } = withRejection();
  const coordinator = await startCoordinator({
    id: config.get('coordinator.id'),
    store: parts.store,
    artifacts: parts.store.artifacts,
    verifier: parts.verifier,
    verifyWaitMs: config.ms('coordinator.verify_wait'),
    openLog: coordinatorLog(config, parts.log ?? { dir: config.get('coordinator.raft.raft_dir') }, fail),
    grpcHost: config.get('coordinator.grpc_host'),
    grpcPort: config.get('coordinator.grpc_port'),
    ...(advertised === '' ? {} : { advertisedGrpcAddress: advertised }),
    ...(grpcTls ? { grpcTls } : {}),
    httpHost: config.get('coordinator.http_host'),
    httpPort: config.get('coordinator.http_port'),
    pollIntervalMs: config.ms('coordinator.poll_interval'),
    heartbeatIntervalMs: config.ms('coordinator.heartbeat_interval'),
    heartbeatTimeoutMs: config.ms('coordinator.heartbeat_timeout'),
    staleTaskTimeoutMs: config.ms('coordinator.stale_task_timeout'),
    cleanupIntervalMs: config.ms('coordinator.cleanup_interval'),
    taskTimeoutMs: config.ms('coordinator.task_timeout'),
    maxAttempts: config.get('coordinator.max_attempts'),
    ...(token === '' ? {} : { workerToken: token }),
    adminToken: config.get('coordinator.admin_token'),
    minWorkerVersion: config.get('coordinator.min_worker_version'),
    reflection: config.get('coordinator.grpc_reflection'),
    metrics: { enabled: config.get('metrics.enabled'), path: config.get('metrics.path') },
    messageBytesMax: config.get('zkp.max_proof_size_mb') * 1024 * 1024,
    onFatal: fail,
    logger: parts.logger.child({ service: 'coordinator' }),
  });
  const { grpcPort, httpPort } = coordinator;
  return {
    name: 'coordinator',
    addresses: {
      grpc: `${config.get('coordinator.grpc_host')}:${grpcPort}`,
      http: `http://${config.get('coordinator.http_host')}:${httpPort}`,
    },
    done,
    close: () => coordinator.close(),
  };
}

/** A promise that rejects when it is told to, and never resolves. */
function withRejection(): { promise: Promise<void>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((_, fail) => {
    reject = fail;
  });
  // Whoever runs the part may not be listening yet.
  promise.catch(() => {});
  return { promise, reject };
}

function grpcTlsOf(config: Config): (TlsIdentity & { clientCa?: string }) | undefined {
  const identity = readTlsIdentity(config, 'coordinator.tls_cert_file', 'coordinator.tls_key_file');
  const clientCa = readCertificates(config, 'coordinator.tls_client_ca_file');
  if (identity === undefined && clientCa !== undefined) {
    throw new ZkraftError(
      'config_invalid',
      'coordinator.tls_client_ca_file is set, but coordinator.tls_cert_file is empty; workers show certificates over TLS only, so set that and coordinator.tls_key_file',
      { field: 'coordinator.tls_cert_file' },
    );
  }
  return identity && { ...identity, ...(clientCa === undefined ? {} : { clientCa }) };
}
