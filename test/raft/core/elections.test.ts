import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PeerMessage, VoteMessage } from '../../../src/raft/core/index.ts';
import { add, bytes, Cluster, confState } from './cluster.ts';
import { LoneNode, only } from './lone-node.ts';

const asks = (type: 'vote' | 'pre-vote', term: number, more: Partial<VoteMessage> = {}): VoteMessage => ({
  type,
  from: 2,
  to: 1,
  term,
  last: { term: 9, index: 9 },
  transfer: false,
  ...more,
});

describe('pre-vote', () => {
  it('leaves term and vote alone until an election could be won', () => {
    const node = new LoneNode({ preVote: true });
    node.raw.campaign();
    const asked = only(node.drain(), 'pre-vote');
    assert.deepEqual(
      asked.map(({ to, term }) => [to, term]),
      [
        [2, 1],
        [3, 1],
      ],
    );
    assert.deepEqual([node.status.role, node.status.term, node.status.vote], ['pre-candidate', 0, 0]);
    const votes = only(node.tell({ type: 'pre-vote-response', from: 2, to: 1, term: 1, granted: true }), 'vote');
    assert.equal(votes.length, 2);
    assert.deepEqual([node.status.role, node.status.term, node.status.vote], ['candidate', 1, 1]);
  });

  it('that is lost ends as a follower in the same term', () => {
    const node = new LoneNode({ preVote: true, hardState: { term: 3 } });
    node.raw.campaign();
    node.drain();
    for (const from of [2, 3]) node.tell({ type: 'pre-vote-response', from, to: 1, term: 3, granted: false });
    assert.deepEqual([node.status.role, node.status.term], ['follower', 3]);
  });

  it('votes of the real kind do not count for it, nor the other way round', () => {
    const node = new LoneNode({ preVote: true, hardState: { term: 1 } });
    node.raw.campaign();
    node.drain();
    node.vote(2);
    assert.equal(node.status.role, 'pre-candidate');
  });

  it('is granted to several, and binds nobody', () => {
    const node = new LoneNode();
    for (const from of [2, 3])
      assert.equal(only(node.tell(asks('pre-vote', 1, { from })), 'pre-vote-response')[0]?.granted, true);
    assert.deepEqual([node.status.term, node.status.vote], [0, 0]);
  });

  it('is refused in the term that the voter is in, so that the candidate learns of it', () => {
    const node = new LoneNode({ hardState: { term: 5 } });
    const [answer] = only(node.tell(asks('pre-vote', 3)), 'pre-vote-response');
    assert.deepEqual([answer?.granted, answer?.term], [false, 5]);
  });

  it('keeps a node that comes back from disturbing the leader', () => {
    const cluster = new Cluster(confState([1, 2, 3]), { preVote: true, checkQuorum: true });
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.tick(3, 50);
    cluster.settle();
    const { term } = cluster.raw(1).status();
    cluster.heal();
    for (const id of [1, 2, 3]) cluster.tick(id, 1);
    cluster.settle();
    assert.deepEqual([cluster.leaders(), cluster.raw(3).status().term, cluster.raw(3).status().lead], [[1], term, 1]);
  });

  it('without it, the same node forces a new term on all', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.tick(3, 50);
    cluster.settle();
    cluster.heal();
    cluster.tick(1, 1);
    cluster.tick(3, 10);
    cluster.settle();
    assert.ok(cluster.raw(1).status().term > 3, 'a later term');
  });

  it('lets a node with a high term and a short log end its own isolation', () => {
    const cluster = new Cluster(confState([1, 2, 3]), { preVote: true, checkQuorum: true });
    cluster.campaign(1);
    cluster.propose(1, 'x');
    cluster.isolate(3);
    cluster.propose(1, 'y');
    // As if it had campaigned before pre-vote was turned on.
    cluster.raw(3).step(asks('vote', 9, { to: 3, transfer: true }));
    cluster.settle();
    assert.equal(cluster.raw(3).status().term, 9);
    cluster.heal();
    cluster.tick(1, 1);
    cluster.settle();
    assert.ok(cluster.raw(1).status().term >= 9, 'its answer to an old heartbeat tells the leader');
    cluster.campaign(1);
    assert.deepEqual(cluster.leaders(), [1]);
    assert.deepEqual(cluster.member(3).applied, ['x', 'y']);
  });
});

