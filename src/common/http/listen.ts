/** Binding, with errors that say which setting to change. */
import { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ZkraftError } from '../errors.ts';
import type { HttpServer } from './server.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** The setting that holds the port, for messages. */
  readonly portSetting?: string;
}

export interface Listening {
  readonly port: number;
  readonly url: string;
}

/** Rejects with `port_in_use`, or `config_invalid` when the address is not this machine's or may not be bound. */
export async function listenHttp(app: HttpServer, options: ListenOptions): Promise<Listening> {
  const where = `${options.host}:${options.port}`;
  const setting = options.portSetting ?? 'port';
  try {
    await app.listen({
      host: options.host,
      port: options.port,
      listenTextResolver: (address) => `HTTP listens on ${address}`,
    });
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code === 'EADDRINUSE') {
      throw new ZkraftError(
        'port_in_use',
        `${where} is in use; stop the process that listens there, or set ${setting} to a free port`,
        { field: setting },
      );
    }
    if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND') {
      throw new ZkraftError(
        'config_invalid',
        `cannot listen on ${where} (${code}); the host must be an address of this machine, and a port below 1024 needs privileges`,
        { field: setting },
      );
    }
    throw thrown;
  }
  const { port } = app.server.address() as AddressInfo;
  const scheme = app.server instanceof HttpsServer ? 'https' : 'http';
  return { port, url: `${scheme}://${urlHost(options.host)}:${port}` };
}

/** A wildcard address is none that a client could use. */
function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
