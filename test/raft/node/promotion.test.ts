import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ZkraftError } from '../../../src/common/index.ts';
import { silentLogger } from '../../../src/common/logging/index.ts';
import { MEMBERSHIP_RULES } from '../../../src/raft/node/index.ts';
import { Members } from '../../../src/raft/node/members.ts';
import { Promotion, type PromotionOptions } from '../../../src/raft/node/promotion.ts';
import { EMPTY_CONF_STATE } from '../../../src/raft/types.ts';
import { type BedNode, eventually, NodeBed, pause, retried, text } from './node-bed.ts';

const roleOf = async ({ node }: BedNode, name: string) => (await node.peers()).find((peer) => peer.name === name)?.role;

describe('learners of a running cluster', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  it('become voters unasked, one after the other (rule 6)', async () => {
    const [a] = await bed.cluster(['a']);
    assert.ok(a);
    for (const name of ['b', 'c']) {
      await bed.start(name);
      await retried(() => a.node.addPeer(name));
    }
    await eventually(async () => (await roleOf(a, 'b')) === 'voter' && (await roleOf(a, 'c')) === 'voter');
    // They do vote: without the first the two elect one of them.
    await eventually(() => ['b', 'c'].every((name) => bed.nodes.get(name)?.node.status().state === 'Follower'));
    await bed.stop('a');
    const leader = await bed.leader(['b', 'c']);
    await leader.node.propose(text('by the two'));
  });

  it('stay learners while they lack more than 250 entries, though they are in touch (rule 6)', async () => {
    const [a] = await bed.cluster(['a']);
    assert.ok(a);
    await Promise.all(Array.from({ length: 300 }, (_, i) => a.node.propose(text(`${i}`))));
    bed.network.filter = (message, _, to) => to !== 'b' || message.type !== 'append';
    await bed.start('b');
    await retried(() => a.node.addPeer('b'));
    const progress = async () => (await a.node.peers()).find(({ name }) => name === 'b')?.progress;
    await eventually(async () => (await progress())?.isInTouch === true);
    await pause(600);
    assert.ok(((await progress())?.lagEntries ?? 0) > 250);
    assert.equal(await roleOf(a, 'b'), 'learner');
    bed.network.filter = () => true;
    await eventually(async () => (await roleOf(a, 'b')) === 'voter');
  });

  it('stay learners where that is turned off, until somebody asks; to ask again changes nothing', async () => {
    const [a] = await bed.cluster(['a'], { autoPromote: false });
    assert.ok(a);
    const b = await bed.start('b');
    await retried(() => a.node.addPeer('b'));
    await eventually(() => b.node.status().state === 'Learner');
    await pause(600);
    assert.equal(await roleOf(a, 'b'), 'learner');
    await retried(() => a.node.promote('b'));
    assert.equal(await roleOf(a, 'b'), 'voter');
    const { commitIndex } = a.node.status();
    await a.node.promote('b');
    assert.equal(a.node.status().commitIndex, commitIndex, 'nothing was proposed');
    await assert.rejects(b.node.promote('b'), { code: 'not_leader' });
  });
});

describe('promotion', () => {
  const LEARNERS = [2, 3];
  const learner = (nodeId: number) => ({
    nodeId,
    name: `n${nodeId}`,
    incarnationId: `i${nodeId}`,
    raftAddress: '',
    clientAddress: '',
  });

  /** A leader's world, to be turned: who is how far, and for how long. */
  function world() {
    const now = {
      ms: 0,
      leads: true,
      isHandingOver: false,
      isChanging: false,
      outgoing: [] as number[],
      match: new Map(LEARNERS.map((id) => [id, 1_000])),
      inTouchMs: new Map(LEARNERS.map((id) => [id, 10_000])),
      refusal: undefined as ZkraftError | undefined,
      autoPromote: true,
    };
    const promoted: string[] = [];
    const confState = () => ({ ...EMPTY_CONF_STATE, voters: [1], votersOutgoing: now.outgoing, learners: LEARNERS });
    const members = Members.NONE.changed(new TextEncoder().encode(JSON.stringify(LEARNERS.map(learner))), confState());
    const options = {
      driver: {
        get leads() {
          return now.leads;
        },
        get isHandingOver() {
          return now.isHandingOver;
        },
        contacts: { inTouchForMs: (id: number) => now.inTouchMs.get(id) ?? 0 },
        coreStatus: async () => ({
          lastIndex: 1_000,
          progress: new Map([...now.match].map(([id, match]) => [id, { match }])),
        }),
      },
      state: {
        get confState() {
          return confState();
        },
        members,
      },
      membership: {
        get isChanging() {
          return now.isChanging;
        },
        promote: async (name: string) => {
          promoted.push(name);
          if (now.refusal !== undefined) throw now.refusal;
        },
      },
      runtime: { now: () => now.ms },
      rules: {
        ...MEMBERSHIP_RULES,
        get autoPromote() {
          return now.autoPromote;
        },
      },
      retryMs: 1_000,
      logger: silentLogger,
    } as unknown as PromotionOptions<string>;
    return { now, promoted, promotion: new Promotion<string>(options) };
  }

  it('asks for 250 entries of lag at most, and 10 s in touch', async () => {
    const { now, promoted, promotion } = world();
    now.match = new Map([
      [2, 749],
      [3, 750],
    ]);
    now.inTouchMs.set(3, 9_999);
    await promotion.consider();
    assert.deepEqual(promoted, []);
    now.inTouchMs.set(3, 10_000);
    await promotion.consider();
    assert.deepEqual(promoted, ['n3'], 'the one that is not ready does not stand in the way');
  });

  for (const [what, turn] of [
    ['this node does not lead', { leads: false }],
    ['leadership is being handed over', { isHandingOver: true }],
    ['another change is under way', { isChanging: true }],
    ['the configuration is joint', { outgoing: [1] }],
    ['it is turned off', { autoPromote: false }],
  ] as const) {
    it(`begins nothing while ${what}`, async () => {
      const { now, promoted, promotion } = world();
      const before = { ...now };
      Object.assign(now, turn);
      await promotion.consider();
      assert.deepEqual(promoted, []);
      Object.assign(now, before);
      await promotion.consider();
      assert.deepEqual(promoted, ['n2']);
    });
  }

  it('gives way to a change that begins while it looks', async () => {
    const { now, promoted, promotion } = world();
    const considered = promotion.consider();
    now.isChanging = true;
    await considered;
    assert.deepEqual(promoted, []);
  });

  it('has one under way at a time', async () => {
    const { promoted, promotion } = world();
    await Promise.all([promotion.consider(), promotion.consider()]);
    assert.deepEqual(promoted, ['n2']);
  });

  it('tries again after a refusal, not at once', async () => {
    const { now, promoted, promotion } = world();
    now.refusal = new ZkraftError('membership_busy', 'another change');
    await promotion.consider();
    now.refusal = undefined;
    now.ms = 999;
    await promotion.consider();
    assert.deepEqual(promoted, ['n2']);
    now.ms = 1_000;
    await promotion.consider();
    assert.deepEqual(promoted, ['n2', 'n2']);
  });
});
