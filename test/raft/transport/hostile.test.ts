import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { ChannelCredentials, Client, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import { fromServiceError, raftPeer } from '../../../src/common/rpc/index.ts';
import type { TransportSecurity } from '../../../src/raft/index.ts';
import { PEERS_HEARD_MAX } from '../../../src/raft/transport/limits.ts';
import { beat, helloOf, nodeOf } from './raw-peer.ts';
import { append, certificates, eventually, heartbeat, Peer } from './transport-bed.ts';

const MIB = 1024 * 1024;
const security = certificates();
type Tls = Extract<TransportSecurity, { mode: 'mutual-tls' }>;
type Content = NonNullable<raftPeer.SendMessagesRequest['content']>;

const frameOf = (content: Content): Buffer => Buffer.from(raftPeer.SendMessagesRequest.encode({ content }).finish());

/** A caller with a good certificate that writes bytes of its own making as messages. */
class RawCaller {
  readonly #client: Client;

  constructor(t: TestContext, to: Peer, name = 'a') {
    const { ca, key, cert } = security(name) as Tls;
    this.#client = new Client(
      `localhost:${to.port}`,
      ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), {
        checkServerIdentity: () => undefined,
      }),
      { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_send_message_length': -1 },
    );
    t.after(() => this.#client.close());
  }

  open(): ClientDuplexStream<Buffer, unknown> {
    const path = '/zkraft.raft.v1.RaftPeerService/SendMessages';
    const stream = this.#client.makeBidiStreamRequest<Buffer, unknown>(
      path,
      (bytes) => bytes,
      (bytes) => bytes,
    );
    stream.on('error', () => {});
    return stream;
  }

  /** Writes all, and says how the stream ended. */
  say(frames: readonly Buffer[]): Promise<{ code: string; message: string }> {
    const stream = this.open();
    return new Promise((resolve) => {
      stream.once('error', (error: ServiceError) => resolve(fromServiceError(error)));
      stream.on('data', () => {});
      stream.on('end', () => resolve({ code: 'ended', message: '' }));
      for (const frame of frames) stream.write(frame);
      stream.end();
    });
  }
}

const hello = (to: Peer, from = nodeOf(1, 'a')): Content => ({
  $case: 'hello',
  value: { ...helloOf(to), from, toNodeId: BigInt(to.options.nodeId), toName: to.options.name },
});
const batch = (...messages: raftPeer.RaftMessage[]): Content => ({ $case: 'batch', value: { messages } });

async function peer(t: TestContext, more: object = {}): Promise<Peer> {
  return await Peer.start(t, { name: 'b', nodeId: 2, security: security('b'), ...more });
}

/** The node still hears who behaves. */
async function stillHears(t: TestContext, b: Peer): Promise<void> {
  b.received.length = 0;
  const good = await Peer.start(t, { name: 'c', nodeId: 3, security: security('c') });
  good.transport.setMembers([good.member, b.member]);
  good.transport.send(heartbeat(3, 2));
  await eventually('heard', () => b.received.some(({ from }) => from === 3));
}

