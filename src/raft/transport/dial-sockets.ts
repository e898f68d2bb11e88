/**
 * The sockets of one dial, so that they end with it.
 *
 * gRPC gives a TLS handshake no time, and closing a client does not end one that is under way. Against a process that is
 * stopped, whose kernel still takes connections, each dial would leave a socket behind for as long as that lasts, and keep
 * this process from ending. So the sockets are noted where gRPC hands them to the credentials. One whose first packet nobody
 * answers is not seen here; the kernel gives that up after two minutes.
 */
import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';

/** For a farewell, where there is a connection. */
const GRACE_MS = 500;

export interface DialSockets {
  readonly credentials: ChannelCredentials;
  /** After the client was closed: whatever is still open then is destroyed a moment later. */
  end(): void;
}

/** `credentials` must be of this dial alone. */
export function noteSockets(credentials: ChannelCredentials): DialSockets {
  const sockets = new Set<Socket>();
  let isOver = false;
  const make = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...args) => {
    const connector = make(...args);
    const connect = connector.connect.bind(connector);
    connector.connect = (socket) => {
      if (isOver) socket.destroy();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return connect(socket);
    };
    return connector;
  };
  return {
    credentials,
    end: () => {
      setTimeout(() => {
        isOver = true;
        for (const socket of sockets) socket.destroy();
      }, GRACE_MS).unref();
    },
  };
}
