import assert from 'node:assert/strict';
import { connect as plainConnect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { raftPeer } from '../../../src/common/rpc/index.ts';
import type { TransportSecurity } from '../../../src/raft/index.ts';
import { beat, helloOf, nodeOf, say } from './raw-peer.ts';
import { CLUSTER, certificates, eventually, heartbeat, Peer, type PeerOptions } from './transport-bed.ts';

describe('a stream of messages', () => {
  const security = certificates();
  const of = (name: string): TransportSecurity => security(name);
  const start = (t: TestContext, more: Partial<PeerOptions> & { name: string; nodeId: number }) =>
    Peer.start(t, { security: of(more.name), ...more });

  /** What `b` says when `a` dials it; nothing may have arrived, and a's queue is not kept. */
  async function refusal(a: Peer, b: Peer): Promise<string> {
    a.transport.setMembers([a.member, b.member]);
    a.transport.send(heartbeat(1, 2));
    await eventually('refused', () => b.refusals.length > 0);
    await eventually('told', () => a.unreachables.length > 0);
    assert.deepEqual([b.received, a.connects], [[], []]);
    return b.refusals[0] ?? '';
  }

  it('of another cluster is refused: two that were bootstrapped apart never merge', async (t) => {
    const a = await start(t, { name: 'a', nodeId: 1, clusterId: 'another-cluster' });
    const b = await start(t, { name: 'b', nodeId: 2 });
    assert.match(
      await refusal(a, b),
      new RegExp(
        `"a" is of cluster another-cluster, and "b" of cluster ${CLUSTER}; two clusters never merge.*empty dir`,
      ),
    );
    // Nor the other way round.
    b.transport.setMembers([a.member, b.member]);
    await eventually('refused', () => a.refusals.length > 0);
    assert.match(a.refusals[0] ?? '', /two clusters never merge/);
  });

  it('of another incarnation under an old name is refused until it is added', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    b.members = new Map([['a', 1]]);
    const wiped = await start(t, { name: 'a', nodeId: 11 });
    wiped.transport.setMembers([wiped.member, b.member]);
    await eventually('refused', () => b.refusals.length > 0);
    assert.match(b.refusals[0] ?? '', /"a" is a member as incarnation 1, and this one is 11.*Remove it/);
    b.members = new Map([['a', 11]]);
    await eventually('let in', () => wiped.connects.length === 1);
    wiped.transport.send(heartbeat(11, 2));
    await eventually('heard', () => b.received.length === 1);
  });

  it('to an incarnation that is gone is refused', async (t) => {
    const a = await start(t, { name: 'a', nodeId: 1 });
    const wiped = await start(t, { name: 'b', nodeId: 22 });
    a.transport.setMembers([a.member, { ...wiped.member, nodeId: 2 }]);
    await eventually('refused', () => wiped.refusals.length > 0);
    assert.match(wiped.refusals[0] ?? '', /asks for incarnation 2 of "b", but this one is 22.*add it anew/);
  });

  it('of a copy of the receiver is refused', async (t) => {
    const copy = await start(t, { name: 'a', nodeId: 2 });
    const b = await start(t, { name: 'b', nodeId: 2 });
    const hello = { ...helloOf(copy), toNodeId: 2n, toName: 'b' };
    const error = await say(t, b, of('a'), [{ $case: 'hello', value: hello }]);
    assert.match(error.message, /"a" has the incarnation of this node, 2: its directory is a copy/);
  });

  it('of a node of no cluster is refused', async (t) => {
    const a = await start(t, { name: 'a', nodeId: 1, clusterId: undefined });
    const b = await start(t, { name: 'b', nodeId: 2 });
    assert.match(await refusal(a, b), /"a" belongs to no cluster yet/);
  });

  it('under another name than the certificate is refused', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    const liar = { ...helloOf(b), from: { ...nodeOf(1, 'a') } };
    const error = await say(t, b, of('mallory'), [{ $case: 'hello', value: { ...liar, toNodeId: 2n, toName: 'b' } }]);
    assert.equal(error.code, 'peer_refused');
    assert.match(error.message, /calls itself "a", and its certificate is of "mallory".*zkraft certs issue/);
  });

  it('to a node with another name than its certificate is not begun', async (t) => {
    const a = await start(t, { name: 'a', nodeId: 1 });
    const b = await start(t, { name: 'b', nodeId: 2 });
    a.transport.setMembers([a.member, { ...b.member, name: 'c' }]);
    a.transport.send(heartbeat(1, 2));
    await eventually('told', () => a.unreachables.length > 0);
    assert.deepEqual([b.received, b.refusals, a.connects], [[], [], []]);
    await assert.rejects(
      Peer.start(t, { name: 'd', nodeId: 4, security: of('b') }),
      /this node is "d", and its certificate is of "b"/,
    );
  });

  it('to another node than the one that is meant is refused', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    const hello = { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 3n, toName: 'c' };
    const error = await say(t, b, of('a'), [{ $case: 'hello', value: hello }]);
    assert.match(error.message, /"a" looks for "c", and this is "b".*wrong address/);
  });

  it('of another version of the protocol is refused', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    const hello = { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 2n, toName: 'b', protocolVersion: 9 };
    const error = await say(t, b, of('a'), [{ $case: 'hello', value: hello }]);
    assert.match(error.message, /speaks version 9 of the Raft protocol, and "b" version 1.*same release/);
  });

  it('goes without certificates where both sides were told so', async (t) => {
    const a = await start(t, { name: 'a', nodeId: 1, security: { mode: 'insecure' } });
    const b = await start(t, { name: 'b', nodeId: 2, security: { mode: 'insecure' } });
    a.transport.setMembers([a.member, b.member]);
    a.transport.send(heartbeat(1, 2));
    await eventually('heard', () => b.received.length === 1);
    assert.deepEqual(await b.transport.identify(a.address), a.identity());
  });

  it('is closed by a message from anybody but its sender, or to anybody but its receiver', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    for (const [from, to] of [
      [3n, 2n],
      [1n, 3n],
    ] as const) {
      const error = await say(t, b, of('a'), [
        { $case: 'hello', value: { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 2n, toName: 'b' } },
        { $case: 'batch', value: { messages: [beat(1n, 2n), beat(from, to), beat(1n, 2n)] } },
      ]);
      assert.equal(error.code, 'peer_refused');
      assert.match(error.message, new RegExp(`a message from ${from} to ${to} came on the stream of "a" \\(1\\) to 2`));
      assert.equal(b.received.splice(0).length, 1, 'what came before it was heard');
    }
  });

  it('is closed by what is no message, and says why', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    const hello = { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 2n, toName: 'b' };
    const noBody = { ...beat(1n, 2n), body: undefined };
    const append: raftPeer.Append = { previous: undefined, entries: [], commit: 0n };
    const odd = { term: 1n, kind: 77 as raftPeer.EntryKind, data: new Uint8Array() };
    const previous = { term: 1n, index: 1n };
    const cases: [raftPeer.RaftMessage, RegExp][] = [
      [noBody, /body is of a kind/],
      [{ ...beat(1n, 2n), term: 2n ** 53n }, /term is 9007199254740992, and must be below 2\^53/],
      [beat(0n, 2n), /from is 0/],
      [{ ...beat(1n, 2n), body: { $case: 'append', value: append } }, /previous is missing/],
      [
        { ...beat(1n, 2n), body: { $case: 'append', value: { ...append, previous, entries: [odd] } } },
        /entries.kind is (77|-1)/,
      ],
    ];
    for (const [message, says] of cases) {
      const error = await say(t, b, of('a'), [
        { $case: 'hello', value: hello },
        { $case: 'batch', value: { messages: [message] } },
      ]);
      assert.equal(error.code, 'invalid_request');
      assert.match(error.message, says);
    }
    const twice = await say(t, b, of('a'), [
      { $case: 'hello', value: hello },
      { $case: 'hello', value: hello },
    ]);
    assert.match(twice.message, /carries batches of messages only/);
    const none = await say(t, b, of('a'), [{ $case: 'batch', value: { messages: [] } }]);
    assert.match(none.message, /begins with who speaks/);
    assert.deepEqual(b.received, []);
  });

  it('that says nothing is closed after a while', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2, limits: { handshakeMs: 100 } });
    const error = await say(t, b, of('a'), []);
    assert.match(error.message, /nobody was let in within 100 ms/);
    const dumb = plainConnect(b.port, '127.0.0.1');
    await new Promise((resolve) => dumb.once('connect', resolve));
    dumb.destroy();
  });

  it('of a node that is heard already takes the place of the older one', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    const hello = { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 2n, toName: 'b' };
    const older = say(t, b, of('a'), [
      { $case: 'hello', value: hello },
      { $case: 'batch', value: { messages: [beat(1n, 2n)] } },
    ]);
    await eventually('heard', () => b.received.length === 1);
    void say(t, b, of('a'), [{ $case: 'hello', value: hello }]).catch(() => {});
    assert.match((await older).message, /a newer stream of this node took its place/);
  });

  it('with a frame that is too large is closed before it is kept', async (t) => {
    const b = await start(t, { name: 'b', nodeId: 2 });
    const hello = { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 2n, toName: 'b' };
    const data = new Uint8Array(6 * 1024 * 1024);
    const entries = [{ term: 1n, kind: raftPeer.EntryKind.NORMAL, data }];
    const value: raftPeer.Append = { previous: { term: 1n, index: 1n }, entries, commit: 0n };
    const error = await say(t, b, of('a'), [
      { $case: 'hello', value: hello },
      { $case: 'batch', value: { messages: [{ ...beat(1n, 2n), body: { $case: 'append', value } }] } },
    ]);
    assert.match(error.message, /larger than max/);
    assert.deepEqual(b.received, []);
  });
});
