/**
 * Logs: pino, JSON lines or readable text, with everything secret censored.
 *
 * No leaf, path, witness, key or connection string is ever handed to a logger; the redaction here is the second net,
 * for the day somebody does.
 */
import pino, { type Logger, type LoggerOptions } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

export interface LoggingOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  readonly format: 'json' | 'console';
  /** `stdout`, `stderr` or a file. */
  readonly output: string;
}

const SECRET_KEYS = [
  'password',
  'secret',
  'token',
  'authorization',
  'api_key',
  'apiKey',
  'database_url',
  'databaseUrl',
  'connectionString',
  'leaves',
  'leaf',
  'siblings',
  'witness',
  'input',
  'inputs',
];

const REDACT = [
  ...SECRET_KEYS,
  ...SECRET_KEYS.map((key) => `*.${key}`),
  'req.headers.authorization',
  'headers.authorization',
];

export function createLogger(options: LoggingOptions, bindings: Record<string, unknown> = {}): Logger {
  const config: LoggerOptions = {
    level: options.level,
    base: bindings,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACT, censor: '[redacted]' },
    formatters: { level: (label) => ({ level: label }) },
  };
  const fd = options.output === 'stdout' ? 1 : options.output === 'stderr' ? 2 : options.output;
  if (options.format === 'console') {
    const stream = pretty({
      destination: fd,
      colorize: typeof fd === 'number' && (fd === 1 ? process.stdout : process.stderr).isTTY === true,
      translateTime: 'SYS:HH:MM:ss.l',
      ignore: 'pid,hostname',
      sync: true,
    });
    return pino(config, stream);
  }
  return pino(config, pino.destination({ dest: fd, sync: true, mkdir: true }));
}

/** For library use and tests: says nothing. */
export const silentLogger: Logger = pino({ level: 'silent' });
