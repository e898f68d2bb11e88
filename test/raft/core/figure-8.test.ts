import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cluster, confState, entry } from './cluster.ts';
import { only } from './lone-node.ts';

/**
 * Up to (c): 2/2 is on S1, S2 and S3, a majority, and S5 has 3/2 alone; nothing of the two is committed, S1 leads.
 * (paper-replication.test.ts has the figure as it stands, without snapshots.)
 */
function upToC(): Cluster {
  const cluster = new Cluster(confState([1, 2, 3, 4, 5]));
  cluster.ignore('append');
  cluster.campaign(1);
  cluster.heal();
  for (const id of [3, 4, 5]) cluster.cut(1, id);
  cluster.tick(1, 1);
  cluster.settle();
  cluster.crash(1);
  cluster.heal();
  cluster.isolate(1);
  cluster.ignore('append');
  cluster.campaign(5);
  cluster.crash(5);
  cluster.heal();
  cluster.isolate(5);
  cluster.ignore('append');
  // S2 and S3 have heard of term 3.
  while (cluster.leaders().length === 0) cluster.campaign(1);
  const { term } = cluster.raw(1).status();
  // A message that is one entry long; the one of term 4 would be in the next, and is lost.
  const previous = { term: 1, index: 1 };
  for (const to of [2, 3]) {
    cluster.step({ type: 'append', from: 1, to, term, previous, entries: [entry(2, 2)], commit: 1 });
  }
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((id) => cluster.log(id)[0]),
    ['2/2', '2/2', '2/2', undefined, '3/2'],
  );
  assert.deepEqual(cluster.leaders(), [1]);
  return cluster;
}

describe('Figure 8 with a snapshot', () => {
  it('of the later term: who had the entry of the earlier one loses all of its log (rules 4 and 9)', () => {
    const cluster = upToC();
    assert.equal(cluster.raw(1).status().commit, 1, 'a majority has 2/2, and yet it may not count');
    // It has more of its own, beyond the end of the snapshot to come.
    for (let i = 0; i < 8; i += 1) cluster.propose(1, 'for nothing');
    assert.equal(cluster.log(1).length, 10);
    // (d) S5 leads, without S1 and S2, and commits 3/2 and more; then its log is cut behind a snapshot.
    cluster.crash(1);
    cluster.heal();
    cluster.isolate(1);
    cluster.isolate(2);
    while (cluster.leaders().length === 0) cluster.campaign(5);
    cluster.propose(5, 'x');
    cluster.propose(5, 'y');
    assert.deepEqual(cluster.member(5).applied, ['x', 'y']);
    cluster.compact(5);
    const snapshot = cluster.raw(5).status();
    // S1 and S2 come back. No entry tells them that 2/2 is wrong: it is behind the snapshot.
    cluster.heal();
    for (let round = 0; round < 5; round += 1) {
      cluster.tick(5, 1);
      cluster.settle();
    }
    assert.ok(only(cluster.sent, 'snapshot').length >= 2);
    for (const id of [1, 2]) {
      assert.deepEqual(cluster.log(id), [], `S${id} keeps nothing of its log`);
      assert.deepEqual(cluster.member(id).applied, ['x', 'y']);
      assert.equal(cluster.raw(id).status().commit, snapshot.commit);
    }
    cluster.propose(5, 'z');
    for (const id of [1, 2, 3, 4, 5]) assert.deepEqual(cluster.member(id).applied, ['x', 'y', 'z']);
  });

  it('holds nothing that is on a majority without being committed (rule 9)', () => {
    const cluster = upToC();
    const { applied, commit } = cluster.raw(1).status();
    assert.deepEqual([applied, commit], [1, 1], 'a snapshot is of what is applied, and 2/2 is not');
    assert.throws(() => cluster.compact(1), /snapshot at 1 is not newer/);
    assert.equal(cluster.log(1)[0], '2/2');
  });

  it('of the earlier term, once an entry of the leader’s own follows it, is for good (rule 9)', () => {
    const cluster = upToC();
    // (e) S1 gets its entry of term 4 to S2 and S3: 2/2 is committed with it, and cut behind a snapshot.
    cluster.heal();
    cluster.isolate(5);
    cluster.tick(1, 1);
    cluster.settle();
    cluster.propose(1, 'x');
    cluster.compact(1);
    assert.ok(cluster.raw(1).status().commit >= 3);
    // S5 asks in vain, and then learns by the snapshot that its 3/2 is nothing.
    cluster.crash(5);
    cluster.heal();
    cluster.campaign(5);
    assert.notDeepEqual(cluster.leaders(), [5]);
    while (!cluster.leaders().includes(1)) cluster.campaign(1);
    for (let round = 0; round < 5; round += 1) {
      cluster.tick(1, 1);
      cluster.settle();
    }
    assert.ok(!cluster.log(5).includes('3/2'));
    for (const id of [1, 2, 3, 4, 5]) assert.deepEqual(cluster.member(id).applied, ['x']);
  });
});
