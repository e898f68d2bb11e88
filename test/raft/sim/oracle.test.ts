/** The oracle on small stories, each sound but for one thing: it must name that one, and say nothing of the sound story. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { raftCore } from '../../../src/raft/index.ts';
import { Coverage, type Invariant, type Violation } from '../../../src/raft/sim/index.ts';
import { Oracle } from '../../../src/raft/sim/oracle.ts';
import { createLog, type LogStorage, SimulatedDisk } from '../../../src/raft/storage/index.ts';
import type { Entry } from '../../../src/raft/types.ts';
import { confState, entry } from '../core/cluster.ts';
import { IDENTITY } from '../storage/log-identity.ts';

const VOTERS = [1, 2, 3];
const CONFIGURATION = confState(VOTERS);

/** Three nodes that write, speak and apply as the test says. */
class Story {
  readonly oracle = new Oracle(new Coverage());
  readonly #logs = new Map<number, LogStorage>();

  static async begin(): Promise<Story> {
    const story = new Story();
    for (const nodeId of VOTERS) {
      const disk = new SimulatedDisk({ autoSync: true });
      const log = await createLog(disk, { identity: { ...IDENTITY, nodeId }, confState: CONFIGURATION });
      story.#logs.set(nodeId, log);
      story.oracle.opened(nodeId, log);
    }
    return story;
  }

  log(nodeId: number): LogStorage {
    return this.#logs.get(nodeId) as LogStorage;
  }

  async promises(nodeId: number, term: number, vote: number): Promise<void> {
    await this.log(nodeId).append({ hardState: { term, vote, commit: 0 } });
  }

  async writes(nodeId: number, ...entries: readonly Entry[]): Promise<void> {
    await this.log(nodeId).append({ entries });
    this.oracle.written(nodeId, { entries });
  }

  votes(from: number, to: number, term: number): void {
    this.oracle.sends(from, { type: 'vote-response', from, to, term, granted: true });
  }

  beats(from: number, term: number): void {
    this.oracle.sends(from, { type: 'heartbeat', from, to: (from % 3) + 1, term, commit: 0, readRound: 0 });
  }

  sends(from: number, term: number, ...entries: readonly Entry[]): void {
    const message: raftCore.PeerMessage = {
      type: 'append',
      from,
      to: (from % 3) + 1,
      term,
      previous: { term: 0, index: 0 },
      entries,
      commit: 0,
    };
    this.oracle.sends(from, message);
  }

  acknowledges(from: number, to: number, term: number, index: number): void {
    this.oracle.sends(from, { type: 'append-response', from, to, term, index });
  }

  shows(nodeId: number, term: number, commitIndex: number, isLeader = false, appliedIndex = commitIndex): void {
    this.oracle.look({ nodeId, isLeader, term, commitIndex, appliedIndex, confState: CONFIGURATION });
  }

  /** Node 1 leads term 1, and an entry of its own is committed by it and node 2. */
  async committed(): Promise<void> {
    for (const id of VOTERS) await this.promises(id, 1, 1);
    this.votes(2, 1, 1);
    this.sends(1, 1, entry(1, 1, 'a'));
    await this.writes(1, entry(1, 1, 'a'));
    await this.writes(2, entry(1, 1, 'a'));
    this.acknowledges(2, 1, 1, 1);
    this.shows(1, 1, 0, true);
    this.shows(1, 1, 1, true);
  }

  /** Node 3, which has nothing, leads term 2 by the vote of node 2. */
  async overthrown(): Promise<void> {
    for (const id of [2, 3]) await this.promises(id, 2, 3);
    this.votes(2, 3, 2);
    this.beats(3, 2);
  }
}

const change = (term: number, index: number): Entry => ({ ...entry(term, index, 'change'), type: 'conf-change' });

