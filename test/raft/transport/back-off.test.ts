import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { TRANSPORT_LIMITS } from '../../../src/raft/index.ts';
import { REFUSALS_KEPT_MAX, RefusalLog } from '../../../src/raft/transport/refusal-log.ts';
import { certificates, eventually, heartbeat, Peer } from './transport-bed.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a peer that is refused', () => {
  const security = certificates();
  /** `b` does not let `a` in. */
  async function refusedPair(t: TestContext, refusedRedialMs: number): Promise<[Peer, Peer]> {
    const limits = { refusedRedialMs };
    const b = await Peer.start(t, { name: 'b', nodeId: 2, security: security('b') });
    b.members = new Map([['a', 77]]);
    const a = await Peer.start(t, { name: 'a', nodeId: 1, security: security('a'), limits });
    a.transport.setMembers([a.member, b.member]);
    await eventually('refused', () => b.refusals.length === 1);
    await eventually('and a knows', () => a.transport.link?.(2)?.state === 'refused' || refusedRedialMs < 1_000);
    return [a, b];
  }

  it('does not dial again for five seconds, however much there is to say', async (t) => {
    assert.equal(TRANSPORT_LIMITS.refusedRedialMs, 5_000);
    const [a, b] = await refusedPair(t, 600_000);
    const endMs = performance.now() + 500;
    while (performance.now() < endMs) {
      a.transport.send(heartbeat(1, 2));
      await pause(5);
    }
    assert.equal(b.refusals.length, 1, 'a peer that is merely away would have been dialled five times or more');
    assert.deepEqual([a.connects, b.received], [[], []]);
    assert.ok(a.drops.length > 10 && a.unreachables.length > 0, 'what was to be sent is dropped, and told');
  });

  it('dials again after that wait, and no sooner, until it is let in', async (t) => {
    const [a, b] = await refusedPair(t, 300);
    const begunMs = performance.now();
    await eventually('refused twice more', () => b.refusals.length === 3);
    assert.ok(performance.now() - begunMs > 550, 'two waits');
    b.members = new Map([['a', 1]]);
    await eventually('let in', () => a.connects.length === 1);
    a.transport.send(heartbeat(1, 2));
    await eventually('heard', () => b.received.length === 1);
  });

  it('is dialled at once when the members change, or when it calls itself', async (t) => {
    const [a, b] = await refusedPair(t, 600_000);
    a.transport.setMembers([a.member, b.member]);
    await eventually('tried once more', () => b.refusals.length === 2);
    b.members = undefined;
    b.transport.setMembers([a.member, b.member]);
    await eventually('let in, since b called', () => a.connects.length === 1);
  });

  it('is shown to operators on both sides, until it is let in', async (t) => {
    const [a, b] = await refusedPair(t, 200);
    await eventually('refused again', () => b.refusals.length >= 3);
    const { state, problem } = a.transport.link?.(2) ?? { state: '', problem: '' };
    assert.ok(state === 'refused' || state === 'dialling', state);
    assert.match(problem, /"a" is a member as incarnation 77, and this one is 1.*Remove it, then add it anew/);
    const [refusal] = b.transport.refusals?.() ?? [];
    assert.equal(refusal?.peer, 'a');
    assert.match(refusal?.reason ?? '', /"a" is a member as incarnation 77/);
    assert.ok((refusal?.count ?? 0) >= 3);
    const lines = (peer: Peer) => peer.log.filter((line) => line.includes('incarnation 77')).length;
    assert.deepEqual([lines(a), lines(b)], [1, 1], 'the log says it once, not each time');
    b.members = undefined;
    await eventually('let in', () => a.transport.link?.(2)?.state === 'connected');
    assert.equal(a.transport.link?.(2)?.problem, '');
    assert.equal(a.transport.link?.(9), undefined);
  });
});

describe('the list of refusals', () => {
  it('holds a few, counts what comes again, and forgets what is oldest', () => {
    let nowMs = 0;
    const log = new RefusalLog(() => nowMs);
    for (let i = 0; i < 100; i += 1) {
      nowMs = i;
      assert.equal(log.note(`stranger ${i}`, 'no'), true);
    }
    assert.equal(log.all().length, REFUSALS_KEPT_MAX);
    assert.deepEqual(log.all()[0], { peer: 'stranger 99', reason: 'no', count: 1, lastMs: 99 });
    assert.equal(log.all().at(-1)?.peer, `stranger ${100 - REFUSALS_KEPT_MAX}`);
    nowMs = 200;
    assert.equal(log.note('stranger 90', 'no'), false, 'said already');
    assert.deepEqual(log.all()[0], { peer: 'stranger 90', reason: 'no', count: 2, lastMs: 200 });
    assert.equal(log.note('stranger 90', 'no, for another reason'), true);
    nowMs = 60_200;
    assert.equal(log.note('stranger 90', 'no'), true, 'and again after a minute');
  });
});
