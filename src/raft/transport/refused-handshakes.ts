/**
 * Callers whose certificate was not taken: the one thing that a listening side knows and gRPC does not tell.
 *
 * Without this a node with an expired certificate leaves no trace at the nodes that refuse it. The HTTP/2 server that knows
 * is a private field of gRPC's; should that move, callers are refused all the same, and only the telling stops
 * (`refusals.test.ts` goes red then). Connections that end before they said anything are no refusals: port scans do that.
 */
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Server } from '@grpc/grpc-js';
import { tellTlsFailure, tlsFailureIn } from './tls-failure.ts';

type Told = (from: string, why: string) => void;
type ShakenSocket = Pick<TLSSocket, 'authorizationError' | 'remoteAddress'> & { readonly _parent?: Socket };

/** After `bindAsync`. Says whether it can tell. */
export function onRefusedHandshake(server: Server, told: Told): boolean {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<EventEmitter, unknown> };
  if (!(http2Servers instanceof Map)) return false;
  for (const http2Server of http2Servers.keys()) {
    // Asked for once while it is open, a socket remembers its peer's address after it was destroyed.
    http2Server.on('connection', (socket: Socket) => void socket.remoteAddress);
    http2Server.on('tlsClientError', (error: Error & { readonly code?: string }, socket: ShakenSocket) => {
      const failure = tlsFailureIn(String(socket.authorizationError ?? error.code ?? ''));
      if (failure === undefined) return;
      const from = socket.remoteAddress ?? socket._parent?.remoteAddress ?? 'an unknown address';
      told(from, tellTlsFailure(failure, `the caller from ${from}`));
    });
  }
  return true;
}
