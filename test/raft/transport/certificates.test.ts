import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { TransportSecurity } from '../../../src/raft/index.ts';
import { helloOf, nodeOf, say } from './raw-peer.ts';
import { eventually, heartbeat, issue, Peer, testAuthority } from './transport-bed.ts';

const ours = testAuthority('our authority');
const theirs = testAuthority('another authority');

/** `a` with `dialler` dials `b` with `listener`; what each side is told, and that nothing came through. */
async function meet(t: TestContext, dialler: TransportSecurity, listener: TransportSecurity) {
  const a = await Peer.start(t, { name: 'a', nodeId: 1, security: dialler });
  const b = await Peer.start(t, { name: 'b', nodeId: 2, security: listener });
  a.transport.setMembers([a.member, b.member]);
  a.transport.send(heartbeat(1, 2));
  await eventually('told', () => a.unreachables.length > 0 && a.transport.link?.(2)?.problem !== '');
  assert.deepEqual([b.received, a.connects], [[], []]);
  const link = a.transport.link?.(2) ?? { state: 'connected', problem: '' };
  await assert.rejects(a.transport.identify(b.address), {
    code: link.state === 'refused' ? 'peer_refused' : 'peer_unreachable',
    message: link.problem,
  });
  return { a, b, link };
}

const toldBy = async (peer: Peer, pattern: RegExp): Promise<void> => {
  await eventually(`told: ${pattern}`, () => peer.refusals.some((one) => pattern.test(one)));
  assert.ok(
    peer.transport.refusals?.().some(({ peer: who, reason }) => who === '127.0.0.1' && pattern.test(reason)),
    'operators see it in the status',
  );
  assert.ok(
    peer.log.some((line) => pattern.test(line)),
    'and in the log',
  );
};

