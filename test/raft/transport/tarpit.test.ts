import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import type { TransportSecurity } from '../../../src/raft/index.ts';
import { certificates, eventually, heartbeat, Peer } from './transport-bed.ts';

/** Takes connections and says nothing, as the kernel does for a process that is stopped. */
async function tarpit(t: TestContext): Promise<{ port: number; open: Set<Socket>; dials: () => number }> {
  const open = new Set<Socket>();
  let dials = 0;
  const server = createServer((socket) => {
    dials += 1;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, open, dials: () => dials };
}

const ways: readonly (readonly [string, TransportSecurity])[] = [
  ['mutual TLS', certificates()('a')],
  ['plain text', { mode: 'insecure' }],
];

describe('a peer that takes connections and says nothing', () => {
  for (const [name, security] of ways) {
    it(`is dialled again and again, and no socket is left behind (${name})`, async (t) => {
      const { port, open, dials } = await tarpit(t);
      const limits = { handshakeMs: 50 };
      const a = await Peer.start(t, { name: 'a', nodeId: 1, security, limits });
      const silent = { nodeId: 2, name: 'b', incarnationId: '', raftAddress: `127.0.0.1:${port}`, clientAddress: '' };
      a.transport.setMembers([a.member, silent]);
      await eventually('dialled twenty times', () => dials() >= 20, 30_000);
      // Each goes half a second after it was given up; in that time a few more are dialled.
      assert.ok(open.size < 15, `${open.size} of ${dials()} are open`);
      assert.match(a.transport.link?.(2)?.problem ?? '', /did not answer within 50 ms/);
      assert.equal(a.transport.link?.(2)?.state, 'unreachable');
      a.transport.send(heartbeat(1, 2));
      await assert.rejects(a.transport.identify(silent.raftAddress), { code: 'request_timeout' });
      await a.transport.close();
      await eventually('all are gone', () => open.size === 0);
    });
  }
});
