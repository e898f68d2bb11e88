import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { ZkraftError } from '../../../src/common/index.ts';
import { fromServiceError, raftPeer } from '../../../src/common/rpc/index.ts';
import { FileSnapshotFolder, SnapshotStore, type TransportSecurity } from '../../../src/raft/index.ts';
import { encodeConfState } from '../../../src/raft/transport/codec.ts';
import { helloOf, nodeOf } from './raw-peer.ts';
import { CLUSTER, certificates, eventually, Peer, type PeerOptions } from './transport-bed.ts';

const dir = mkdtempSync(join(tmpdir(), 'zkraft-hostile-snapshots-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const MIB = 1024 * 1024;
const security = certificates();
type Content = NonNullable<raftPeer.InstallSnapshotRequest['content']>;

const confState = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

async function receiver(t: TestContext, more: Partial<PeerOptions> = {}): Promise<Peer & { folder: string }> {
  const own = mkdtempSync(join(dir, 'store-'));
  const b = await Peer.start(t, { name: 'b', nodeId: 2, security: security('b'), dir: own, ...more });
  return Object.assign(b, { folder: join(own, 'b') });
}

const headerFor = (to: Peer, nodeId = 1): Content => ({
  $case: 'header',
  value: {
    hello: { ...helloOf(to), from: nodeOf(nodeId, 'a'), toNodeId: 2n, toName: 'b' },
    ...{ term: 7n, lastIndex: 90n, lastTerm: 6n, confState: encodeConfState(confState) },
  },
});
const chunk = (bytes: number, fill = 1): Content => ({ $case: 'chunk', value: new Uint8Array(bytes).fill(fill) });
const endOf = (state: Uint8Array, more: Partial<raftPeer.SnapshotEnd> = {}): Content => ({
  $case: 'end',
  value: { stateBytes: BigInt(state.length), sha256: createHash('sha256').update(state).digest(), ...more },
});

/** Sends the pieces, then ends, hangs up or just waits; what it is told. */
function send(
  t: TestContext,
  to: Peer,
  contents: readonly Content[],
  then: 'end' | 'hang-up' | 'wait' = 'end',
): Promise<{ code: string; message: string }> {
  const { ca, key, cert } = security('a') as Extract<TransportSecurity, { mode: 'mutual-tls' }>;
  const client = new raftPeer.RaftPeerServiceClient(
    `localhost:${to.port}`,
    ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), {
      checkServerIdentity: () => undefined,
    }),
    { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_send_message_length': -1 },
  );
  t.after(() => client.close());
  return new Promise((resolve) => {
    const call = client.installSnapshot((error: ServiceError | null) =>
      resolve(error === null ? { code: 'taken', message: '' } : fromServiceError(error)),
    );
    call.on('error', () => {});
    for (const content of contents) call.write({ content });
    if (then === 'end') call.end();
    else if (then === 'hang-up') call.write({ content: chunk(1) }, () => call.cancel());
  });
}

/** Nothing was delivered, nothing is left on the disk, and a sound snapshot is taken afterwards. */
async function leftNothing(t: TestContext, b: Peer & { folder: string }): Promise<void> {
  await eventually('nothing is left', () => readdirSync(b.folder).length === 0);
  assert.deepEqual(b.received, []);
  const state = new Uint8Array(1_000).fill(1);
  assert.equal((await send(t, b, [headerFor(b), chunk(1_000), endOf(state)])).code, 'taken');
  assert.deepEqual(
    b.received.map(({ type, from }) => [type, from]),
    [['snapshot', 1]],
  );
}

describe('a snapshot that comes in', () => {
  const state = new Uint8Array(3_000).fill(1);
  const pieces = [chunk(1_000), chunk(1_000), chunk(1_000)];
  const wrongs: readonly (readonly [string, (b: Peer) => readonly Content[], RegExp])[] = [
    ['without an end', (b) => [headerFor(b), ...pieces], /end is missing: the snapshot is not whole/],
    ['with more than its end says', (b) => [headerFor(b), ...pieces, chunk(1), endOf(state)], /is 3000, and 3001 came/],
    ['with less than its end says', (b) => [headerFor(b), chunk(1_000), endOf(state)], /is 3000, and 1000 came/],
    [
      'of another checksum',
      (b) => [headerFor(b), chunk(1_000), chunk(1_000, 2), chunk(1_000), endOf(state)],
      /the snapshot at 90 arrived damaged; send it again/,
    ],
    [
      'without a checksum',
      (b) => [headerFor(b), ...pieces, endOf(state, { sha256: new Uint8Array(0) })],
      /the snapshot at 90 arrived damaged/,
    ],
    ['with a second header', (b) => [headerFor(b), headerFor(b), endOf(state)], /header comes once only/],
    ['without a header', () => [...pieces, endOf(state)], /begins with who speaks/],
    ['with a piece over 1 MiB', (b) => [headerFor(b), chunk(MIB + 1)], /chunk has 1048577 bytes; 1048576 are the most/],
    ['with a frame that gRPC takes for too large', (b) => [headerFor(b), chunk(8 * MIB)], /larger than max/],
    [
      'of no configuration',
      (b) => {
        const header = headerFor(b) as Extract<Content, { $case: 'header' }>;
        return [{ ...header, value: { ...header.value, confState: undefined } }, ...pieces, endOf(state)];
      },
      /conf_state is missing/,
    ],
  ];
  for (const [what, contents, says] of wrongs) {
    it(`${what} is refused, says why, and leaves nothing`, async (t) => {
      const b = await receiver(t);
      const { code, message } = await send(t, b, contents(b));
      assert.notEqual(code, 'taken');
      assert.match(message, says);
      await leftNothing(t, b);
    });
  }

  it('whose sender hangs up in the middle leaves nothing', async (t) => {
    const b = await receiver(t);
    assert.notEqual((await send(t, b, [headerFor(b), ...pieces], 'hang-up')).code, 'taken');
    await leftNothing(t, b);
  });

  it('whose sender says nothing more is given up, and both are told', async (t) => {
    const b = await receiver(t, { limits: { snapshotStallMs: 150 } });
    const { code, message } = await send(t, b, [headerFor(b), ...pieces], 'wait');
    assert.equal(code, 'peer_unreachable');
    assert.match(message, /a snapshot made no progress for 150 ms/);
    assert.match(b.refusals.at(-1) ?? '', /made no progress/);
    await leftNothing(t, b);
  });

  it('that never begins is given up', async (t) => {
    const b = await receiver(t, { limits: { handshakeMs: 150 } });
    const { message } = await send(t, b, [], 'wait');
    assert.match(message, /nobody was let in within 150 ms/);
  });

  it('that would fill the disk is refused as soon as it would, and leaves nothing', async (t) => {
    const b = await receiver(t);
    let left = 4 * MIB;
    const folder = new FileSnapshotFolder(b.folder);
    const freeSpace = {
      admit: async (bytes: number) => {
        left -= bytes;
        if (left < 0) throw new ZkraftError('disk_full', 'the disk is nearly full; make room');
      },
    };
    b.store = new SnapshotStore(folder, { clusterId: CLUSTER, freeSpace });
    await b.store.open();
    const endless = Array.from({ length: 64 }, () => chunk(MIB));
    const { code, message } = await send(t, b, [headerFor(b), ...endless], 'wait');
    assert.equal(code, 'disk_full');
    assert.match(message, /make room/);
    left = 64 * MIB;
    await leftNothing(t, b);
  });

  it('is one of a few: more at a time are refused, whoever sends them', async (t) => {
    const b = await receiver(t, { limits: { snapshotStallMs: 60_000 } });
    const told: string[] = [];
    const all = Array.from({ length: 10 }, (_, i) =>
      send(t, b, [headerFor(b, 100 + i), chunk(1_000)], 'wait').then(({ code, message }) => {
        told.push(`${code}: ${message}`);
      }),
    );
    await eventually('all but two were refused', () => told.length === 8);
    assert.deepEqual([...new Set(told)], ['overloaded: 2 snapshots are being written already; try again later']);
    assert.ok(readdirSync(b.folder).length <= 2);
    await b.transport.close();
    await Promise.all(all);
    assert.deepEqual([told.length, b.received], [10, []]);
  });
});
