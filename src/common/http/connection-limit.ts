/**
 * How many connections one address may have open, so that it cannot take all that a server has.
 *
 * An open connection costs its maker nothing: one that sends no byte, or a byte now and then, is dropped only after the
 * request timeout, and can be made again at once. What is above the limit is closed unanswered, before anything is
 * read. IPv6 counts by /64, like everywhere.
 */
import type { Server, Socket } from 'node:net';
import { addressKey } from '../addresses.ts';
import type { Logger } from '../logging/index.ts';

/** A flood is said once in so long. */
const SAY_AGAIN_MS = 10_000;

export function limitConnectionsPerAddress(server: Server, max: number, logger: Logger): void {
  const open = new Map<string, number>();
  let refused = 0;
  let saidMs = Number.NEGATIVE_INFINITY;
  const refuse = (socket: Socket, address: string): void => {
    socket.destroy();
    refused += 1;
    if (performance.now() - saidMs < SAY_AGAIN_MS) return;
    saidMs = performance.now();
    logger.warn({ address, open: max, refused }, 'an address has as many connections as one may; more are refused');
  };
  server.prependListener('connection', (socket: Socket) => {
    if (socket.remoteAddress === undefined) return;
    const address = addressKey(socket.remoteAddress);
    const count = open.get(address) ?? 0;
    if (count >= max) return refuse(socket, address);
    open.set(address, count + 1);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
  });
}
