import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { raftPeer } from '../../../src/common/rpc/index.ts';
import type { SnapshotMetadata } from '../../../src/raft/types.ts';
import {
  append,
  certificates,
  eventually,
  heartbeat,
  Peer,
  type PeerMessage,
  type PeerOptions,
} from './transport-bed.ts';

const dir = mkdtempSync(join(tmpdir(), 'zkraft-transport-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const MIB = 1024 * 1024;

type SnapshotMessage = Extract<PeerMessage, { type: 'snapshot' }>;

const metadata: SnapshotMetadata = {
  index: 90,
  term: 6,
  confState: { voters: [1, 2], votersOutgoing: [3], learners: [4], learnersNext: [5], autoLeave: true },
};
const message: SnapshotMessage = {
  ...{ type: 'snapshot', from: 1, to: 2, term: 7 },
  snapshot: { data: new Uint8Array(), metadata },
};

async function writeSnapshot(peer: Peer, megabytes: number): Promise<void> {
  const writer = await peer.store?.create(metadata);
  for (let i = 0; i < megabytes; i += 1) await writer?.write(new Uint8Array(MIB).fill(i));
  await writer?.finish();
}

const stateOf = async (peer: Peer): Promise<number> => {
  let bytes = 0;
  for await (const chunk of peer.store?.read(metadata) ?? []) bytes += chunk.length;
  return bytes;
};

describe('a peer that does not read', () => {
  it('costs no more than its queue, and the newest are dropped and told', async (t) => {
    const port = await deafServer(t);
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: { mode: 'insecure' } });
    const deaf = {
      ...{ nodeId: 2, name: 'deaf', incarnationId: '', clientAddress: '' },
      raftAddress: `127.0.0.1:${port}`,
    };
    a.transport.setMembers([a.member, deaf]);
    await eventually('connected', () => a.connects.length === 1);
    const entry = append(1, 2, 1, MIB - 200);
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    // What waits is one and the same buffer; what gRPC has taken over is a copy each.
    for (let i = 0; i < 400; i += 1) {
      a.transport.send(entry);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const grownMib = (process.memoryUsage().arrayBuffers - before) / MIB;
    t.diagnostic(
      `400 MiB sent to a peer that does not read: ${grownMib.toFixed(1)} MiB more, ${a.drops.length} dropped`,
    );
    // The receiver's gRPC reads 16 frames ahead, and it lives in this process too.
    assert.ok(grownMib < 48, `${grownMib} MiB`);
    assert.ok(a.drops.length > 300 && a.drops.every((drop) => drop === 'deaf full'), `${a.drops.length} ${a.drops[0]}`);
    assert.ok(a.unreachables.length > 0);
    assert.deepEqual(a.disconnects, []);
  });

  it('that waits in the queue goes in order once it reads again, and the queue is as large as said', async (t) => {
    let release = (): void => {};
    const heard: number[] = [];
    const port = await deafServer(t, (resume) => (release = resume), heard);
    const limits = { queueMessagesMax: 100 };
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: { mode: 'insecure' }, limits });
    const deaf = {
      ...{ nodeId: 2, name: 'deaf', incarnationId: '', clientAddress: '' },
      raftAddress: `127.0.0.1:${port}`,
    };
    a.transport.setMembers([a.member, deaf]);
    await eventually('connected', () => a.connects.length === 1);
    for (let i = 1; i <= 40; i += 1) {
      a.transport.send(append(1, 2, i, MIB / 2));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 41; i <= 200; i += 1) a.transport.send(append(1, 2, i, 10));
    assert.ok(a.drops.length >= 200 - 40 - 100, `${a.drops.length}`);
    release();
    const kept = 200 - a.drops.length;
    await eventually('all that was kept', () => heard.length === kept);
    assert.deepEqual(
      heard,
      Array.from({ length: kept }, (_, i) => i + 1),
      'the oldest are kept, without a gap',
    );
  });
});

