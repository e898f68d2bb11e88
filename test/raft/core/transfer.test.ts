import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes, Cluster, confState, remove } from './cluster.ts';
import { LoneNode, only } from './lone-node.ts';

const led = (cluster: Cluster): unknown => [cluster.leaders(), cluster.raw(1).status().transferee];

describe('handing over leadership', () => {
  for (const options of [{}, { preVote: true, checkQuorum: true }])
    it(`to a follower that has everything goes at once (${JSON.stringify(options)})`, () => {
      const cluster = new Cluster(confState([1, 2, 3]), options);
      cluster.campaign(1);
      cluster.raw(1).transferLeader(2);
      cluster.settle();
      assert.deepEqual(led(cluster), [[2], 0]);
      assert.equal(cluster.raw(2).status().term, 3);
    });

  it('to one that lags waits until it has caught up', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, 'x');
    cluster.heal();
    cluster.raw(1).transferLeader(3);
    cluster.settle();
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(led(cluster), [[3], 0]);
    assert.deepEqual(cluster.member(3).applied, ['x']);
  });

  it('to one that needs a snapshot waits for that', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, 'x');
    cluster.compact(1);
    cluster.propose(1, 'y');
    cluster.heal();
    cluster.raw(1).transferLeader(3);
    cluster.settle();
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(led(cluster), [[3], 0]);
  });

  it('can be asked of a follower, which passes it on', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.raw(2).transferLeader(3);
    cluster.settle();
    assert.deepEqual(cluster.leaders(), [3]);
    const [passed] = only(cluster.sent, 'transfer-leader');
    assert.deepEqual([passed?.from, passed?.to, passed?.transferee], [2, 1, 3]);
  });

  it('to oneself, a learner or a stranger does nothing', () => {
    for (const to of [1, 4, 9]) {
      const cluster = new Cluster(confState([1, 2, 3], { learners: [4] }));
      cluster.campaign(1);
      cluster.raw(1).transferLeader(to);
      cluster.settle();
      assert.deepEqual(led(cluster), [[1], 0]);
    }
  });

  it('takes no proposals meanwhile, and takes them again when it is given up after an election timeout', () => {
    const node = new LoneNode();
    node.elect();
    node.raw.transferLeader(3);
    assert.deepEqual(node.raw.propose(bytes('x')), { status: 'dropped', reason: 'transferring' });
    node.tick(9);
    assert.equal(node.status.transferee, 3);
    node.tick(1);
    assert.equal(node.status.transferee, 0);
    assert.equal(node.raw.propose(bytes('x')).status, 'appended');
  });

  it('asked again for the same gains no time, for another begins anew, for itself gives up', () => {
    const node = new LoneNode();
    node.elect();
    node.raw.transferLeader(3);
    node.tick(9);
    node.raw.transferLeader(3);
    node.tick(1);
    assert.equal(node.status.transferee, 0);
    node.raw.transferLeader(3);
    node.tick(9);
    node.raw.transferLeader(2);
    node.tick(9);
    assert.equal(node.status.transferee, 2);
    node.raw.transferLeader(1);
    assert.equal(node.status.transferee, 0);
  });

  it('does not outlive the term', () => {
    const node = new LoneNode();
    node.elect();
    node.raw.transferLeader(3);
    node.append(2, 2, [1, 1], [2]);
    assert.equal(node.status.transferee, 0);
    node.elect();
    assert.deepEqual([node.status.role, node.status.transferee], ['leader', 0]);
  });

  it('is given up when the one it is meant for is removed', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    // Appended before the transfer begins, applied after.
    cluster.ignore('append');
    cluster
      .raw(1)
      .proposeConfChange({ version: 2, transition: 'auto', changes: [remove(3)], context: new Uint8Array(0) });
    cluster.settle();
    cluster.heal();
    cluster.isolate(3);
    cluster.raw(1).transferLeader(3);
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(led(cluster), [[1], 0]);
    assert.deepEqual(cluster.member(1).confState.voters, [1, 2]);
  });

  it('a second leader of the same term cannot come of it', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.raw(1).transferLeader(2);
    cluster.settle();
    cluster.step({ type: 'timeout-now', from: 1, to: 3, term: 2 });
    assert.equal(cluster.leaders().length, 1);
    cluster.step({ type: 'timeout-now', from: 2, to: 1, term: 3 });
    assert.equal(cluster.leaders().length, 1);
  });

  it('a learner that is told to campaign does not', () => {
    const node = new LoneNode({ state: confState([2, 3], { learners: [1] }) });
    node.tell({ type: 'timeout-now', from: 2, to: 1, term: 1 });
    assert.deepEqual([node.status.role, node.status.term], ['follower', 1]);
  });
});
