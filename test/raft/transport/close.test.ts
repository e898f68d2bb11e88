import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TransportSecurity } from '../../../src/raft/index.ts';
import { certificates, eventually, heartbeat, Peer } from './transport-bed.ts';

describe('close', () => {
  const security = certificates();
  const of = (name: string): TransportSecurity => security(name);

  it('ends the streams of both directions at once, and what is sent later is dropped', async (t) => {
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: of('a') });
    const b = await Peer.start(t, { name: 'b', nodeId: 2, security: of('b') });
    for (const peer of [a, b]) peer.transport.setMembers([a.member, b.member]);
    await eventually('connected', () => a.connects.length + b.connects.length === 2);
    const begunMs = performance.now();
    await Promise.all([a.transport.close(), a.transport.close()]);
    assert.ok(performance.now() - begunMs < 1_000);
    await eventually('the other side knows', () => b.disconnects.length === 1);
    assert.match(b.disconnects[0] ?? '', /this node is stopping/);
    a.transport.send(heartbeat(1, 2));
    a.transport.setMembers([a.member, b.member]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual([b.received, a.connects.length], [[], 1]);
    // The port is free again.
    const again = await Peer.start(t, { name: 'a', nodeId: 1, security: of('a'), port: a.port });
    assert.equal(again.port, a.port);
  });

  it('of the port of another is not needed: a port in use is told as such', async (t) => {
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: of('a') });
    await assert.rejects(Peer.start(t, { name: 'b', nodeId: 2, security: of('b'), port: a.port }), {
      code: 'port_in_use',
      message: /127\.0\.0\.1:\d+ is in use/,
    });
  });

  it('leaves nothing that keeps the process: not streams, not dials, not snapshots', async () => {
    const program = `
      const { grpcTransport } = await import('${fileURLToPath(new URL('../../../src/raft/index.ts', import.meta.url))}');
      const { silentLogger } = await import('${fileURLToPath(new URL('../../../src/common/logging/index.ts', import.meta.url))}');
      const open = async (name, nodeId) => {
        let port = 0;
        const member = () => ({ nodeId, name, incarnationId: '', raftAddress: '127.0.0.1:' + port, clientAddress: '' });
        const host = {
          identity: () => ({ ...member(), clusterId: 'c' }), admit: async () => {}, snapshots: () => undefined,
          receive: () => {}, unreachable: () => {}, gone: () => {}, snapshotSent: () => {},
        };
        const transport = await grpcTransport({
          listen: '127.0.0.1:0', security: { mode: 'insecure' }, logger: silentLogger, onListening: (p) => { port = p; },
        })(host);
        return { transport, member };
      };
      const [a, b] = [await open('a', 1), await open('b', 2)];
      const away = { ...b.member(), nodeId: 3, name: 'away', raftAddress: '127.0.0.1:1' };
      for (const { transport } of [a, b]) transport.setMembers([a.member(), b.member(), away]);
      a.transport.send({ type: 'timeout-now', from: 1, to: 2, term: 1 });
      a.transport.sendSnapshot({ type: 'snapshot', from: 1, to: 2, term: 1, snapshot: { data: new Uint8Array(), metadata: {
        index: 1, term: 1, confState: { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false } } } });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await Promise.all([a.transport.close(), b.transport.close()]);
      process.stdout.write('closed');
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    let closedMs = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      closedMs = performance.now();
      said.push(chunk.toString());
    });
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    const late = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const code = await new Promise((resolve) => child.once('exit', resolve));
    clearTimeout(late);
    assert.deepEqual([code, said.join('')], [0, 'closed']);
    assert.ok(performance.now() - closedMs < 2_000, 'the process ended by itself, at once');
  });
});
