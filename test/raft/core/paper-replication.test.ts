import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { add, bytes, Cluster, confState, entry, remove, snapshotAt, text } from './cluster.ts';
import { LoneNode, only } from './lone-node.ts';

describe('paper 5.3: log replication', () => {
  it('a leader appends what is proposed and sends it to all, with the entry before', () => {
    const node = new LoneNode();
    node.elect();
    node.acknowledge(2, 1);
    node.acknowledge(3, 1);
    node.raw.propose(bytes('x'));
    const appends = only(node.drain(), 'append');
    assert.deepEqual(
      appends.map(({ to, previous, entries, commit }) => ({ to, previous, entries, commit })),
      [2, 3].map((to) => ({ to, previous: { term: 1, index: 1 }, entries: [entry(1, 2, 'x')], commit: 1 })),
    );
    assert.deepEqual(node.terms, [1, 1]);
  });

  const quorums: [size: number, answers: number[], committed: boolean][] = [
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [3, [2, 3], true],
    [5, [2], false],
    [5, [2, 3], true],
    [5, [2, 3, 4, 5], true],
  ];
  for (const [size, answers, committed] of quorums)
    it(`an entry on the leader and ${answers.length} of ${size - 1} others is ${committed ? '' : 'not '}committed`, () => {
      const node = new LoneNode({ voters: Array.from({ length: size }, (_, i) => i + 1) });
      node.raw.campaign();
      node.drain();
      for (let id = 2; id <= Math.floor(size / 2) + 1; id++) node.vote(id);
      for (let id = 2; id <= size; id++) node.acknowledge(id, 1);
      const { index } = node.raw.propose(bytes('x')) as { index: number };
      node.drain();
      for (const id of answers) node.acknowledge(id, index);
      assert.equal(node.status.commit === index, committed);
      assert.equal(
        node.applied.some(({ data }) => text(data) === 'x'),
        committed,
      );
    });

  for (const log of [[], [2], [1, 2], [1]])
    it(`committing an entry commits those before it, of terms ${log}`, () => {
      const node = new LoneNode({ log, hardState: { term: 2 } });
      node.elect();
      node.raw.propose(bytes('x'));
      node.drain();
      node.acknowledge(2, log.length + 2);
      assert.deepEqual(
        node.applied.map(({ term }) => term),
        [...log, 3, 3],
      );
    });

  it('followers apply what the leader has committed, in order', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    for (const data of ['a', 'b', 'c']) cluster.propose(1, data);
    for (const id of [1, 2, 3]) assert.deepEqual(cluster.member(id).applied, ['a', 'b', 'c']);
  });

  it('a follower commits no further than a message vouches for', () => {
    const node = new LoneNode({ log: [1, 1, 1] });
    node.append(2, 2, [1, 1], [], 3);
    assert.equal(node.status.commit, 1);
    node.append(2, 2, [1, 1], [1], 3);
    assert.equal(node.status.commit, 2);
  });

  const consistency: [term: number, index: number, refused: boolean][] = [
    [0, 0, false],
    [1, 1, false],
    [2, 2, false],
    [1, 2, true],
    [3, 3, true],
    [3, 2, true],
  ];
  for (const [term, index, refused] of consistency)
    it(`a follower with terms 1,2 ${refused ? 'refuses' : 'accepts'} what comes after ${term}/${index}`, () => {
      const node = new LoneNode({ log: [1, 2] });
      const [answer] = only(node.append(2, 3, [term, index], []), 'append-response');
      assert.equal(answer?.refused !== undefined, refused);
      assert.equal(answer?.index, index);
    });

  const overwrites: [previous: [number, number], terms: number[], after: number[]][] = [
    [[2, 2], [3], [1, 2, 3]],
    [
      [1, 1],
      [3, 4],
      [1, 3, 4],
    ],
    [[0, 0], [1], [1, 2]],
    [[0, 0], [3], [3]],
    [[1, 1], [2], [1, 2]],
  ];
  for (const [previous, terms, after] of overwrites)
    it(`terms 1,2 with ${terms} after index ${previous[1]} become ${after}`, () => {
      const node = new LoneNode({ log: [1, 2] });
      node.append(2, 4, previous, terms);
      assert.deepEqual(node.terms, after);
    });

  it('a message that comes late and says less cuts nothing off', () => {
    const node = new LoneNode({ log: [1] });
    node.append(2, 2, [1, 1], [2, 2, 2]);
    node.append(2, 2, [1, 1], [2]);
    assert.deepEqual(node.terms, [1, 2, 2, 2]);
  });

  it('a message about what is committed already is answered with that, and changes nothing', () => {
    const node = new LoneNode({ log: [1, 2, 2], hardState: { commit: 3 } });
    const [answer] = only(node.append(2, 3, [1, 1], [3, 3]), 'append-response');
    assert.deepEqual([answer?.index, node.terms], [3, [1, 2, 2]]);
  });

  it('a leader that says more is committed than there is stops the node', () => {
    const node = new LoneNode({ log: [1] });
    assert.throws(
      () => node.tell({ type: 'heartbeat', from: 2, to: 1, term: 1, commit: 5, readRound: 0 }),
      /entry 5 is committed but the log ends at 1/,
    );
  });

  const FIGURE_7: Readonly<Record<string, number[]>> = {
    a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
    b: [1, 1, 1, 4],
    c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    e: [1, 1, 1, 4, 4, 4, 4],
    f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  };
  for (const [name, follower] of Object.entries(FIGURE_7))
    it(`Figure 7 (${name}): the follower’s log becomes the leader’s`, () => {
      const leader = new LoneNode({ log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6], hardState: { term: 7, commit: 3 } });
      const other = new LoneNode({ id: 2, log: follower, hardState: { term: 7, commit: 3 } });
      // The third, which has nothing to say but its vote.
      leader.raw.campaign();
      leader.drain();
      let queue = leader.vote(3);
      for (let rounds = 0; queue.length > 0; rounds++) {
        assert.ok(rounds < 40, 'they never agree');
        const answers = queue.filter(({ to }) => to === 2).flatMap((message) => other.tell(message));
        queue = answers.flatMap((message) => leader.tell(message));
      }
      assert.deepEqual(other.terms, leader.terms);
      assert.deepEqual(leader.terms, [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]);
    });

  it('a refusal tells where the logs could meet, so that whole terms are skipped', () => {
    const follower = new LoneNode({ log: [1, 1, 1, 2, 2, 2, 2, 2] });
    const [answer] = only(follower.append(2, 6, [3, 8], []), 'append-response');
    assert.deepEqual(answer?.refused, { term: 2, index: 8 });
    const [earlier] = only(follower.append(2, 6, [1, 8], []), 'append-response');
    assert.deepEqual(earlier?.refused, { term: 1, index: 3 });
  });

  it('a leader skips its own terms that the follower cannot have', () => {
    const leader = new LoneNode({ log: [1, 3, 3, 3, 3, 5, 5], hardState: { term: 5 } });
    leader.elect();
    const [again] = leader.tell({
      type: 'append-response',
      from: 2,
      to: 1,
      term: 6,
      index: 7,
      refused: { term: 2, index: 6 },
    });
    assert.deepEqual(again?.type === 'append' && again.previous, { term: 1, index: 1 });
  });
});

