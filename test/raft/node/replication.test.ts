import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { eventually, NodeBed, pause, retried, text, words } from './node-bed.ts';

describe('a cluster of nodes', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  it('begins with one node, which leads itself and applies what it is given', async () => {
    const a = await bed.start('a', { bootstrap: true });
    await eventually(() => a.node.status().state === 'Leader');
    const { result, index } = await a.node.propose(text('one'));
    assert.equal(result, 'applied one');
    assert.equal(await a.node.readIndex(), a.node.status().appliedIndex);
    assert.ok(index <= a.node.status().commitIndex);
    await eventually(async () => (await a.node.peers())[0]?.name === 'a');
    assert.deepEqual(
      (await a.node.peers()).map(({ role, isLeader, clientAddress }) => [role, isLeader, clientAddress]),
      [['voter', true, 'a:clients']],
    );
  });

  it('applies the same entries in the same order on three nodes', async () => {
    const [a, b, c] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a && b && c);
    const asked = Array.from({ length: 500 }, (_, i) => `word ${i}`);
    await Promise.all(asked.map((word) => a.node.propose(text(word))));
    await eventually(() => words(b).length === 500 && words(c).length === 500);
    assert.deepEqual(words(a), asked);
    assert.deepEqual(b.machine.applied, a.machine.applied);
    assert.deepEqual(c.machine.applied, a.machine.applied);
  });

  it('elects another leader when the first is gone, and takes the old one back', async () => {
    await bed.cluster(['a', 'b', 'c']);
    await bed.nodes.get('a')?.node.propose(text('before'));
    await bed.stop('a');
    const next = await bed.leader();
    await retried(() => next.node.propose(text('after')));
    const back = await bed.start('a');
    await eventually(() => words(back).includes('after'));
    assert.deepEqual(words(back), ['before', 'after']);
    assert.notEqual(back.node.status().state, 'Leader');
  });

  it('commits nothing in the minority, whose late writes are gone when it heals', async () => {
    await bed.cluster(['a', 'b', 'c']);
    const old = await bed.leader();
    bed.network.isolate(old.name);
    const lost = old.node.propose(text('late')).then(
      () => 'applied',
      (error: { code: string }) => error.code,
    );
    const others = ['a', 'b', 'c'].filter((name) => name !== old.name);
    const next = await bed.leader(others);
    await retried(() => next.node.propose(text('by the majority')));
    assert.equal(await lost, 'outcome_unknown');
    bed.network.heal();
    await eventually(() => words(old).includes('by the majority'));
    assert.ok(!words(old).includes('late'));
  });

  it('refuses proposals and reads where nobody leads, and names the leader', async () => {
    const [, b] = await bed.cluster(['a', 'b']);
    assert.ok(b);
    await eventually(() => b.node.status().leaderId === 'a');
    await assert.rejects(b.node.propose(text('x')), { code: 'not_leader', leaderId: 'a', leaderAddress: 'a:clients' });
    await assert.rejects(b.node.readIndex(), { code: 'not_leader' });
  });

  it('hands leadership over when it stops, without an election timeout', async () => {
    await bed.cluster(['a', 'b', 'c'], { heartbeatTimeoutMs: 2_000, electionTimeoutMs: 2_000 });
    const old = await bed.leader();
    bed.nodes.delete(old.name);
    const begun = performance.now();
    await old.node.stop({ transfer: true });
    const next = await bed.leader();
    await retried(() => next.node.propose(text('at once')));
    assert.ok(performance.now() - begun < 1_500, 'a follower would have waited for 2 s at least');
  });

  it('transfers to the node that is named, and refuses a learner', async () => {
    const [a] = await bed.cluster(['a', 'b', 'c'], { autoPromote: false });
    assert.ok(a);
    await bed.start('d');
    await retried(() => a.node.addPeer('d'));
    await assert.rejects(a.node.transferLeadership('d'), { code: 'membership_refused' });
    await assert.rejects(a.node.transferLeadership('nobody'), { code: 'peer_not_found' });
    assert.equal(await a.node.transferLeadership('c'), 'c');
    assert.equal((await bed.leader()).name, 'c');
  });

  it('leaves nobody in doubt when it is transferred under load', async () => {
    const [a] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a);
    const outcomes = new Map<string, number>();
    let isOver = false;
    const writers = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        const outcome = await a.node.propose(text('x')).then(
          () => 'committed',
          (error: { code: string }) => error.code,
        );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome !== 'committed') await pause(1);
      }
    });
    await pause(50);
    await a.node.transferLeadership('b');
    isOver = true;
    await Promise.all(writers);
    assert.deepEqual([...outcomes.keys()].sort(), ['committed', 'not_leader']);
  });

  it('gives up a transfer after an election timeout, and goes on leading', async () => {
    const [a] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a);
    bed.network.filter = (message) => message.type !== 'timeout-now';
    await assert.rejects(a.node.transferLeadership('b'), { code: 'transfer_failed' });
    await retried(() => a.node.propose(text('still here')));
    assert.equal(a.node.status().state, 'Leader');
  });

  it('answers a read only once a majority has confirmed the leader', async () => {
    const [a] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a);
    await a.node.propose(text('one'));
    assert.ok((await a.node.readIndex()) >= 1);
    bed.network.isolate('a');
    const read = a.node.readIndex().then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );
    assert.equal(await read, 'not_leader');
  });

  it('goes on from its log and its snapshot after a restart', async () => {
    const many = { snapshotThreshold: 50, trailingEntries: 10 };
    const a = await bed.start('a', { bootstrap: true, ...many });
    await eventually(() => a.node.status().state === 'Leader');
    for (let i = 0; i < 4; i += 1) {
      await Promise.all(Array.from({ length: 60 }, (_, j) => a.node.propose(text(`${i}-${j}`))));
      await pause(50);
    }
    await eventually(() => a.node.status().snapshotIndex > 100);
    const before = words(a);
    await bed.stop('a');
    const again = await bed.start('a', many);
    assert.deepEqual(words(again), before);
    assert.ok(again.machine.applies < before.length, 'the snapshot stood for most of them');
    assert.equal(again.node.status().clusterId.length, 36);
  });

  it('brings a node that is far behind up to date by a snapshot', async () => {
    const few = { snapshotThreshold: 40, trailingEntries: 10 };
    const [a, , c] = await bed.cluster(['a', 'b', 'c'], few);
    assert.ok(a && c);
    await bed.stop('c');
    for (let i = 0; i < 5; i += 1) {
      await Promise.all(Array.from({ length: 60 }, (_, j) => a.node.propose(text(`${i}-${j}`))));
      await pause(50);
    }
    await eventually(() => a.node.status().snapshotIndex > 200);
    const back = await bed.start('c', few);
    await eventually(() => words(back).length === 300);
    assert.deepEqual(words(back), words(a));
    assert.ok(back.machine.applies < 300, 'most came in the snapshot');
    assert.equal(back.node.status().peers, 3);
  });
});