describe('the Raft port', () => {
  it('outlives garbage in the place of a hello, and after one', async (t) => {
    const b = await peer(t);
    const caller = new RawCaller(t, b);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.boolean(), async (garbage, isGreeted) => {
        const ended = await caller.say([...(isGreeted ? [frameOf(hello(b))] : []), Buffer.from(garbage)]);
        // Bytes may say nothing wrong: unknown fields, which a later version may have.
        assert.ok(['invalid_request', 'peer_refused', 'internal', 'ended'].includes(ended.code), ended.code);
      }),
      { numRuns: 150 },
    );
    await stillHears(t, b);
  });

  it('outlives frames that are cut short or have a byte turned, and says what is wrong', async (t) => {
    const b = await peer(t);
    const caller = new RawCaller(t, b);
    const sound = frameOf(batch(beat(1n, 2n), beat(1n, 2n)));
    const codes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (cut, at, turn) => {
        const turned = Buffer.from(sound);
        turned[at % turned.length] = (turned[at % turned.length] ?? 0) ^ turn;
        for (const frame of [sound.subarray(0, 1 + (cut % (sound.length - 1))), turned]) {
          const { code, message } = await caller.say([frameOf(hello(b)), frame]);
          codes.add(code);
          if (code !== 'ended') assert.notEqual(message, '');
        }
      }),
      { numRuns: 80 },
    );
    assert.ok(codes.has('invalid_request') && codes.has('peer_refused'), [...codes].join());
    for (const { from, to } of b.received) assert.deepEqual([from, to], [1, 2]);
    await stillHears(t, b);
  });

  it('outlives bytes that are no HTTP/2, over TLS and without', async (t) => {
    const b = await peer(t);
    const { ca, key, cert } = security('a') as Tls;
    for (let i = 0; i < 20; i += 1) {
      const socket = tlsConnect({
        ...{ port: b.port, host: '127.0.0.1', ca, key, cert, ALPNProtocols: ['h2'] },
        checkServerIdentity: () => undefined,
      });
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      socket.write(randomBytes(1 + i * 500));
      await new Promise((resolve) => {
        socket.once('close', resolve);
        setTimeout(() => socket.destroy(), 50);
      });
    }
    await stillHears(t, b);
  });

  it('keeps one stream of a peer, however many it opens', async (t) => {
    const b = await peer(t);
    const caller = new RawCaller(t, b);
    const ends: string[] = [];
    for (let i = 0; i < 200; i += 1) {
      const stream = caller.open();
      stream.once('error', (error: ServiceError) => ends.push(error.details));
      stream.on('data', () => {});
      stream.write(frameOf(hello(b)));
      stream.write(frameOf(batch(beat(1n, 2n))));
    }
    await eventually('all but one have ended', () => ends.length === 199, 30_000);
    for (const end of ends) assert.match(end, /a newer stream of this node took its place/);
    assert.ok(b.received.length <= 200);
    await stillHears(t, b);
  });

  it('hears so many peers and no more, whatever ids one with a certificate claims', async (t) => {
    const b = await peer(t);
    const caller = new RawCaller(t, b);
    const ends: string[] = [];
    // More than a connection takes at a time, so several connections.
    const callers = [caller, new RawCaller(t, b), new RawCaller(t, b)];
    for (let i = 0; i < PEERS_HEARD_MAX + 20; i += 1) {
      const stream = (callers[i % 3] as RawCaller).open();
      stream.once('error', (error: ServiceError) => ends.push(fromServiceError(error).code));
      stream.on('data', () => {});
      stream.write(frameOf(hello(b, nodeOf(100 + i, 'a'))));
    }
    await eventually('twenty were refused', () => ends.length === 20);
    assert.deepEqual(new Set(ends), new Set(['overloaded']));
  });

  it('does not read ahead of a node that is slow: the sender waits, and memory stays', async (t) => {
    // A node that does not come to hear anything: the stream is let in, and then nobody reads.
    let release: (() => void) | undefined;
    const b = await peer(t, { limits: { handshakeMs: 60_000 } });
    const admit = b.admit.bind(b);
    b.admit = async (identity) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await admit(identity);
    };
    const caller = new RawCaller(t, b);
    const stream = caller.open();
    stream.on('data', () => {});
    stream.write(frameOf(hello(b)));
    const entries = [{ term: 1n, kind: raftPeer.EntryKind.NORMAL, data: new Uint8Array(MIB) }];
    const value: raftPeer.Append = { previous: { term: 1n, index: 1n }, entries, commit: 0n };
    const large = frameOf(batch({ ...beat(1n, 2n), body: { $case: 'append', value } }));
    await eventually('the node is asked', () => release !== undefined);
    let taken = 0;
    for (let i = 0; i < 64; i += 1) stream.write(large, () => (taken += 1));
    let before = -1;
    while (before !== taken) {
      before = taken;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    assert.ok(taken < 40, `${taken} MiB were taken from the sender`);
    release?.();
    await eventually('all are heard in the end', () => b.received.length === 64, 30_000);
  });

  it('refuses one message that is too large with words that say so, and goes on with the next stream', async (t) => {
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: security('a') });
    const b = await peer(t, { limits: { messageBytesMax: MIB } });
    a.transport.setMembers([a.member, b.member]);
    await eventually('connected', () => a.connects.length === 1);
    a.transport.send(append(1, 2, 1, 3 * MIB));
    await eventually('cut off', () => a.disconnects.length === 1);
    assert.match(a.disconnects[0] ?? '', /larger than max/);
    await eventually('connected again', () => a.connects.length === 2);
    a.transport.send(heartbeat(1, 2));
    await eventually('heard', () => b.received.length === 1);
  });
});
