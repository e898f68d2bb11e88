/**
 * What PostgreSQL and its driver throw, as coded errors.
 *
 * PostgreSQL puts values into messages and whole rows into `detail` ("Failing row contains ..."), and the driver puts
 * addresses into them. None of that leaves here: only the SQLSTATE and the names of tables and constraints do.
 */
import { ZkraftError } from '../common/index.ts';

interface PgErrorLike {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly table?: unknown;
  readonly constraint?: unknown;
}

const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ENOENT',
  'EACCES',
  'EPERM',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
]);

/** Messages of the driver, which gives no code for these. */
const DRIVER_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/Connection terminated|Connection ended|not queryable|closed the connection/i, 'the connection broke'],
  [/timeout exceeded when trying to connect|connection timeout/i, 'no connection became free in time'],
  [/Query read timeout/i, 'the query was not answered in time'],
  [/does not support SSL/i, 'the server does not offer TLS: set database.ssl_mode to disable, or give the server TLS'],
  [/self-signed certificate|unable to (get|verify)|certificate|altnames/i, 'its TLS certificate was not accepted'],
  [/SASL|password must be a string/i, 'the password is missing or was refused: check database.password'],
];

const STATES: readonly (readonly [RegExp, string])[] = [
  [/^08/, 'the connection broke'],
  [/^57P0[1-5]$/, 'the server is stopping, starting or restarting'],
  [/^57014$/, 'the statement took longer than it may'],
  [/^55P03$/, 'a lock was not free in time'],
  [/^25P0[34]$/, 'a transaction took longer than it may'],
  [/^53300$/, 'the server has no connection left: lower database.max_open_conns or raise max_connections'],
  [/^53/, 'the server lacks resources (disk, memory)'],
  [/^40/, 'the transaction ran into another one'],
  [/^28/, 'the server refused the user or the password: check database.user and database.password'],
  [/^3D000$/, 'the database does not exist: create it, or check database.database'],
  [/^58/, 'the server met a system error'],
];

/** The coded error for whatever a query threw. `doing` completes "while ...". */
export function mapPgError(thrown: unknown, doing: string): ZkraftError {
  if (thrown instanceof ZkraftError) return thrown;
  const { code, message, table, constraint } = (thrown ?? {}) as PgErrorLike;
  const text = typeof message === 'string' ? message : '';
  const names = [table, constraint].filter((name): name is string => typeof name === 'string' && name !== '');

  const unavailable = (reason: string): ZkraftError =>
    new ZkraftError('database_unavailable', `PostgreSQL did not serve us while ${doing}: ${reason}`, {
      cause: bareCause(code, names),
    });

  if (typeof code === 'string') {
    if (SYSTEM_CODES.has(code)) return unavailable(`it cannot be reached (${code})`);
    const state = STATES.find(([pattern]) => pattern.test(code));
    if (state) return unavailable(state[1]);
    if (code === '42P01' || code === '42703' || code === '42883') {
      return new ZkraftError('schema_outdated', 'a table or column is missing: run zkraft migrate up', {
        cause: bareCause(code, names),
      });
    }
  }
  // Several addresses were tried: the errors are inside.
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return mapPgError(thrown.errors[0], doing);
  if (/after calling end on the pool/i.test(text)) {
    return new ZkraftError('shutting_down', 'the store is closed', { cause: bareCause(code, names) });
  }
  const known = DRIVER_TEXTS.find(([pattern]) => pattern.test(text));
  if (known) return unavailable(known[1]);
  const what = typeof code === 'string' ? `SQLSTATE ${code}` : 'an unknown error';
  return new ZkraftError('internal', `${what}${names.length > 0 ? ` (${names.join(', ')})` : ''} while ${doing}`, {
    cause: bareCause(code, names, thrown instanceof Error ? thrown.stack : undefined),
  });
}

/** A cause that a logger may print: without the values that the original holds. */
function bareCause(code: unknown, names: readonly string[], stack?: string): Error {
  const cause = new Error([typeof code === 'string' ? code : 'driver error', ...names].join(' '));
  const frames = stack?.split('\n').filter((line) => line.startsWith('    at '));
  cause.stack = frames ? [cause.message, ...frames].join('\n') : cause.message;
  return cause;
}
