import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PeerMessage } from '../../../src/raft/core/index.ts';
import { Cluster, confState } from './cluster.ts';
import { LoneNode, only } from './lone-node.ts';

type Role = 'follower' | 'candidate' | 'leader';

function inRole(role: Role): LoneNode {
  const node = new LoneNode({ hardState: { term: 1 } });
  if (role === 'candidate') node.raw.campaign();
  node.drain();
  if (role === 'leader') node.elect();
  assert.equal(node.status.role, role);
  return node;
}

describe('paper 5.1: terms', () => {
  for (const role of ['follower', 'candidate', 'leader'] as const)
    it(`a ${role} that hears of a higher term follows in it`, () => {
      const node = inRole(role);
      node.append(2, 7, [0, 0], []);
      const { term, lead, role: now } = node.status;
      assert.deepEqual({ term, lead, now }, { term: 7, lead: 2, now: 'follower' });
      assert.equal(node.storage.initialState().hardState.term, 7);
    });

  it('a message of an earlier term changes nothing', () => {
    const node = new LoneNode({ hardState: { term: 3 } });
    assert.deepEqual(node.append(2, 2, [0, 0], [2]), []);
    assert.deepEqual([node.status.term, node.status.lead, node.terms], [3, 0, []]);
  });

  it('nor does one that says it is of no term', () => {
    const node = new LoneNode({ hardState: { term: 3 } });
    assert.deepEqual(node.append(2, 0, [0, 0], [2]), []);
    assert.deepEqual([node.status.lead, node.terms], [0, []]);
  });
});

describe('paper 5.2: leader election', () => {
  it('a node starts as a follower', () => {
    assert.equal(new LoneNode().status.role, 'follower');
  });

  it('a leader sends heartbeats to all others at each interval', () => {
    const node = new LoneNode({ heartbeatTicks: 2 });
    node.elect();
    assert.deepEqual(only(node.tick(), 'heartbeat'), []);
    assert.deepEqual(
      only(node.tick(), 'heartbeat').map(({ to, term }) => [to, term]),
      [
        [2, 1],
        [3, 1],
      ],
    );
  });

  for (const role of ['follower', 'candidate'] as const)
    it(`a ${role} that hears no leader starts an election: next term, own vote, requests to all`, () => {
      const node = inRole(role);
      const { term } = node.status;
      assert.deepEqual(node.tick(9), []);
      const requests = only(node.tick(), 'vote');
      assert.deepEqual(
        requests.map(({ to, term: asked }) => [to, asked]),
        [
          [2, term + 1],
          [3, term + 1],
        ],
      );
      assert.equal(node.status.role, 'candidate');
      assert.deepEqual(node.storage.initialState().hardState, { term: term + 1, vote: 1, commit: 0 });
    });

  const rounds: [size: number, votes: Readonly<Record<number, boolean>>, outcome: Role][] = [
    [1, {}, 'leader'],
    [3, { 2: true, 3: true }, 'leader'],
    [3, { 2: true }, 'leader'],
    [3, { 2: true, 3: false }, 'leader'],
    [3, {}, 'candidate'],
    [3, { 2: false }, 'candidate'],
    [3, { 2: false, 3: false }, 'follower'],
    [5, { 2: true, 3: true, 4: true, 5: true }, 'leader'],
    [5, { 2: true, 3: true }, 'leader'],
    [5, { 2: true }, 'candidate'],
    [5, { 2: false, 3: false, 4: false }, 'follower'],
    [5, { 2: true, 3: false, 4: false, 5: false }, 'follower'],
  ];
  for (const [size, votes, outcome] of rounds)
    it(`of ${size} nodes, with own vote and ${JSON.stringify(votes)}: ${outcome}`, () => {
      const node = new LoneNode({ voters: Array.from({ length: size }, (_, i) => i + 1) });
      node.raw.campaign();
      node.drain();
      for (const [id, granted] of Object.entries(votes)) node.vote(Number(id), granted);
      assert.deepEqual([node.status.role, node.status.term], [outcome, 1]);
    });

  it('a second word of the same voter does not count', () => {
    const node = new LoneNode({ voters: [1, 2, 3, 4, 5] });
    node.raw.campaign();
    node.drain();
    node.vote(2);
    node.vote(2);
    assert.equal(node.status.role, 'candidate');
  });

  const askedBy = (candidate: number, term = 1): PeerMessage => ({
    type: 'vote',
    from: candidate,
    to: 1,
    term,
    last: { term: 0, index: 0 },
    transfer: false,
  });

  it('a node votes once a term, for the first who asks, and again for the same', () => {
    const node = new LoneNode();
    const granted = (candidate: number): boolean | undefined =>
      only(node.tell(askedBy(candidate)), 'vote-response')[0]?.granted;
    assert.deepEqual([granted(2), granted(3), granted(2)], [true, false, true]);
  });

  it('a vote is remembered over a restart', () => {
    const node = new LoneNode({ hardState: { term: 1, vote: 2 } });
    assert.equal(only(node.tell(askedBy(3)), 'vote-response')[0]?.granted, false);
  });

  it('a vote in one term does not bind in the next', () => {
    const node = new LoneNode({ hardState: { term: 1, vote: 2 } });
    assert.equal(only(node.tell(askedBy(3, 2)), 'vote-response')[0]?.granted, true);
  });

  it('a vote puts off the voter’s own election, a refusal does not', () => {
    const node = new LoneNode({ log: [1], hardState: { term: 2 } });
    node.tick(9);
    node.tell(askedBy(2, 2));
    node.tick(1);
    assert.equal(node.status.role, 'candidate');
    const other = new LoneNode({ hardState: { term: 2 } });
    other.tick(9);
    other.tell(askedBy(2, 2));
    other.tick(9);
    assert.equal(other.status.role, 'follower');
  });

  for (const term of [1, 2])
    it(`a candidate of term 1 that hears a leader of term ${term} follows it`, () => {
      const node = new LoneNode();
      node.raw.campaign();
      node.drain();
      node.append(2, term, [0, 0], []);
      assert.deepEqual([node.status.role, node.status.term, node.status.lead], ['follower', term, 2]);
    });

  it('the election timeout is drawn anew at each state, from one timeout to two', () => {
    const jitters = [3, 7, 0];
    const drawn: number[] = [];
    const node = new LoneNode({
      jitterTicks: (ticks) => {
        drawn.push(ticks);
        return jitters.shift() ?? 5;
      },
    });
    node.tick(12);
    assert.equal(node.status.role, 'follower');
    node.tick(1);
    assert.equal(node.status.role, 'candidate');
    node.tick(16);
    assert.equal(node.status.term, 1);
    node.tick(1);
    assert.equal(node.status.term, 2);
    assert.ok(drawn.length === 3 && drawn.every((ticks) => ticks === 10), `${drawn}`);
  });

  it('a jitter outside of what is allowed is refused', () => {
    for (const jitter of [-1, 10, 0.5, Number.NaN])
      assert.throws(() => new LoneNode({ jitterTicks: () => jitter }), /jitterTicks gave/);
  });

  it('a split vote ends with a new term and one leader', () => {
    const cluster = new Cluster(confState([1, 2, 3, 4]));
    cluster.cut(1, 4);
    cluster.cut(2, 3);
    cluster.raw(1).campaign();
    cluster.raw(2).campaign();
    cluster.settle();
    assert.deepEqual(cluster.leaders(), []);
    cluster.heal();
    cluster.campaign(1);
    assert.deepEqual(cluster.leaders(), [1]);
    assert.equal(cluster.raw(1).status().term, 3);
  });
});

