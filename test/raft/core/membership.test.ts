import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  checkConfiguration,
  EMPTY_CONFIGURATION,
  fromConfState,
  toConfState,
} from '../../../src/raft/core/configuration.ts';
import {
  type ConfChange,
  type ConfChangeStep,
  decodeConfChange,
  encodeConfChange,
} from '../../../src/raft/core/index.ts';
import { enterJoint, leaveJoint, type Membership, simpleChange } from '../../../src/raft/core/membership-change.ts';
import { add, bytes, Cluster, confState, learn, remove } from './cluster.ts';
import { LoneNode } from './lone-node.ts';

const NONE = new Uint8Array(0);
const change = (
  changes: readonly ConfChangeStep[],
  more: Partial<Extract<ConfChange, { version: 2 }>> = {},
): ConfChange => ({
  version: 2,
  transition: 'auto',
  changes,
  context: NONE,
  ...more,
});

describe('changing the members of a cluster', () => {
  it('adds a learner, which gets the log but is not counted, then makes it a voter', () => {
    const cluster = new Cluster(confState([1, 2]));
    cluster.join(3, confState([1, 2]));
    cluster.campaign(1);
    cluster.propose(1, 'x');
    cluster.change(1, [learn(3)]);
    assert.deepEqual(cluster.member(3).applied, ['x']);
    cluster.isolate(2);
    cluster.propose(1, 'y');
    assert.deepEqual(cluster.member(1).applied, ['x'], 'the learner has it, but one voter of two has not');
    cluster.heal();
    cluster.tick(1, 1);
    cluster.settle();
    cluster.change(1, [add(3)]);
    assert.deepEqual(cluster.member(3).confState, confState([1, 2, 3]));
    cluster.isolate(2);
    cluster.propose(1, 'z');
    assert.deepEqual(cluster.member(1).applied, ['x', 'y', 'z']);
  });

  it('takes one step for one voter, and goes through a joint configuration by itself for several', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    for (const id of [4, 5]) cluster.join(id, confState([1, 2, 3]));
    cluster.campaign(1);
    const before = cluster.raw(1).status().lastIndex;
    cluster.change(1, [add(4)]);
    assert.equal(cluster.raw(1).status().lastIndex, before + 1);
    cluster.change(1, [add(5), remove(2), learn(3)]);
    assert.equal(cluster.raw(1).status().lastIndex, before + 3, 'a second entry leaves the joint configuration');
    assert.deepEqual(cluster.member(4).confState, confState([1, 4, 5], { learners: [3] }));
  });

  it('turns a change into an empty entry while another may be on its way, and says so', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.ignore('append');
    assert.equal(cluster.raw(1).proposeConfChange(change([add(4)])).status, 'appended');
    const second = cluster.raw(1).proposeConfChange(change([add(5)]));
    assert.match(
      second.status === 'appended' ? (second.refusedChange ?? '') : '',
      /entry 3 may be one, and 2 is applied/,
    );
    cluster.heal();
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(cluster.member(1).confState.voters, [1, 2, 3, 4]);
    assert.equal(cluster.log(1).at(-1), '2/4');
  });

  it('waits, in a new term, until all entries from before are applied', () => {
    const node = new LoneNode({ log: [1, 1], hardState: { commit: 1 } });
    node.elect();
    const outcome = node.raw.proposeConfChange(change([add(4)]));
    assert.match(outcome.status === 'appended' ? (outcome.refusedChange ?? '') : '', /entry 2 may be one/);
    node.drain();
    node.acknowledge(2, 4);
    const later = node.raw.proposeConfChange(change([add(4)]));
    assert.equal(later.status === 'appended' && later.refusedChange, undefined);
  });

  it('leaves a joint configuration only by an empty change, and enters none by one', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.join(4, confState([1, 2, 3]));
    cluster.campaign(1);
    const why = (outcome: ReturnType<Cluster['change']>): string =>
      outcome.status === 'appended' ? (outcome.refusedChange ?? 'none') : outcome.status;
    assert.match(why(cluster.change(1, [])), /no joint configuration to leave/);
    cluster.change(1, [add(4)], 'joint-explicit');
    assert.match(why(cluster.change(1, [remove(4)])), /must be left first/);
    assert.equal(why(cluster.change(1, [])), 'none');
    assert.deepEqual(cluster.member(4).confState, confState([1, 2, 3, 4]));
  });

  it('never commits a change that no node could apply', () => {
    const node = new LoneNode({ voters: [1] });
    node.elect();
    const why = (one: ConfChange): string => {
      const outcome = node.raw.proposeConfChange(one);
      node.drain();
      return outcome.status === 'appended' ? (outcome.refusedChange ?? 'none') : outcome.status;
    };
    assert.match(why(change([remove(1)])), /removed all voters/);
    assert.match(why(change([learn(1)])), /removed all voters/);
    assert.equal(why(change([add(2), remove(3)], { transition: 'joint-explicit' })), 'none');
    node.acknowledge(2, node.status.lastIndex);
    // Empty, but by its transition a way in and not out.
    assert.match(why(change([], { transition: 'joint-explicit' })), /must be left first/);
    node.acknowledge(2, node.status.lastIndex);
    assert.equal(why(change([])), 'none');
    node.acknowledge(2, node.status.lastIndex);
    assert.deepEqual([...node.status.configuration.outgoing], []);
  });

  it('leaves a joint configuration by itself also under a leader that did not enter it', () => {
    const state = confState([1, 2, 3], { votersOutgoing: [1, 2], autoLeave: true });
    const cluster = new Cluster(state);
    cluster.campaign(2);
    assert.deepEqual(cluster.member(2).confState, confState([1, 2, 3]));
  });

  it('is not held up by the limit of what is uncommitted when it must leave', () => {
    const node = new LoneNode({
      state: confState([1, 2, 3], { votersOutgoing: [1, 2], autoLeave: true }),
      maxUncommittedBytes: 10,
    });
    node.elect();
    node.raw.propose(bytes('0123456789'));
    node.drain();
    node.acknowledge(2, 1);
    assert.equal(node.status.lastIndex, 3);
    assert.deepEqual(decodeConfChange(node.storage.entries(3, 4, 1e6)?.[0] as never), change([]));
  });

  it('a leader that is removed steps down when it applies that, after the others could commit it', () => {
    const cluster = new Cluster(confState([1, 2, 3]), { stepDownOnRemoval: true });
    cluster.campaign(1);
    cluster.change(1, [remove(1)]);
    assert.deepEqual([cluster.leaders(), cluster.raw(1).status().role], [[], 'follower']);
    for (const id of [2, 3]) assert.deepEqual(cluster.member(id).confState.voters, [2, 3]);
    cluster.campaign(2);
    assert.deepEqual(cluster.leaders(), [2]);
  });

  it('a leader that becomes a learner steps down as well', () => {
    const cluster = new Cluster(confState([1, 2, 3]), { stepDownOnRemoval: true });
    cluster.campaign(1);
    cluster.change(1, [learn(1)]);
    assert.deepEqual(cluster.leaders(), []);
  });

  it('without stepping down, a removed leader takes no more proposals', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.change(1, [remove(1)]);
    assert.deepEqual(cluster.propose(1, 'x'), { status: 'dropped', reason: 'not-a-member' });
  });

  it('removing the one that held a quorum back commits what waited', () => {
    const cluster = new Cluster(confState([1, 2, 3, 4]));
    cluster.campaign(1);
    cluster.isolate(4);
    cluster.raw(1).proposeConfChange(change([remove(4)]));
    cluster.settle();
    cluster.isolate(3);
    cluster.propose(1, 'x');
    assert.deepEqual(cluster.member(1).applied, ['x'], '1 and 2 are a majority of three');
    assert.deepEqual(cluster.member(1).confState.voters, [1, 2, 3]);
  });

  it('a smaller quorum commits, at once, what it has and the larger had not', () => {
    const node = new LoneNode({ voters: [1, 2, 3, 4] });
    node.raw.campaign();
    node.drain();
    for (const id of [2, 3]) node.vote(id);
    for (const id of [2, 3]) node.acknowledge(id, 1);
    node.raw.proposeConfChange(change([remove(4)]));
    node.raw.propose(bytes('x'));
    node.drain();
    node.acknowledge(2, 3);
    assert.equal(node.status.commit, 1);
    const told = node.acknowledge(3, 2);
    assert.equal(node.status.commit, 3, 'two of four had the last entry, two of three are enough');
    assert.equal(
      told.some((message) => message.type === 'append' && message.commit === 3),
      true,
    );
  });

  it('answers of a node that was removed are not heard', () => {
    const cluster = new Cluster(confState([1, 2, 3]));
    cluster.campaign(1);
    cluster.change(1, [remove(3)]);
    const { term } = cluster.raw(1).status();
    const outcome = cluster.raw(1).step({ type: 'append-response', from: 3, to: 1, term, index: 1 });
    assert.equal(outcome, 'unknown-peer');
  });

  it('a node that is added, removed and added again is fed from the beginning', () => {
    const cluster = new Cluster(confState([1, 2]));
    cluster.campaign(1);
    cluster.join(3, confState([1, 2]));
    cluster.change(1, [add(3)]);
    cluster.change(1, [remove(3)]);
    cluster.members.delete(3);
    cluster.join(3, confState([1, 2]));
    cluster.change(1, [add(3)]);
    cluster.tick(1, 1);
    cluster.settle();
    assert.deepEqual(cluster.log(3), cluster.log(1));
  });

  it('an update changes nothing and carries its context', () => {
    const cluster = new Cluster(confState([1, 2]));
    cluster.campaign(1);
    const update = change([{ kind: 'update', nodeId: 2 }], { context: bytes('10.0.0.2') });
    cluster.raw(1).proposeConfChange(update);
    cluster.settle();
    assert.deepEqual(cluster.member(2).confState, confState([1, 2]));
    const last = cluster.member(2).storage.lastIndex();
    assert.deepEqual(decodeConfChange(cluster.member(2).storage.entries(last, last + 1, 1e6)?.[0] as never), update);
  });

  it('a change whose bytes say nothing does not get into the log', () => {
    const node = new LoneNode();
    node.elect();
    node.acknowledge(2, 1);
    node.raw.step({
      type: 'propose',
      from: 2,
      to: 1,
      term: 0,
      origin: 2,
      entries: [{ type: 'conf-change', data: Uint8Array.of(0xff) }],
    });
    node.drain();
    assert.deepEqual(node.storage.entries(2, 3, 1e6)?.[0]?.type, 'normal');
  });
});

