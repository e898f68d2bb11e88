/** Starts a worker agent from settings. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ChannelCredentials } from '@grpc/grpc-js';
import type { TlsIdentity } from '../common/http/index.ts';
import { type Logger, refuseOpenBind, VERSION, workerIdPrefix, ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { openDirectoryArtifacts, type Prover } from '../prover/index.ts';
import { startWorker } from '../worker/index.ts';
import type { Running } from './running.ts';
import { commonNameOf, readCertificates, readTlsIdentity } from './tls.ts';

export async function launchWorker(
  config: Config,
  parts: {
    prover: Prover;
    logger: Logger;
    coordinatorAddresses?: readonly string[];
    /** How long a close may take; the worker's own defaults suit a service. */
    limits?: { drainMs: number; flushMs: number };
  },
): Promise<Running> {
  const identity = readTlsIdentity(config, 'worker.tls_cert_file', 'worker.tls_key_file');
  const id = config.get('worker.id') || defaultWorkerId((identity && commonNameOf(identity.cert)) ?? hostname());
  refuseOpenBind(
    config.get('worker.http_host'),
    'worker.http_host',
    config.get('worker.token') !== '',
    'set worker.token',
  );
  const credentials = credentialsOf(config, identity);
  const dir = join(config.get('data.dir'), 'worker');
  const worker = await startWorker({
    id,
    coordinatorAddresses: [...(parts.coordinatorAddresses ?? config.get('worker.coordinator_address'))],
    concurrency: parts.prover.threads,
    prover: parts.prover,
    artifacts: await openDirectoryArtifacts(join(dir, 'artifacts')),
    spoolDir: join(dir, 'spool'),
    heartbeatIntervalMs: config.ms('worker.heartbeat_interval'),
    registerRetries: config.get('worker.register_retries'),
    taskTimeoutMs: config.ms('worker.task_timeout'),
    ...(config.get('worker.token') === '' ? {} : { workerToken: config.get('worker.token') }),
    ...(credentials ? { credentials } : {}),
    httpHost: config.get('worker.http_host'),
    httpPort: config.get('metrics.port'),
    metricsPath: config.get('metrics.path'),
    ...parts.limits,
    softwareVersion: VERSION,
    logger: parts.logger.child({ service: 'worker', worker_id: id }),
  });
  return { name: 'worker', addresses: { http: worker.httpUrl ?? '' }, done: worker.done, close: () => worker.close() };
}

/** TLS with the authority that the settings name; undefined: plain text. The coordinator's name is checked. */
/** How the settings of section `worker` say that a coordinator is reached; undefined: in plain text. */
export function coordinatorCredentials(config: Config): ChannelCredentials | undefined {
  return credentialsOf(config, readTlsIdentity(config, 'worker.tls_cert_file', 'worker.tls_key_file'));
}

function credentialsOf(config: Config, identity: TlsIdentity | undefined): ChannelCredentials | undefined {
  const ca = readCertificates(config, 'worker.tls_ca_file');
  if (ca === undefined) {
    if (identity === undefined) return undefined;
    throw new ZkraftError(
      'config_invalid',
      'worker.tls_cert_file is set, but worker.tls_ca_file is empty; name the authority that signed the coordinator, or leave all three out for plain text',
      { field: 'worker.tls_ca_file' },
    );
  }
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return ChannelCredentials.createSsl(Buffer.from(ca), pem(identity?.key), pem(identity?.cert));
}

/** The name of the certificate, else of the host, and a random suffix, so that two workers of one name differ. */
function defaultWorkerId(name: string): string {
  return `${workerIdPrefix(name) || 'worker'}-${randomBytes(4).toString('hex')}`;
}