describe('paper 5.4.1: election restriction', () => {
  it('a vote request says how far the candidate’s log goes', () => {
    const node = new LoneNode({ log: [1, 1, 2] });
    node.raw.campaign();
    assert.deepEqual(
      only(node.drain(), 'vote').map(({ last }) => last),
      [
        { term: 2, index: 3 },
        { term: 2, index: 3 },
      ],
    );
  });

  it('a candidate that lacks a committed entry is elected by nobody who has it', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, 'x');
    cluster.heal();
    cluster.campaign(3);
    assert.deepEqual(cluster.leaders(), []);
    cluster.campaign(2);
    assert.deepEqual(cluster.leaders(), [2]);
    for (const id of [1, 2, 3]) assert.deepEqual(cluster.member(id).applied, ['x']);
  });

  const cases: [log: number[], term: number, index: number, granted: boolean][] = [
    [[1], 1, 1, true],
    [[1], 1, 2, true],
    [[1, 1], 1, 1, false],
    [[1], 2, 1, true],
    [[1], 2, 2, true],
    [[1, 1], 2, 1, true],
    [[2], 1, 1, false],
    [[2], 1, 2, false],
    [[2, 1], 1, 1, false],
  ];
  for (const [log, term, index, granted] of cases)
    it(`a voter with terms ${log} ${granted ? 'grants' : 'refuses'} one whose last entry is ${term}/${index}`, () => {
      const node = new LoneNode({ log, hardState: { term: 2 } });
      const [answer] = only(
        node.tell({ type: 'vote', from: 2, to: 1, term: 3, last: { term, index }, transfer: false }),
        'vote-response',
      );
      assert.deepEqual([answer?.granted, answer?.term], [granted, 3]);
    });
});