describe('check-quorum', () => {
  it('makes a leader step down that hears no majority for an election timeout', () => {
    const node = new LoneNode({ checkQuorum: true });
    node.elect();
    node.acknowledge(2, 1);
    node.tick(10);
    assert.equal(node.status.role, 'leader', 'it heard one during the first timeout');
    node.tick(10);
    assert.deepEqual([node.status.role, node.status.lead], ['follower', 0]);
  });

  it('gives a member that was just added one timeout to say its first word', () => {
    const cluster = new Cluster(confState([1]), { checkQuorum: true });
    cluster.campaign(1);
    cluster.tick(1, 9);
    cluster.change(1, [add(2)]);
    cluster.tick(1, 1);
    assert.deepEqual(cluster.leaders(), [1]);
    cluster.tick(1, 10);
    assert.deepEqual(cluster.leaders(), []);
  });

  it('counts both halves of a joint configuration', () => {
    const state = confState([1, 4, 5], { votersOutgoing: [1, 2, 3] });
    const node = new LoneNode({ checkQuorum: true, state });
    node.raw.campaign();
    node.drain();
    node.vote(2);
    node.vote(4);
    for (const id of [2, 4]) node.acknowledge(id, 1);
    node.tick(10);
    assert.equal(node.status.role, 'leader');
    for (const id of [2, 3]) node.acknowledge(id, 1);
    node.tick(10);
    assert.equal(node.status.role, 'follower');
  });

  it('a follower that hears its leader ignores votes and pre-votes of higher terms', () => {
    for (const type of ['vote', 'pre-vote'] as const) {
      const node = new LoneNode({ checkQuorum: true, hardState: { term: 1 } });
      node.append(3, 1, [0, 0], []);
      node.tick(9);
      assert.deepEqual(node.tell(asks(type, 5)), []);
      assert.deepEqual([node.status.term, node.status.lead], [1, 3]);
    }
  });

  it('but not when the leader itself wants the election', () => {
    const node = new LoneNode({ checkQuorum: true, hardState: { term: 1 } });
    node.append(3, 1, [0, 0], []);
    const [answer] = only(node.tell(asks('vote', 2, { transfer: true })), 'vote-response');
    assert.equal(answer?.granted, true);
  });

  it('nor when it has not heard the leader for an election timeout', () => {
    const node = new LoneNode({ checkQuorum: true, hardState: { term: 1 }, jitterTicks: () => 5 });
    node.append(3, 1, [0, 0], []);
    node.tick(10);
    const [answer] = only(node.tell(asks('vote', 2)), 'vote-response');
    assert.equal(answer?.granted, true);
  });

  it('a node of a higher term answers an old leader, so that it steps down', () => {
    const node = new LoneNode({ checkQuorum: true, hardState: { term: 5 } });
    const [answer] = node.tell({ type: 'heartbeat', from: 2, to: 1, term: 3, commit: 0, readRound: 0 });
    assert.deepEqual([answer?.type, answer?.to, answer?.term], ['append-response', 2, 5]);
    const old = new LoneNode({ id: 2, hardState: { term: 2 } });
    old.elect(3);
    assert.equal(old.status.term, 3);
    old.tell(answer as PeerMessage);
    assert.deepEqual([old.status.role, old.status.term], ['follower', 5]);
  });
});

describe('an election in a joint configuration', () => {
  const half: [votes: [id: number, granted: boolean][], role: string][] = [
    [
      [
        [2, true],
        [3, true],
      ],
      'candidate',
    ],
    [
      [
        [4, true],
        [5, true],
      ],
      'candidate',
    ],
    [
      [
        [2, true],
        [4, true],
      ],
      'leader',
    ],
    [
      [
        [2, true],
        [4, false],
        [5, false],
      ],
      'follower',
    ],
    [
      [
        [4, true],
        [2, false],
        [3, false],
      ],
      'follower',
    ],
  ];
  for (const [votes, role] of half)
    it(`of 1,4,5 out of 1,2,3 with ${JSON.stringify(votes)}: ${role}`, () => {
      const node = new LoneNode({ state: confState([1, 4, 5], { votersOutgoing: [1, 2, 3] }) });
      node.raw.campaign();
      assert.deepEqual(
        only(node.drain(), 'vote').map(({ to }) => to),
        [2, 3, 4, 5],
      );
      for (const [id, granted] of votes) node.vote(id, granted);
      assert.equal(node.status.role, role);
    });
});

