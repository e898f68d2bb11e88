/** Starts a gateway from settings. */
import type { Logger } from '../common/index.ts';
import { ZkraftError } from '../common/index.ts';
import type { Config } from '../config/index.ts';
import { type GatewayOptions, startGateway } from '../gateway/index.ts';
import type { Prover } from '../prover/index.ts';
import type { Store } from '../store/index.ts';
import type { Running } from './running.ts';
import { readTlsIdentity } from './tls.ts';

export async function launchGateway(
  config: Config,
  parts: { store: Store; prover: Prover; logger: Logger },
): Promise<Running> {
  const tls = readTlsIdentity(config, 'server.tls_cert_file', 'server.tls_key_file');
  const gateway = await startGateway({
    host: config.get('server.host'),
    port: config.get('server.port'),
    ...(tls ? { tls } : {}),
    tasks: parts.store,
    health: parts.store,
    artifacts: parts.store.artifacts,
    prover: parts.prover,
    defaultDepth: config.get('zkp.merkle_tree_depth'),
    bodyLimitBytes: config.get('server.body_limit_bytes'),
    rateLimit: {
      enabled: config.get('rate_limit.enabled'),
      requestsPerSecond: config.get('rate_limit.requests_per_second'),
      burst: config.get('rate_limit.burst'),
      whitelist: config.get('rate_limit.whitelist'),
    },
    cors: {
      enabled: config.get('cors.enabled'),
      allowedOrigins: config.get('cors.allowed_origins'),
      allowedMethods: config.get('cors.allowed_methods'),
      allowedHeaders: config.get('cors.allowed_headers'),
    },
    trustProxy: config.get('server.trust_proxy'),
    readTimeoutMs: config.ms('server.read_timeout'),
    writeTimeoutMs: config.ms('server.write_timeout'),
    idleTimeoutMs: config.ms('server.idle_timeout'),
    longPollMaxMs: config.ms('server.long_poll_max'),
    longPollsMax: config.get('server.long_polls_max'),
    authentication: authenticationOf(config, parts.store),
    metrics: { enabled: config.get('metrics.enabled'), path: config.get('metrics.path') },
    logger: parts.logger.child({ service: 'gateway' }),
  });
  return { name: 'gateway', addresses: { http: gateway.url }, close: () => gateway.close() };
}

/** What `printf %s "$API_KEY" | sha256sum` says while API_KEY is not set. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const KEY_ENTRY = /^([A-Za-z0-9._-]{1,64}):([0-9a-fA-F]{64})$/;

/** Keys of the settings, which may be none, and those of the database. */
function authenticationOf(config: Config, store: Store): GatewayOptions['authentication'] {
  if (config.get('auth.mode') === 'none') return { mode: 'none' };
  const keys = config.get('auth.keys').map((entry, i) => {
    const match = KEY_ENTRY.exec(entry);
    if (!match?.[1] || !match[2]) {
      throw new ZkraftError('config_invalid', `auth.keys[${i}] is not name:sha256, the hash being 64 hex digits`, {
        field: 'auth.keys',
      });
    }
    const sha256 = match[2].toLowerCase();
    if (sha256 === EMPTY_SHA256) {
      throw new ZkraftError(
        'config_invalid',
        `auth.keys[${i}] is the hash of an empty key; was the variable with the key set?`,
        {
          field: 'auth.keys',
        },
      );
    }
    return { name: match[1], sha256 };
  });
  return { mode: 'keys', keys, lookup: store.keys };
}
