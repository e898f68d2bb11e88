/** What a gateway needs to start, and the one combination that is refused. */
import type { TlsIdentity } from '../common/http/index.ts';
import { type Logger, ZkraftError } from '../common/index.ts';
import type { ArtifactStore } from '../prover/artifacts/types.ts';
import type { Prover } from '../prover/types.ts';
import type { StoreHealth, TaskStore } from '../store/types.ts';
import type { ApiKey, KeyLookup } from './authentication.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly tasks: TaskStore;
  readonly health: StoreHealth;
  readonly artifacts: ArtifactStore;
  /** Computes roots, in threads of its own. */
  readonly prover: Pick<Prover, 'merkleRoot'>;
  readonly logger: Logger;
  /** Depth of a task that names none, if its leaves fit. */
  readonly defaultDepth?: number;
  readonly leavesMax?: number;
  readonly bodyLimitBytes?: number;
  readonly rateLimit?: Partial<RateLimitOptions>;
  readonly cors?: Partial<CorsOptions>;
  /** Addresses or networks of the proxies whose X-Forwarded-For is believed. Empty: nobody's. */
  readonly trustProxy?: readonly string[];
  readonly readTimeoutMs?: number;
  readonly writeTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  /** Longest wait of a long-poll; a client that asks for more waits this long. */
  readonly longPollMaxMs?: number;
  readonly longPollsMax?: number;
  readonly longPollsPerClientMax?: number;
  readonly authentication: AuthenticationOptions;
  /** With it the gateway speaks HTTPS only. */
  readonly tls?: TlsIdentity;
  readonly metrics?: { readonly enabled: boolean; readonly path: string };
}

export interface RateLimitOptions {
  readonly enabled: boolean;
  readonly requestsPerSecond: number;
  readonly burst: number;
  /** Addresses or networks that are not limited. */
  readonly whitelist: readonly string[];
}

export interface CorsOptions {
  readonly enabled: boolean;
  /** Origins such as https://app.example; `*` for all. */
  readonly allowedOrigins: readonly string[];
  readonly allowedMethods: readonly string[];
  readonly allowedHeaders: readonly string[];
}

export type AuthenticationOptions =
  | { readonly mode: 'none' }
  | {
      readonly mode: 'keys';
      /** Of the settings. May be empty when there is a `lookup`. */
      readonly keys: readonly ApiKey[];
      /** Keys in the database. */
      readonly lookup?: KeyLookup;
    };

export const DEFAULTS = {
  defaultDepth: 8,
  leavesMax: 1_000,
  bodyLimitBytes: 5 * 1024 * 1024,
  rateLimit: { enabled: true, requestsPerSecond: 10, burst: 20, whitelist: [] },
  cors: {
    enabled: false,
    allowedOrigins: [],
    allowedMethods: ['GET', 'POST'],
    allowedHeaders: ['Content-Type', 'Authorization', 'Idempotency-Key', 'X-Request-ID'],
  },
  readTimeoutMs: 30_000,
  writeTimeoutMs: 30_000,
  idleTimeoutMs: 120_000,
  longPollMaxMs: 30_000,
  longPollsMax: 1_000,
  longPollsPerClientMax: 100,
  metrics: { enabled: true, path: '/metrics' },
} as const;

/** A name or address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** Throws `bind_unauthenticated` when others than this machine could reach a gateway that asks nobody who they are. */
export function checkBind(host: string, mode: AuthenticationOptions['mode']): void {
  if (mode !== 'none' || isLoopback(host)) return;
  throw new ZkraftError(
    'bind_unauthenticated',
    `server.host is ${host || 'empty'}, which other machines can reach, and auth.mode is none; ` +
      'set auth.mode to keys and make API keys (zkraft keys create), or set server.host to 127.0.0.1',
    { field: 'server.host' },
  );
}
