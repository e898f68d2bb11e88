/**
 * How many requests of one connection may be unanswered, so that one cannot hold up all others.
 *
 * Node reads 64 KiB of a connection at a time and starts every request in it before it looks at the next connection: a
 * client that writes hundreds of requests in one go has each of them handled before anybody else gets a turn. Hardly
 * any client sends a second request before the first is answered; one that has this many open is hung up on.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Above the waits that one client may have open on a connection, if it wants to. */
export const PIPELINED_MAX = 128;

export function limitPipelining(server: Server): void {
  const unanswered = new WeakMap<Socket, number>();
  const handlers = server.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[];
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    // What is left of what was read before it was hung up on.
    if (socket.destroyed) return;
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > PIPELINED_MAX) {
      socket.destroy();
      return;
    }
    unanswered.set(socket, count);
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    for (const handle of handlers) handle.call(server, request, response);
  });
}
