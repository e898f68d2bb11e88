import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type BedNode, eventually, NodeBed, pause, retried, text, words } from './node-bed.ts';

const roles = async ({ node }: BedNode): Promise<string[]> =>
  (await node.peers()).map(({ name, role }) => `${name} ${role}`).sort();

/** The promotion that the leader itself has just made may not be over yet: then it is asked again. */
const refused = (work: () => Promise<unknown>, says: RegExp): Promise<void> =>
  eventually(async () => {
    const message = await work().then(
      () => 'it was not refused',
      (error: Error) => error.message,
    );
    if (/another change of the members is under way/.test(message)) return false;
    assert.match(message, says);
    return true;
  });

describe('membership', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  it('adds a learner first, which becomes a voter when it has caught up and was in touch (rule 6)', async () => {
    const [a] = await bed.cluster(['a'], { promoteInTouchMs: 400 });
    assert.ok(a);
    const b = await bed.start('b');
    assert.equal(b.node.status().isWaiting, true);
    await assert.rejects(b.node.propose(text('x')), { code: 'not_leader' });
    await retried(() => a.node.addPeer('b'));
    assert.deepEqual(await roles(a), ['a voter', 'b learner']);
    await eventually(() => b.node.status().state === 'Learner' && b.node.status().leaderId === 'a');
    await assert.rejects(a.node.promote('b'), /has been in touch for 0 s/);
    await retried(() => a.node.promote('b'));
    assert.deepEqual(await roles(a), ['a voter', 'b voter']);
    await eventually(async () => (await roles(b)).join() === 'a voter,b voter');
    assert.deepEqual(await b.node.peers().then((all) => all.map(({ raftAddress }) => raftAddress).sort()), ['a', 'b']);
  });

  it('does not promote a learner that lacks more than 250 entries (rule 6)', async () => {
    const [a] = await bed.cluster(['a'], { autoPromote: false });
    assert.ok(a);
    const b = await bed.start('b');
    await retried(() => a.node.addPeer('b'));
    await eventually(() => b.node.status().appliedIndex === a.node.status().appliedIndex);
    bed.network.filter = (message, _, to) => to !== 'b' || message.type !== 'append';
    await Promise.all(Array.from({ length: 251 }, (_, i) => a.node.propose(text(`${i}`))));
    await assert.rejects(a.node.promote('b'), /lacks 25\d entries; a learner may lack 250/);
    bed.network.filter = () => true;
    await retried(() => a.node.promote('b'));
  });

  it('lets a learner take a voter’s place in one step, through a joint configuration (rule 6)', async () => {
    const [a] = await bed.cluster(['a', 'b', 'c'], { autoPromote: false });
    assert.ok(a);
    const leader = await bed.leader();
    const [out] = ['a', 'b', 'c'].filter((name) => name !== leader.name);
    assert.ok(out !== undefined);
    await bed.start('d', { autoPromote: false });
    await refused(() => leader.node.replacePeer(out, 'd'), /no member is called "d"/);
    await retried(() => leader.node.addPeer('d'));
    await refused(() => leader.node.replacePeer('d', out), /"d" is no voter/);
    await refused(() => leader.node.replacePeer(leader.name, 'd'), /leads; transfer leadership first/);
    let isJoint = false;
    bed.network.filter = () => {
      isJoint ||= (leader.node.confState?.votersOutgoing.length ?? 0) > 0;
      return true;
    };
    await retried(() => leader.node.replacePeer(out, 'd'));
    await eventually(() => leader.node.confState?.votersOutgoing.length === 0);
    assert.equal(isJoint, true, 'for a while, majorities of both decide');
    const voters = ['a', 'b', 'c', 'd'].filter((name) => name !== out);
    assert.deepEqual(
      await roles(leader),
      voters.map((name) => `${name} voter`),
    );
    await leader.node.propose(text('after'));
    await eventually(() => words(bed.nodes.get('d') as BedNode).includes('after'));
  });

  it('makes one change at a time (rule 6)', async () => {
    const [a] = await bed.cluster(['a', 'b']);
    assert.ok(a);
    await bed.start('c');
    await bed.start('d');
    const outcomes = await Promise.allSettled([a.node.addPeer('c'), a.node.addPeer('d')]);
    const codes = outcomes.map((one) => (one.status === 'fulfilled' ? 'added' : one.reason.code)).sort();
    assert.deepEqual(codes, ['added', 'membership_busy']);
  });

  it('changes nothing before the first entry of the leader is committed (rule 6)', async () => {
    await bed.cluster(['a', 'b', 'c']);
    bed.network.filter = (message) => message.type !== 'append-response';
    const old = await bed.leader();
    await old.node.stepDown().catch(() => {});
    const next = await bed.leader();
    await bed.start('d');
    await assert.rejects(next.node.addPeer('d'), (error: { code: string }) =>
      ['membership_busy', 'not_leader'].includes(error.code),
    );
    bed.network.filter = () => true;
    await retried(async () => (await bed.leader()).node.addPeer('d'));
  });

  it('refuses a removal that would leave no majority in touch, unless forced (rule 6)', async () => {
    const [a, b] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a && b);
    await bed.stop('c');
    await pause(400);
    await refused(() => a.node.removePeer('b'), /1 of 2 voters would be in touch, and a majority is 2/);
    await retried(() => a.node.removePeer('c'));
    assert.deepEqual(await roles(a), ['a voter', 'b voter']);
    await retried(() => a.node.propose(text('two are enough')));
  });

  it('does not remove itself from the lead, nor the only voter', async () => {
    const [a] = await bed.cluster(['a', 'b']);
    assert.ok(a);
    await refused(() => a.node.removePeer('a'), /transfer leadership first/);
    await refused(() => a.node.removePeer('nobody'), /no member is called "nobody"/);
    await retried(() => a.node.removePeer('b'));
    await refused(() => a.node.removePeer('a'), /is the only voter/);
  });

  it('lists its peers without a leader (rule 11)', async () => {
    const [, b] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(b);
    await bed.stop('a');
    await bed.stop('c');
    await eventually(() => b.node.status().leaderId === undefined);
    const peers = await b.node.peers();
    assert.deepEqual(peers.map(({ name, raftAddress }) => `${name} ${raftAddress}`).sort(), ['a a', 'b b', 'c c']);
    assert.ok(peers.every(({ isLeader, progress }) => !isLeader && progress === undefined));
  });

  it('refuses a node that lost its disk under its old name, until it is removed and added anew (rule 8)', async () => {
    const [a, b] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a && b);
    await a.node.propose(text('precious'));
    const before = bed.nodes.get('c')?.node.status().incarnation;
    await bed.stop('c');
    bed.wipe('c');
    const c = await bed.start('c');
    assert.notEqual(c.node.status().incarnation, before);
    await eventually(() => bed.network.refusals.some((why) => why.includes(`incarnation ${before} of "c"`)));
    await refused(() => a.node.addPeer('c'), /another incarnation .* remove it first/);
    // It holds no vote: with b gone nothing is committed, though two processes run.
    await bed.stop('b');
    const write = a.node.propose(text('not by the wiped one')).then(
      () => 'committed',
      (error: { code: string }) => error.code,
    );
    assert.equal(await write, 'outcome_unknown');
    assert.deepEqual(words(c), []);
    await bed.start('b');
    const leader = await bed.leader(['a', 'b']);
    await retried(() => leader.node.removePeer('c'));
    await retried(() => leader.node.addPeer('c'));
    await eventually(() => words(c).includes('precious'));
  });

  it('never merges two clusters that were begun apart (rule 7)', async () => {
    const a = await bed.start('a', { bootstrap: true });
    const b = await bed.start('b', { bootstrap: true });
    await eventually(() => a.node.status().state === 'Leader' && b.node.status().state === 'Leader');
    await refused(() => a.node.addPeer('b'), /of another cluster/);
    const own = b.node.identity();
    await assert.rejects(b.node.admit(a.node.identity(), own.nodeId), { code: 'peer_refused' });
    assert.notEqual(a.node.status().clusterId, b.node.status().clusterId);
  });

  it('leads at once when it is alone, at its beginning and after a restart', async () => {
    const never = { heartbeatTimeoutMs: 60_000, electionTimeoutMs: 60_000, bootstrap: true };
    for (const what of ['begun', 'restarted']) {
      const a = await bed.start('a', never);
      await eventually(() => a.node.status().state === 'Leader');
      await a.node.propose(text(what));
      await bed.stop('a');
    }
  });

  it('bootstraps once: again, with a log, it goes on (rule 7)', async () => {
    const a = await bed.start('a', { bootstrap: true });
    await eventually(() => a.node.status().state === 'Leader');
    await a.node.propose(text('kept'));
    const { clusterId, incarnation } = a.node.status();
    await bed.stop('a');
    const again = await bed.start('a', { bootstrap: true });
    assert.equal(again.node.status().clusterId, clusterId);
    assert.equal(again.node.status().incarnation, incarnation);
    assert.deepEqual(words(again), ['kept']);
  });

  it('learns a new address of a member, and dials it there', async () => {
    const [a] = await bed.cluster(['a', 'b', 'c']);
    assert.ok(a);
    await bed.stop('c');
    const moved = await bed.start('c', { raftAddress: 'c2', connect: bed.network.connector('c2') });
    await retried(() => a.node.addPeer('c2'));
    await retried(() => a.node.propose(text('to the new address')));
    await eventually(() => words(moved).includes('to the new address'));
    const addresses = (await a.node.peers()).map(({ raftAddress }) => raftAddress).sort();
    assert.deepEqual(addresses, ['a', 'b', 'c2']);
  });
});