describe('a certificate', () => {
  it('of another authority is refused by who dials, who is told which file is wrong', async (t) => {
    const { a, link } = await meet(t, issue(ours, 'a'), issue(theirs, 'b', { trusts: ours }));
    assert.equal(link.state, 'refused');
    assert.match(
      link.problem,
      /certificate of the node at 127\.0\.0\.1:\d+ is not of the authority in .*ca_file; issue/,
    );
    assert.ok(a.log.some((line) => line.includes('is not of the authority')));
  });

  it('of another authority is refused by who listens, and both sides say so', async (t) => {
    const { b, link } = await meet(t, issue(theirs, 'a', { trusts: ours }), issue(ours, 'b'));
    assert.equal(link.state, 'refused');
    assert.match(
      link.problem,
      /hung up: this node's certificate is not of the authority in this node's ca_file; issue a new one/,
    );
    await toldBy(b, /the caller from 127\.0\.0\.1 is not of the authority in this node's ca_file; issue it one/);
  });

  it('of another authority is refused, also of one who trusts the node and can speak Raft', async (t) => {
    const b = await Peer.start(t, { name: 'b', nodeId: 2, security: issue(ours, 'b') });
    const hello = { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 2n, toName: 'b' };
    const error = await say(t, b, issue(theirs, 'a', { trusts: ours }), [{ $case: 'hello', value: hello }]);
    assert.equal(error.code, 'coordinator_unavailable', 'hung up before anything was said');
    assert.deepEqual(b.received, []);
    await toldBy(b, /is not of the authority/);
  });

  it('that has expired is refused by who dials', async (t) => {
    const { link } = await meet(t, issue(ours, 'a'), issue(ours, 'b', { fromDays: -10 }));
    assert.equal(link.state, 'refused');
    assert.match(
      link.problem,
      /the node at 127\.0\.0\.1:\d+ has expired; issue it a new one .*--force\) and restart it/,
    );
  });

  it('that has expired is refused by who listens, and both sides say so', async (t) => {
    const { a, b, link } = await meet(t, issue(ours, 'a', { fromDays: -10 }), issue(ours, 'b'));
    assert.equal(link.state, 'refused');
    assert.match(link.problem, /hung up: this node's certificate ended on .* GMT; issue a new one/);
    await toldBy(b, /certificate of the caller from 127\.0\.0\.1 has expired/);
    assert.match(
      a.log[0] ?? '',
      /no raft peer will take the certificate of this node.*ended on/,
      'known from the start',
    );
  });

  it('that is not valid yet is refused on both sides', async (t) => {
    const dialled = await meet(t, issue(ours, 'a'), issue(ours, 'b', { fromDays: 10 }));
    assert.match(dialled.link.problem, /is not valid yet; see that the clocks of both machines are right/);
    const { b, link } = await meet(t, issue(ours, 'a', { fromDays: 10 }), issue(ours, 'b'));
    assert.match(link.problem, /this node's certificate begins on .* only; see that the clock is right/);
    await toldBy(b, /not valid yet/);
  });

  it('of the right authority with another name than the node that is meant is refused by who dials', async (t) => {
    const b = await Peer.start(t, { name: 'mallory', nodeId: 2, security: issue(ours, 'mallory') });
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: issue(ours, 'a') });
    a.transport.setMembers([a.member, { ...b.member, name: 'b' }]);
    await eventually('refused', () => a.transport.link?.(2)?.state === 'refused');
    assert.match(
      a.transport.link?.(2)?.problem ?? '',
      /a node calls itself "b", and its certificate is of "mallory".*must be the node's name: issue one \(zkraft certs/,
    );
    assert.deepEqual([b.received, b.refusals, a.connects], [[], [], []]);
  });

  it('is wanted: TLS without one is refused, and the node says so', async (t) => {
    const b = await Peer.start(t, { name: 'b', nodeId: 2, security: issue(ours, 'b') });
    const hello = { ...helloOf(b), from: nodeOf(1, 'a'), toNodeId: 2n, toName: 'b' };
    const error = await say(t, b, { mode: 'tls', ca: ours.cert }, [{ $case: 'hello', value: hello }]);
    assert.equal(error.code, 'coordinator_unavailable');
    assert.deepEqual(b.received, []);
    await toldBy(b, /the caller from 127\.0\.0\.1 shows no certificate; give it cert_file, key_file and ca_file/);
  });

  it('is wanted: plain text is refused, and TLS is not spoken with who has none', async (t) => {
    const { b, link } = await meet(t, { mode: 'insecure' }, issue(ours, 'b'));
    assert.equal(link.state, 'unreachable');
    assert.match(
      link.problem,
      /hangs up when it is spoken to in plain text; .*give this node cert_file, key_file and ca_file/,
    );
    await toldBy(b, /the caller from 127\.0\.0\.1 speaks plain text, and this side TLS/);
    const other = await meet(t, issue(ours, 'a'), { mode: 'insecure' });
    assert.equal(other.link.state, 'refused');
    assert.match(other.link.problem, /the node at 127\.0\.0\.1:\d+ speaks plain text, and this side TLS/);
  });

  it('of a node of another name, or a key of another pair, is no way to start', async (t) => {
    const start = (security: TransportSecurity) => Peer.start(t, { name: 'd', nodeId: 4, security });
    await assert.rejects(start(issue(ours, 'b')), {
      code: 'config_invalid',
      message: /this node is "d", and its certificate is of "b".*\(zkraft certs issue d\)/,
    });
    const { cert, ca } = issue(ours, 'd') as { cert: string; ca: string };
    const { key } = issue(ours, 'd') as { key: string };
    await assert.rejects(start({ mode: 'mutual-tls', cert, key, ca }), { code: 'config_invalid', message: /key/ });
  });

  it('that a scan of ports never asked for is no refusal', async (t) => {
    const b = await Peer.start(t, { name: 'b', nodeId: 2, security: issue(ours, 'b') });
    const { connect } = await import('node:net');
    for (let i = 0; i < 5; i += 1) {
      const socket = connect(b.port, '127.0.0.1');
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.destroy();
      await new Promise((resolve) => socket.once('close', resolve));
    }
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: issue(ours, 'a') });
    assert.equal((await a.transport.identify(b.address)).name, 'b');
    assert.deepEqual([b.refusals, b.log, b.transport.refusals?.()], [[], [], []]);
  });
});
