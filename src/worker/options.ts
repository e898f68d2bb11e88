/** What a worker is told when it is started, and the limits it keeps whatever it is told. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../common/index.ts';
import type { ArtifactStore, PinnedCircuit } from '../prover/artifacts/types.ts';
import type { CircuitArtifacts, Prover } from '../prover/types.ts';
import type { BackoffOptions } from './backoff.ts';
import type { Clock } from './clock.ts';

export type LoadCircuit = (artifacts: ArtifactStore, circuit: PinnedCircuit) => Promise<CircuitArtifacts>;

export interface WorkerOptions {
  /** 1 to 128 of [A-Za-z0-9._-]; one process at a time may use it. */
  readonly id: string;
  /** host:port, at least one; the leader is found among them, or through them. */
  readonly coordinatorAddresses: readonly string[];
  /** Not closed by the worker. */
  readonly prover: Prover;
  /** The local cache of circuits. */
  readonly artifacts: ArtifactStore;
  /** Reads a circuit that is whole in the cache, and checks its keys. Default: the prover's. */
  readonly loadCircuit?: LoadCircuit;
  readonly softwareVersion: string;
  readonly logger: Logger;
  /** Proofs made at the same time. Default: the prover's threads, or fewer where memory allows fewer. */
  readonly concurrency?: number;
  /** Where finished proofs outlive the process until acknowledged. Without it they are kept in memory only. */
  readonly spoolDir?: string;
  /** Until the coordinator says otherwise. Default 5 s. */
  readonly heartbeatIntervalMs?: number;
  /** Give up after so many failed registrations in a row; 0, the default: never. */
  readonly registerRetries?: number;
  /** The most that one attempt may take here; the coordinator's limit counts too. Default 5 min. */
  readonly taskTimeoutMs?: number;
  readonly workerToken?: string;
  /** Default: plain text. */
  readonly credentials?: ChannelCredentials;
  /** With a port, /livez, /health, /ready and the metrics are served. */
  readonly httpHost?: string;
  readonly httpPort?: number;
  readonly metricsPath?: string;
  /** Shown to operators. Default: the machine's name. */
  readonly hostName?: string;
  /** How long `close` lets running proofs go on, then how long it waits for reports to be answered. */
  readonly drainMs?: number;
  readonly flushMs?: number;
  /** Tasks held beyond those running. */
  readonly queueMax?: number;
  readonly backoff?: BackoffOptions;
  readonly clock?: Clock;
  /** In [0, 1). */
  readonly random?: () => number;
}

export const DEFAULTS = {
  heartbeatIntervalMs: 5_000,
  taskTimeoutMs: 5 * 60_000,
  drainMs: 20_000,
  flushMs: 5_000,
  queueMax: 64,
  /** A failover takes 3 to 5 s; at the cap a worker is back within one of them. */
  backoff: { initialMs: 100, capMs: 5_000 },
} as const;

const WORKER_ID = /^[A-Za-z0-9._-]{1,128}$/;
const ADDRESS = /^(?:\[[0-9a-fA-F:]+\]|[^\s:/[\]]+):\d{1,5}$/;

/** Throws `invalid_worker_id` or `config_invalid` naming the setting. */
export function checkOptions(options: WorkerOptions): void {
  if (!WORKER_ID.test(options.id)) {
    throw new ZkraftError('invalid_worker_id', 'worker.id must be 1 to 128 of letters, digits, dot, _ and -', {
      field: 'worker.id',
    });
  }
  const wrong = options.coordinatorAddresses.find((address) => !ADDRESS.test(address));
  if (wrong !== undefined || options.coordinatorAddresses.length === 0) {
    throw new ZkraftError(
      'config_invalid',
      `worker.coordinator_address ${wrong === undefined ? 'is empty' : `"${wrong}" is no address`}; write host:port`,
      { field: 'worker.coordinator_address' },
    );
  }
  const { concurrency = 1 } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 256) {
    throw new ZkraftError('config_invalid', `worker.concurrency is ${concurrency}; it must be 1 to 256`, {
      field: 'worker.concurrency',
    });
  }
}