describe('paper 5.4.2: committing entries from previous terms', () => {
  it('a leader does not commit an entry of an earlier term by counting', () => {
    const node = new LoneNode({ log: [1, 2] });
    node.elect();
    node.acknowledge(2, 2);
    assert.equal(node.status.commit, 0);
    node.acknowledge(2, 3);
    assert.equal(node.status.commit, 3);
  });

  it('Figure 8: an entry that was on a majority may be replaced, until one of the leader’s term follows it', () => {
    const cluster = new Cluster(confState([1, 2, 3, 4, 5]));
    // (a) S1 leads term 2 and gets its entry to S2 only.
    cluster.ignore('append');
    cluster.campaign(1);
    cluster.heal();
    for (const id of [3, 4, 5]) cluster.cut(1, id);
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(cluster.log(2), ['2/2']);
    assert.deepEqual(cluster.log(3), []);
    // (b) S1 is gone; S5 leads term 3 by the votes of S3 and S4, and keeps its entry to itself.
    cluster.crash(1);
    cluster.heal();
    cluster.isolate(1);
    cluster.ignore('append');
    cluster.campaign(5);
    assert.deepEqual([cluster.leaders(), cluster.raw(5).status().term], [[5], 3]);
    assert.deepEqual(cluster.log(5), ['3/2']);
    // (c) S5 is gone; S1 leads term 4, and its entry of term 2 reaches S3, a majority, but none of term 4 does.
    cluster.crash(5);
    cluster.heal();
    cluster.isolate(5);
    cluster.ignore('append');
    cluster.campaign(1);
    if (cluster.leaders().length === 0) cluster.campaign(1);
    assert.deepEqual(cluster.leaders(), [1]);
    const { term } = cluster.raw(1).status();
    cluster.raw(1).step({ type: 'append-response', from: 2, to: 1, term, index: 2 });
    cluster.raw(1).step({ type: 'append-response', from: 3, to: 1, term, index: 2 });
    assert.equal(cluster.raw(1).status().commit, 1, 'a majority has 2/2, and yet it may not count');
    // (d) S1 is gone; S5 leads and replaces it everywhere.
    cluster.crash(1);
    cluster.heal();
    cluster.isolate(1);
    while (cluster.leaders().length === 0) cluster.campaign(5);
    cluster.heal();
    cluster.tick(5, 1);
    cluster.settle();
    for (const id of [1, 2, 3, 4, 5]) assert.equal(cluster.log(id)[0], '3/2');
  });

  it('Figure 8 (e): with an entry of its own term on a majority, all before it are safe', () => {
    const node = new LoneNode({ voters: [1, 2, 3, 4, 5], log: [1, 2], hardState: { term: 3, commit: 1 } });
    node.raw.campaign();
    node.drain();
    node.vote(2);
    node.vote(3);
    node.acknowledge(2, 3);
    assert.equal(node.status.commit, 1);
    node.acknowledge(3, 3);
    assert.equal(node.status.commit, 3);
    const rival = new LoneNode({ id: 2, voters: [1, 2, 3, 4, 5], log: [1, 2, 4], hardState: { term: 4 } });
    const vote = rival.tell({ type: 'vote', from: 5, to: 2, term: 5, last: { term: 3, index: 2 }, transfer: false });
    assert.equal(only(vote, 'vote-response')[0]?.granted, false);
  });
});

