/**
 * How a database is reached: from one URL or from discrete settings, to what `pg` wants.
 *
 * TLS modes mean what they mean in libpq, in a URL as well as in a setting: `require` encrypts and checks nothing,
 * `verify-ca` checks the chain, `verify-full` the name too. `prefer` and `allow` are refused, because `pg` cannot try
 * twice and neither silent choice is safe.
 */
import { Client, type ClientConfig } from 'pg';
import { ZkraftError } from '../common/index.ts';

export const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

export interface DatabaseOptions {
  /** `postgresql://...`; when given, the fields below are not read. */
  readonly connectionString?: string;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  readonly sslMode?: string;
}

const CONNECT_MS = 5_000;

/** Rejects a URL or mode that cannot be used with `config_invalid`; the message never repeats the URL. */
export function clientConfig(options: DatabaseOptions, applicationName = 'zkraft'): ClientConfig {
  const common: ClientConfig = {
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
  if (options.connectionString !== undefined) {
    const config = { ...common, connectionString: libpqUrl(options.connectionString) };
    try {
      // Reads the URL and the certificates that it names; connects to nothing.
      new Client(config);
    } catch {
      // Without the cause, which repeats the URL.
      throw new ZkraftError(
        'config_invalid',
        'DATABASE_URL cannot be used: it is not of the form postgresql://user:password@host:port/database, or a certificate file that it names cannot be read',
        { field: 'database.url' },
      );
    }
    return config;
  }
  const mode = options.sslMode ?? 'disable';
  return {
    ...common,
    host: options.host ?? 'localhost',
    port: options.port ?? 5432,
    ...(options.database === undefined ? {} : { database: options.database }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.password === undefined || options.password === '' ? {} : { password: options.password }),
    ssl: sslOf(mode, 'database.ssl_mode'),
  };
}

function sslOf(mode: string, field: string): ClientConfig['ssl'] {
  switch (mode) {
    case 'disable':
      return false;
    case 'require':
      return { rejectUnauthorized: false };
    case 'verify-ca':
      return { checkServerIdentity: () => undefined };
    case 'verify-full':
      return {};
    default:
      throw new ZkraftError('config_invalid', `${field} is "${mode}"; it is one of ${SSL_MODES.join(', ')}`, { field });
  }
}

/** The URL with TLS modes in libpq's meaning; `pg` gives some of them another one unless told. */
function libpqUrl(url: string): string {
  if (!/^(postgres|postgresql):\/\//.test(url)) {
    throw new ZkraftError('config_invalid', 'DATABASE_URL does not begin with postgresql://', {
      field: 'database.url',
    });
  }
  const mode = /[?&]sslmode=([^&]*)/.exec(url)?.[1];
  if (mode === undefined) return url;
  sslOf(mode, 'sslmode in DATABASE_URL');
  if (/[?&]uselibpqcompat=/.test(url)) return url;
  return `${url}&uselibpqcompat=true`;
}