const BAD: Readonly<Record<string, readonly [Invariant, (story: Story) => Promise<void>]>> = {
  'two lead one term': ['election-safety', async (story) => story.beats(2, 1)],
  'one votes for two': ['one-vote', async (story) => story.votes(2, 3, 1)],
  'one leads a term in which it voted for another': [
    'one-vote',
    async (story) => {
      await story.promises(2, 2, 3);
      story.votes(2, 3, 2);
      story.beats(2, 2);
    },
  ],
  'a vote is said that is not durable': ['durable-promise', async (story) => story.votes(3, 2, 2)],
  'an entry is acknowledged that is not durable': ['durable-promise', async (story) => story.acknowledges(3, 1, 1, 1)],
  'another entry than the leader sent is acknowledged': [
    'durable-promise',
    async (story) => {
      await story.writes(3, entry(1, 1, 'a'));
      await story.overthrown();
      story.sends(3, 2, entry(2, 1, 'b'));
      story.acknowledges(2, 3, 2, 1);
    },
  ],
  'a node comes back and has forgotten a term': [
    'durable-promise',
    async (story) => {
      story.beats(3, 7);
      story.oracle.opened(3, story.log(3));
    },
  ],
  'two entries of one index and term': ['log-matching', async (story) => story.writes(3, entry(1, 1, 'b'))],
  'the same entry after another': [
    'log-matching',
    async (story) => {
      await story.promises(1, 3, 1);
      await story.promises(3, 3, 1);
      await story.writes(1, entry(3, 2, 'x'));
      await story.writes(3, entry(3, 1, 'y'), entry(3, 2, 'x'));
    },
  ],
  'a leader lacks what is committed': [
    'leader-completeness',
    async (story) => {
      await story.overthrown();
      await story.writes(3, entry(2, 1, 'b'));
    },
  ],
  'what is committed is replaced': [
    'leader-completeness',
    async (story) => {
      await story.promises(2, 2, 0);
      await story.writes(2, entry(2, 1, 'b'));
    },
  ],
  'one applies another entry': [
    'state-machine-safety',
    async (story) => {
      story.oracle.applies(1, { index: 1, term: 1, data: new Uint8Array(1) }, 11);
      story.oracle.applies(2, { index: 1, term: 1, data: new Uint8Array(2) }, 12);
    },
  ],
  'a snapshot is of another history': [
    'state-machine-safety',
    async (story) => {
      story.oracle.applies(1, { index: 1, term: 1, data: new Uint8Array(1) }, 11);
      story.oracle.restores(3, 1, 12);
    },
  ],
  'what one alone has is called committed': [
    'durable-commit',
    async (story) => {
      await story.writes(1, entry(1, 2, 'b'));
      story.shows(1, 1, 2, true);
    },
  ],
  'an entry of an earlier term is committed by counting': [
    'durable-commit',
    async (story) => {
      await story.promises(1, 1, 1);
      await story.writes(1, entry(1, 2, 'b'));
      await story.writes(2, entry(1, 2, 'b'));
      for (const id of VOTERS) await story.promises(id, 2, 1);
      story.votes(2, 1, 2);
      story.shows(1, 2, 1, true);
      story.shows(1, 2, 2, true);
    },
  ],
  'the commit index falls': ['monotone', async (story) => story.shows(1, 1, 0, true)],
  'more is applied than is committed': ['monotone', async (story) => story.shows(2, 1, 1, false, 2)],
  'a change before the leader has committed anything': [
    'change-in-turn',
    async (story) => {
      for (const id of [1, 2]) await story.promises(id, 2, 1);
      story.votes(2, 1, 2);
      story.beats(1, 2);
      await story.writes(1, change(2, 2));
    },
  ],
  'a second change before the first is committed': [
    'change-in-turn',
    async (story) => {
      await story.writes(1, change(1, 2));
      await story.writes(1, change(1, 3));
    },
  ],
};

test('the oracle does not blame a leader of the past for what was committed in a later term', async () => {
  const story = await Story.begin();
  await story.committed();
  await story.writes(3, entry(1, 1, 'a'));
  await story.writes(1, entry(1, 2, 'b'));
  // Node 3 is elected, and held up before it has said a word.
  for (const id of [2, 3]) await story.promises(id, 2, 3);
  story.votes(2, 3, 2);
  // Node 1 is elected after it, and commits an old entry along with one of its own.
  for (const id of [1, 2]) await story.promises(id, 3, 1);
  story.votes(2, 1, 3);
  story.shows(1, 3, 1, true);
  story.sends(1, 3, entry(1, 2, 'b'), entry(3, 3, 'c'));
  await story.writes(1, entry(3, 3, 'c'));
  await story.writes(2, entry(1, 2, 'b'), entry(3, 3, 'c'));
  story.shows(1, 3, 3, true);
  story.beats(3, 2);
  await story.writes(3, entry(2, 2, 'd'));
  assert.equal(seenBy(story), undefined, seenBy(story)?.message);
});

const seenBy = ({ oracle }: Story): Violation | undefined => oracle.violation;

for (const [what, [invariant, happens]] of Object.entries(BAD)) {
  test(`the oracle sees it when ${what}`, async () => {
    const story = await Story.begin();
    await story.committed();
    assert.equal(seenBy(story), undefined, 'the beginning is sound');
    await happens(story);
    assert.equal(seenBy(story)?.invariant, invariant, seenBy(story)?.message);
  });
}
