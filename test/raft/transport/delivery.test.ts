import assert from 'node:assert/strict';
import dns from 'node:dns';
import { describe, it, type TestContext } from 'node:test';
import { append, certificates, eventually, heartbeat, Peer, type PeerMessage } from './transport-bed.ts';

describe('messages between peers', () => {
  const security = certificates();
  const start = (t: TestContext, name: string, nodeId: number, more: object = {}) =>
    Peer.start(t, { name, nodeId, security: security(name), ...more });
  async function pair(t: TestContext, moreOfB: object = {}): Promise<[Peer, Peer]> {
    const [a, b] = [await start(t, 'a', 1), await start(t, 'b', 2, moreOfB)];
    for (const peer of [a, b]) peer.transport.setMembers([a.member, b.member]);
    return [a, b];
  }

  it('arrive, both ways, in the order in which they were sent', async (t) => {
    const [a, b] = await pair(t);
    for (let i = 1; i <= 2_000; i += 1) {
      a.transport.send(append(1, 2, i, 100));
      b.transport.send(heartbeat(2, 1, i));
    }
    await eventually('all arrived', () => a.received.length === 2_000 && b.received.length === 2_000);
    assert.deepEqual(
      b.received.map((m) => m.type === 'append' && m.entries[0]?.index),
      Array.from({ length: 2_000 }, (_, i) => i + 1),
    );
    assert.deepEqual(a.received[1_999], heartbeat(2, 1, 2_000));
    assert.deepEqual(b.received[299], append(1, 2, 300, 100));
    assert.deepEqual([a.unreachables, b.unreachables], [[], []]);
  });

  it('whose receiver has ended are told as gone: nobody listens there; not while it hangs up, and may be alive', async (t) => {
    const [a, b] = await pair(t);
    await eventually('connected', () => a.connects.length === 1);
    assert.deepEqual(a.gones, []);
    await b.transport.close();
    await eventually('gone', () => a.gones.length > 0);
    assert.deepEqual([...new Set(a.gones)], [2]);
    const c = await start(t, 'c', 3);
    c.members = new Map([['a', 77]]);
    const before = a.gones.length;
    a.transport.setMembers([a.member, c.member]);
    await eventually('refused', () => c.refusals.length > 0);
    assert.deepEqual(
      a.gones.slice(before).filter((id) => id === 3),
      [],
    );
  });

  it('go together when many wait', async (t) => {
    const frames: number[] = [];
    const [a, b] = await pair(t, { observer: { received: (_: string, messages: number) => frames.push(messages) } });
    await eventually('connected', () => a.connects.length === 1);
    for (let i = 1; i <= 1_000; i += 1) a.transport.send(heartbeat(1, 2, i));
    await eventually('all arrived', () => b.received.length === 1_000);
    assert.ok(frames.length < 20, `${frames.length} frames`);
  });

  it('arrive with what a frame may hold at most, each in a frame of its own', async (t) => {
    const [a, b] = await pair(t);
    const large = 3 * 1024 * 1024;
    for (let i = 1; i <= 5; i += 1) a.transport.send(append(1, 2, i, large));
    await eventually('all arrived', () => b.received.length === 5);
    assert.deepEqual(b.received[4], append(1, 2, 5, large));
  });

  it('that are larger than a peer takes are dropped and told, and the stream goes on', async (t) => {
    const [a, b] = await pair(t);
    await eventually('connected', () => a.connects.length === 1);
    a.transport.send(append(1, 2, 1, 5 * 1024 * 1024));
    a.transport.send(heartbeat(1, 2));
    await eventually('the next arrived', () => b.received.length === 1);
    await eventually('told', () => a.unreachables.length === 1);
    assert.deepEqual(a.drops, ['b too-large']);
    assert.deepEqual([a.disconnects, b.received[0]?.type], [[], 'heartbeat']);
  });

  it('to a node that nobody knows are dropped and told', async (t) => {
    const a = await start(t, 'a', 1);
    a.transport.send(heartbeat(1, 9));
    await eventually('told', () => a.unreachables.length === 1);
    assert.deepEqual([a.unreachables, a.drops], [[9], ['9 unknown']]);
  });

  it('find a peer that came back at another port, once the members say so', async (t) => {
    const [a, b] = await pair(t);
    await eventually('connected', () => a.connects.length === 1);
    await b.transport.close();
    const again = await start(t, 'b', 2);
    assert.notEqual(again.port, b.port);
    a.transport.setMembers([a.member, again.member]);
    await eventually('connected again', () => a.connects.length === 2);
    a.transport.send(heartbeat(1, 2));
    await eventually('arrived', () => again.received.length === 1);
  });

  it('find a peer that came back at another port, by its own word, before the members say so', async (t) => {
    const [a, b] = await pair(t);
    await eventually('connected', () => a.connects.length === 1);
    await b.transport.close();
    const again = await start(t, 'b', 2);
    again.transport.setMembers([a.member, again.member]);
    await eventually('connected again', () => a.connects.length === 2);
    a.transport.send(heartbeat(1, 2));
    await eventually('arrived', () => again.received.length === 1);
  });

  it('find a peer whose name leads elsewhere now: it is looked up at each dial', async (t) => {
    let at = '127.0.0.1';
    const looked: string[] = [];
    t.mock.method(dns.promises, 'lookup', async (name: string) => {
      looked.push(name);
      return [{ address: at, family: 4 }];
    });
    const b = await start(t, 'b', 2);
    const a = await start(t, 'a', 1);
    const byName = { ...b.member, raftAddress: `b.raft.test:${b.port}` };
    a.transport.setMembers([a.member, byName]);
    await eventually('connected', () => a.connects.length === 1);
    await b.transport.close();
    const again = await Peer.start(t, {
      ...{ name: 'b', nodeId: 2, port: b.port, listenHost: '127.0.0.2' },
      security: security('b'),
    });
    at = '127.0.0.2';
    await eventually('connected again', () => a.connects.length === 2);
    a.transport.send(heartbeat(1, 2));
    await eventually('arrived', () => again.received.length === 1);
    assert.ok(looked.filter((name) => name === 'b.raft.test').length >= 2, `${looked}`);
  });

  it('reach the leader that dialled a node which has no members yet', async (t) => {
    const leader = await start(t, 'a', 1);
    const joining = await start(t, 'b', 2, { clusterId: undefined });
    leader.transport.setMembers([leader.member, joining.member]);
    joining.hear = () => joining.transport.send(heartbeat(2, 1));
    leader.transport.send(heartbeat(1, 2));
    await eventually('answered', () => leader.received.length === 1);
    assert.deepEqual(joining.drops, []);
  });

  it('end when the peer is no member any more, and nobody dials it', async (t) => {
    const [a, b] = await pair(t);
    await eventually('connected', () => a.connects.length === 1 && b.connects.length === 1);
    a.transport.setMembers([a.member]);
    await eventually('cut off', () => b.disconnects.length === 1);
    assert.match(b.disconnects[0] ?? '', /"b" was removed from the cluster/);
    b.transport.setMembers([b.member]);
    a.transport.send(heartbeat(1, 2));
    await eventually('told', () => a.unreachables.includes(2));
    assert.deepEqual(b.received, []);
  });

  it('that waited when the stream broke are gone, and the node is told', async (t) => {
    const [a, b] = await pair(t);
    await eventually('connected', () => a.connects.length === 1);
    await b.transport.close();
    await eventually('told', () => a.unreachables.length >= 1);
    const before = a.drops.length;
    for (let i = 0; i < 50; i += 1) a.transport.send(heartbeat(1, 2, i));
    const again = await start(t, 'b', 2, { port: b.port });
    await eventually('connected again', () => a.connects.length === 2);
    a.transport.send(heartbeat(1, 2, 99));
    await eventually('arrived', () => again.received.length >= 1);
    assert.deepEqual(again.received.at(-1), heartbeat(1, 2, 99));
    assert.equal(a.drops.length - before + again.received.length - 1, 50, 'dropped at once, or sent on a new stream');
  });

  it('keep every field of every kind', async (t) => {
    const [a, b] = await pair(t);
    const head = { from: 1, to: 2, term: 2 ** 53 - 1 };
    const context = new Uint8Array([1, 2, 3]);
    const last = { term: 3, index: 2 ** 52 };
    const entries = (['normal', 'conf-change', 'conf-change-v2'] as const).map((type, i) => ({
      ...{ term: i + 1, index: 11 + i, type },
      data: new Uint8Array(i),
    }));
    const all: PeerMessage[] = [
      { ...head, type: 'propose', origin: 9, entries: entries.map(({ type, data }) => ({ type, data })) },
      { ...head, type: 'append', previous: { term: 1, index: 10 }, entries, commit: 12 },
      { ...head, type: 'append-response', index: 5 },
      { ...head, type: 'append-response', index: 5, refused: { term: 0, index: 4 } },
      { ...head, type: 'vote', last, transfer: true },
      { ...head, type: 'pre-vote', last, transfer: false },
      { ...head, type: 'vote-response', granted: true },
      { ...head, type: 'pre-vote-response', granted: false },
      { ...head, type: 'heartbeat', commit: 3, readRound: 4 },
      { ...head, type: 'heartbeat-response', readRound: 4 },
      { ...head, type: 'timeout-now' },
      { ...head, type: 'transfer-leader', transferee: 3 },
      { ...head, type: 'read-index', origin: 1, context },
      { ...head, type: 'read-index-response', index: 6, context },
    ];
    for (const message of all) a.transport.send(message);
    await eventually('all arrived', () => b.received.length === all.length);
    assert.deepEqual(b.received, all);
  });
});