describe('bootstrap', () => {
  it('starts every first member with the same entries, and they find each other', () => {
    const cluster = new Cluster(confState([]));
    for (const id of [1, 2, 3]) {
      const node = new LoneNode({ id, voters: [] });
      node.raw.bootstrap([1, 2, 3].map((one) => ({ id: one, context: bytes(`host-${one}`) })));
      assert.deepEqual(node.drain(), []);
      assert.deepEqual([node.status.term, node.status.commit, node.status.applied], [1, 3, 3]);
      assert.deepEqual([...node.status.configuration.voters], [1, 2, 3]);
      cluster.members.set(id, {
        id,
        raw: node.raw,
        storage: node.storage,
        applied: [],
        reads: [],
        confState: confState([]),
      });
    }
    cluster.campaign(2);
    assert.deepEqual(cluster.leaders(), [2]);
    cluster.propose(2, 'x');
    for (const id of [1, 2, 3]) assert.deepEqual(cluster.member(id).applied, ['x']);
  });

  it('wants an empty storage and somebody to start with', () => {
    assert.throws(() => new LoneNode({ log: [1] }).raw.bootstrap([{ id: 1 }]), /needs an empty storage/);
    assert.throws(() => new LoneNode({ voters: [] }).raw.bootstrap([]), /at least one member/);
    const twice = new LoneNode({ voters: [] });
    twice.raw.bootstrap([{ id: 1 }]);
    assert.throws(() => twice.raw.bootstrap([{ id: 1 }]), /needs an empty storage/);
  });
});