describe('paper 6: membership', () => {
  it('a configuration counts from when it is applied, for the leader’s commits as well', () => {
    const cluster = new Cluster(confState([1]));
    cluster.campaign(1);
    cluster.change(1, [add(2)]);
    cluster.propose(1, 'x');
    assert.deepEqual(cluster.member(1).applied, [], 'two are needed now, and 2 is not there');
    cluster.join(2, confState([1]));
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(cluster.member(2).applied, ['x']);
    assert.deepEqual(cluster.member(1).applied, ['x']);
  });

  it('while joint, both majorities are needed to commit', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    for (const id of [4, 5]) cluster.join(id, confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.change(1, [remove(2), remove(3), add(4), add(5)], 'joint-explicit');
    assert.deepEqual(cluster.member(1).confState, {
      voters: [1, 4, 5],
      votersOutgoing: [1, 2, 3],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    });
    cluster.isolate(4);
    cluster.isolate(5);
    cluster.propose(1, 'without the new');
    assert.deepEqual(cluster.member(1).applied, []);
    cluster.heal();
    cluster.isolate(2);
    cluster.isolate(3);
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(cluster.member(1).applied, ['without the new'], '2 and 3 had it, 4 and 5 have it now');
    cluster.propose(1, 'without the old');
    assert.deepEqual(cluster.member(1).applied, ['without the new']);
    cluster.heal();
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(cluster.member(1).applied, ['without the new', 'without the old']);
  });
});

describe('paper 7: log compaction', () => {
  it('a follower that needs what is compacted gets the snapshot, then the log', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(3);
    for (const data of ['a', 'b', 'c']) cluster.propose(1, data);
    cluster.compact(1);
    cluster.propose(1, 'd');
    cluster.heal();
    for (let i = 0; i < 3; i++) {
      cluster.tick(1, 1);
      cluster.settle();
    }
    assert.equal(only(cluster.sent, 'snapshot').length, 1);
    assert.deepEqual(cluster.member(3).applied, ['a', 'b', 'c', 'd']);
  });

  it('a snapshot replaces a log that it contradicts, and leaves one that it confirms', () => {
    const snapshot = snapshotAt(3, 2, confState([1, 2, 3]));
    const contradicted = new LoneNode({ log: [1, 1, 1, 1, 1] });
    contradicted.tell({ type: 'snapshot', from: 2, to: 1, term: 2, snapshot });
    assert.deepEqual([contradicted.terms, contradicted.status.commit], [[], 3]);
    assert.equal(contradicted.status.lastIndex, 3);
    const confirmed = new LoneNode({ log: [1, 2, 2, 2] });
    confirmed.tell({ type: 'snapshot', from: 2, to: 1, term: 2, snapshot });
    assert.deepEqual([confirmed.terms, confirmed.status.commit], [[1, 2, 2, 2], 3]);
  });
});

describe('paper 8: clients', () => {
  it('a new leader opens its term with an empty entry, and commits it before it serves reads', () => {
    const node = new LoneNode({ log: [1], hardState: { commit: 1 } });
    node.elect();
    assert.deepEqual(node.terms, [1, 2]);
    node.raw.readIndex(bytes('r'));
    assert.deepEqual(only(node.drain(), 'heartbeat'), []);
    const heartbeats = only(node.acknowledge(2, 2), 'heartbeat');
    assert.equal(heartbeats.length, 2);
    node.tell({ type: 'heartbeat-response', from: 2, to: 1, term: 2, readRound: heartbeats[0]?.readRound ?? 0 });
    assert.deepEqual(node.reads, [{ index: 2, context: bytes('r') }]);
  });
});