describe('a follower', () => {
  it('does not campaign while it hears its leader, by whatever message', () => {
    const node = new LoneNode({ hardState: { term: 1 } });
    const words: (() => void)[] = [
      () => node.append(2, 1, [0, 0], []),
      () => node.tell({ type: 'heartbeat', from: 2, to: 1, term: 1, commit: 0, readRound: 0 }),
      () => {
        const snapshot = { data: bytes(''), metadata: { index: 1, term: 1, confState: confState([1, 2, 3]) } };
        node.tell({ type: 'snapshot', from: 2, to: 1, term: 1, snapshot });
      },
    ];
    for (const word of words) {
      node.tick(9);
      word();
    }
    node.tick(9);
    assert.deepEqual([node.status.role, node.status.term], ['follower', 1]);
    node.tick(1);
    assert.deepEqual([node.status.role, node.status.term], ['candidate', 2]);
  });
});

describe('who may campaign', () => {
  it('a learner may not, and votes all the same', () => {
    const node = new LoneNode({ state: confState([2, 3], { learners: [1] }) });
    node.raw.campaign();
    node.tick(30);
    assert.deepEqual([node.status.role, node.status.term], ['follower', 0]);
    assert.equal(only(node.tell(asks('vote', 1)), 'vote-response')[0]?.granted, true);
  });

  it('a node that is no member may not', () => {
    const node = new LoneNode({ voters: [2, 3] });
    node.tick(30);
    assert.equal(node.status.term, 0);
  });

  it('a node with a committed change of the configuration that is not applied may not', () => {
    const node = new LoneNode({ log: [1] });
    const change = { version: 2, transition: 'auto', changes: [add(4)], context: new Uint8Array(0) } as const;
    const leader = new LoneNode({ id: 2, log: [1], hardState: { commit: 1 } });
    leader.elect(3);
    leader.raw.proposeConfChange(change);
    const { entries } = only(leader.drain(), 'append').find(({ to }) => to === 3) ?? { entries: [] };
    assert.equal(entries.length, 0, 'the first probe is still out');
    const all = leader.storage.entries(2, leader.storage.lastIndex() + 1, 1e6) ?? [];
    node.raw.step({
      type: 'append',
      from: 2,
      to: 1,
      term: 2,
      previous: { term: 1, index: 1 },
      entries: all,
      commit: all.at(-1)?.index ?? 0,
    });
    node.raw.campaign();
    assert.equal(node.status.role, 'follower');
    node.drain();
    node.raw.campaign();
    assert.equal(node.status.role, 'candidate');
  });

  it('a node that is writing a snapshot may not', () => {
    const node = new LoneNode({});
    const metadata = { index: 5, term: 1, confState: confState([1, 2, 3]) };
    node.raw.step({ type: 'snapshot', from: 2, to: 1, term: 1, snapshot: { data: bytes(''), metadata } });
    node.raw.campaign();
    assert.equal(node.status.role, 'follower');
    node.drain();
    node.raw.campaign();
    assert.equal(node.status.role, 'candidate');
  });

  it('a leader does not, and stays what it is', () => {
    const node = new LoneNode();
    node.elect();
    node.raw.campaign();
    assert.deepEqual([node.status.role, node.status.term, node.drain()], ['leader', 1, []]);
  });

  it('a cluster of one elects itself without a word, but only once its vote is written', () => {
    const node = new LoneNode({ voters: [1] });
    node.raw.campaign();
    assert.equal(node.status.role, 'candidate');
    assert.deepEqual(node.drain(), []);
    assert.deepEqual([node.status.role, node.status.commit], ['leader', 1]);
  });
});

describe('forgetting a leader', () => {
  it('lets a follower vote for another in the same term’s pre-vote, without a timeout', () => {
    const node = new LoneNode({ checkQuorum: true, preVote: true, hardState: { term: 1 } });
    node.append(3, 1, [0, 0], []);
    node.raw.forgetLeader();
    assert.equal(node.status.lead, 0);
    assert.equal(only(node.tell(asks('pre-vote', 2)), 'pre-vote-response')[0]?.granted, true);
    node.append(3, 1, [0, 0], []);
    assert.equal(node.status.lead, 3, 'a word of the leader brings it back');
  });

  it('does nothing on a leader, and is refused where leases protect reads', () => {
    const leader = new LoneNode();
    leader.elect();
    leader.raw.forgetLeader();
    assert.equal(leader.status.lead, 1);
    const node = new LoneNode({ checkQuorum: true, readOnly: 'lease-based', hardState: { term: 1 } });
    node.append(3, 1, [0, 0], []);
    node.raw.forgetLeader();
    assert.equal(node.status.lead, 3);
  });
});