describe('a snapshot', () => {
  const security = certificates();
  async function pair(t: TestContext, moreOfB: Partial<PeerOptions> = {}): Promise<[Peer, Peer]> {
    const folder = mkdtempSync(join(dir, 'stores-'));
    const start = (name: string, nodeId: number, more: Partial<PeerOptions> = {}): Promise<Peer> =>
      Peer.start(t, { name, nodeId, dir: folder, security: security(name), ...more });
    const [a, b] = [await start('a', 1), await start('b', 2, moreOfB)];
    for (const peer of [a, b]) peer.transport.setMembers([a.member, b.member]);
    await eventually('connected', () => a.connects.length === 1);
    return [a, b];
  }

  it('is delivered once it is durable and whole, with its metadata', async (t) => {
    const [a, b] = await pair(t);
    await writeSnapshot(a, 3);
    let wasWhole = false;
    b.hear = () => {
      void stateOf(b).then((bytes) => {
        wasWhole = bytes === 3 * MIB;
      });
    };
    a.transport.sendSnapshot(message);
    await eventually('arrived', () => a.snapshotOutcomes.length === 1);
    assert.deepEqual([a.snapshotOutcomes, b.received], [['2 arrived'], [message]]);
    await eventually('was whole when it was delivered', () => wasWhole);
  });

  it('of 64 MiB does not hold heartbeats up', async (t) => {
    const [a, b] = await pair(t);
    await writeSnapshot(a, 64);
    const sentMs = new Map<number, number>();
    let latenciesMs: number[] = [];
    b.hear = (heard) => {
      if (heard.type === 'heartbeat') latenciesMs.push(performance.now() - (sentMs.get(heard.readRound) ?? 0));
    };
    let round = 0;
    const timer = setInterval(() => {
      round += 1;
      sentMs.set(round, performance.now());
      a.transport.send(heartbeat(1, 2, round));
    }, 10);
    t.after(() => clearInterval(timer));
    const report = (when: string): { count: number; maxMs: number } => {
      const sorted = latenciesMs.toSorted((x, y) => x - y);
      const at = (part: number): string => (sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN).toFixed(1);
      t.diagnostic(`heartbeats ${when}: ${sorted.length}, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`);
      latenciesMs = [];
      return { count: sorted.length, maxMs: sorted.at(-1) ?? Number.NaN };
    };
    await new Promise((resolve) => setTimeout(resolve, 500));
    report('alone');
    const begunMs = performance.now();
    a.transport.sendSnapshot(message);
    await eventually('arrived', () => a.snapshotOutcomes.length === 1, 60_000);
    const tookMs = performance.now() - begunMs;
    const { count, maxMs } = report(`beside a snapshot of 64 MiB that took ${tookMs.toFixed(0)} ms`);
    assert.deepEqual(a.snapshotOutcomes, ['2 arrived']);
    assert.ok(count >= 5, `${count}`);
    // A quarter of the shortest wait of a follower at the default timeouts; both nodes share this one thread.
    assert.ok(maxMs < 250, `${maxMs} ms`);
    assert.equal(await stateOf(b), 64 * MIB);
  });

  it('is sent one at a time to a peer; a second one is told as failed at once', async (t) => {
    const [a, b] = await pair(t);
    await writeSnapshot(a, 8);
    a.transport.sendSnapshot(message);
    a.transport.sendSnapshot(message);
    await eventually('both told', () => a.snapshotOutcomes.length === 2);
    assert.deepEqual(a.snapshotOutcomes, ['2 failed', '2 arrived']);
    assert.equal(b.received.length, 1);
  });

  it('that is refused, to nobody, or not there, is told as failed', async (t) => {
    const [a, b] = await pair(t);
    a.transport.sendSnapshot(message);
    await eventually('not there', () => a.snapshotOutcomes.length === 1);
    await writeSnapshot(a, 1);
    a.transport.sendSnapshot({ ...message, to: 9 });
    await eventually('nobody', () => a.snapshotOutcomes.length === 2);
    b.members = new Map([['a', 77]]);
    a.transport.sendSnapshot(message);
    await eventually('refused', () => a.snapshotOutcomes.length === 3);
    assert.deepEqual(a.snapshotOutcomes, ['2 failed', '9 failed', '2 failed']);
    assert.match(b.refusals.at(-1) ?? '', /"a" is a member as incarnation 77/);
    assert.deepEqual(b.received, []);
  });

  it('that stops in the middle is given up by both, leaves nothing, and can be sent again', async (t) => {
    const [a, b] = await pair(t, { limits: { snapshotStallMs: 150 } });
    await writeSnapshot(a, 4);
    const store = a.store as NonNullable<Peer['store']>;
    let isStuck = true;
    a.store = Object.create(store, {
      read: {
        value: async function* (of: SnapshotMetadata) {
          for await (const chunk of store.read(of)) {
            yield chunk;
            if (isStuck) await new Promise((resolve) => setTimeout(resolve, 1_000));
          }
        },
      },
    });
    a.transport.sendSnapshot(message);
    await eventually('given up', () => a.snapshotOutcomes.length === 1);
    assert.deepEqual([a.snapshotOutcomes, b.received], [['2 failed'], []]);
    assert.match(b.refusals.at(-1) ?? '', /made no progress for 150 ms/);
    await assert.rejects(stateOf(b), /is missing/);
    isStuck = false;
    a.transport.sendSnapshot(message);
    await eventually('arrived', () => a.snapshotOutcomes.length === 2);
    assert.deepEqual(a.snapshotOutcomes, ['2 failed', '2 arrived']);
  });

  it('is given up when the peer is removed, and when this node closes', async (t) => {
    const [a, b] = await pair(t);
    await writeSnapshot(a, 32);
    a.transport.sendSnapshot(message);
    await new Promise((resolve) => setTimeout(resolve, 50));
    a.transport.setMembers([a.member]);
    await eventually('given up', () => a.snapshotOutcomes.length === 1);
    a.transport.setMembers([a.member, b.member]);
    a.transport.sendSnapshot(message);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await a.transport.close();
    await eventually('told', () => a.snapshotOutcomes.length === 2);
    assert.deepEqual(a.snapshotOutcomes, ['2 failed', '2 failed']);
    await eventually('left nothing', () => b.received.length === 0);
    await assert.rejects(stateOf(b), /is missing/);
  });
});

/** Lets everybody in, and reads nothing more until it is told to. */
async function deafServer(
  t: TestContext,
  onReady: (release: () => void) => void = () => {},
  heard: number[] = [],
): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': 64 * MIB });
  const unused = (): never => assert.fail('nobody calls this');
  server.addService(raftPeer.RaftPeerServiceService, {
    identify: unused,
    installSnapshot: unused,
    sendMessages: (call) => {
      call.once('data', () => {
        call.pause();
        call.write({});
        onReady(() => {
          call.on('data', (request: raftPeer.SendMessagesRequest) => {
            if (request.content?.$case !== 'batch') return;
            for (const { body } of request.content.value.messages) {
              if (body?.$case === 'append') heard.push(Number(body.value.previous?.index) + 1);
            }
          });
          call.resume();
        });
      });
    },
  } satisfies raftPeer.RaftPeerServiceServer);
  t.after(() => server.forceShutdown());
  return await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}