const CONTEXT = { lastIndex: 10, maxInflightMessages: 10, maxInflightBytes: 1e6 };
const START: Membership = simpleChange({ configuration: EMPTY_CONFIGURATION, progress: new Map() }, [add(1)], CONTEXT);

const step = fc.record({
  kind: fc.constantFrom('add-voter' as const, 'add-learner' as const, 'remove' as const, 'update' as const),
  nodeId: fc.integer({ min: 1, max: 6 }),
});

describe('any sequence of changes', () => {
  it('leads to configurations that can be, known member by member, and to none that is wrong in between', () => {
    const operation = fc.record({
      how: fc.constantFrom('simple', 'joint', 'leave'),
      auto: fc.boolean(),
      steps: fc.array(step, { minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
        let membership = START;
        for (const { how, auto, steps } of operations) {
          const before = toConfState(membership.configuration);
          try {
            if (how === 'simple') membership = simpleChange(membership, steps, CONTEXT);
            else if (how === 'joint') membership = enterJoint(membership, auto, steps, CONTEXT);
            else membership = leaveJoint(membership, CONTEXT);
          } catch {
            assert.deepEqual(toConfState(membership.configuration), before, 'an error changes nothing');
            continue;
          }
          const { configuration, progress } = membership;
          checkConfiguration(configuration);
          const members = new Set([...configuration.voters, ...configuration.outgoing, ...configuration.learners]);
          assert.deepEqual(
            [...progress.keys()],
            [...members].sort((a, b) => a - b),
          );
          for (const [id, { isLearner }] of progress) assert.equal(isLearner, configuration.learners.has(id));
          assert.deepEqual(toConfState(fromConfState(toConfState(configuration))), toConfState(configuration));
          const after = new Set(before.voters);
          const moved = [...configuration.voters].filter((id) => !after.has(id)).length;
          const gone = before.voters.filter((id) => !configuration.voters.has(id)).length;
          if (how === 'simple') assert.ok(moved + gone <= 1, 'majorities overlap');
          if (how === 'joint') assert.deepEqual([...configuration.outgoing].sort(), [...before.voters].sort());
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is the same in one joint change as in single ones', () => {
    let compared = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        let one: Membership;
        try {
          one = leaveJoint(enterJoint(START, false, steps, CONTEXT), CONTEXT);
        } catch {
          return;
        }
        let single = START;
        try {
          for (const each of steps) single = simpleChange(single, [each], CONTEXT);
        } catch {
          return;
        }
        assert.deepEqual(toConfState(one.configuration), toConfState(single.configuration));
        compared++;
      }),
      { numRuns: 300 },
    );
    assert.ok(compared > 100, `${compared} could be compared`);
  });

  it('keeps what is known of those that stay', () => {
    const known = START.progress.get(1);
    assert.ok(known, 'the first member');
    known.acknowledge(7);
    const grown = simpleChange(START, [add(2)], CONTEXT);
    assert.deepEqual([grown.progress.get(1)?.match, grown.progress.get(2)?.match], [7, 0]);
    assert.equal(grown.progress.get(2)?.next, 10);
    grown.progress.get(2)?.acknowledge(5);
    const demoted = simpleChange(grown, [learn(2)], CONTEXT);
    assert.deepEqual([demoted.progress.get(2)?.match, demoted.progress.get(2)?.isLearner], [5, true]);
    const returned = simpleChange(demoted, [remove(2), learn(2)], CONTEXT);
    assert.equal(returned.progress.get(2)?.match, 0, 'who left in between may come back with nothing');
  });

  it('refuses ids and states that cannot be', () => {
    for (const id of [-1, 0.5, 2 ** 53])
      assert.throws(() => simpleChange(START, [add(id)], CONTEXT), /not the id of a node/);
    const wrong = [
      confState([], { learners: [1] }),
      confState([1], { learners: [1] }),
      confState([1], { learnersNext: [2] }),
      confState([1, 2], { votersOutgoing: [1, 2], learnersNext: [2] }),
      confState([1], { autoLeave: true }),
    ];
    for (const state of wrong) assert.throws(() => fromConfState(state), { name: 'RaftConfigError' });
  });
});

describe('a change as bytes', () => {
  const steps = fc.array(
    fc.record(
      {
        kind: fc.constantFrom('add-voter' as const, 'add-learner' as const, 'remove' as const, 'update' as const),
        nodeId: fc.oneof(fc.nat(300), fc.maxSafeNat()),
      },
      { noNullPrototype: true },
    ),
    { maxLength: 6 },
  );
  const context = fc.uint8Array({ maxLength: 200 });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(
        steps,
        fc.constantFrom('auto' as const, 'joint-implicit' as const, 'joint-explicit' as const),
        context,
        (changes, transition, data) => {
          const many: ConfChange = { version: 2, transition, changes, context: data };
          assert.deepEqual(decodeConfChange(encodeConfChange(many)), many);
          if (changes[0] === undefined) return;
          const one: ConfChange = { version: 1, change: changes[0], context: data };
          assert.deepEqual(decodeConfChange(encodeConfChange(one)), one);
        },
      ),
    );
  });

  it('is what etcd writes', () => {
    const hex = (c: ConfChange): string => Buffer.from(encodeConfChange(c).data).toString('hex');
    assert.equal(
      hex({ version: 1, change: { kind: 'remove', nodeId: 300 }, context: bytes('c') }),
      '0800100118ac02220163',
    );
    assert.equal(
      hex(change([add(1), learn(2)], { transition: 'joint-explicit' })),
      '08021204080010011204' + '08031002',
    );
    assert.equal(hex(change([])), '');
  });

  it('is refused with a reason when it is damaged, and never anything but that', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom('conf-change' as const, 'conf-change-v2' as const),
        (data, type) => {
          try {
            decodeConfChange({ type, data });
          } catch (error) {
            assert.equal((error as Error).name, 'RaftConfigError');
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
