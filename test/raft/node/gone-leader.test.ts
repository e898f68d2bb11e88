import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Contacts } from '../../../src/raft/node/contacts.ts';
import { GoneLeader } from '../../../src/raft/node/gone-leader.ts';

const TICK_MS = 100;

/** A follower of node 3, whose core only notes what it is told. */
function follower(id: number, voters: readonly number[] = [1, 2, 3]) {
  const clock = { nowMs: 0 };
  const contacts = new Contacts(10 * TICK_MS);
  const told: string[] = [];
  const core = {
    lead: 3,
    forgetLeader: () => {
      told.push('forget');
      core.lead = 0;
    },
    campaign: () => void told.push('campaign'),
  };
  const confState = { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const gone = new GoneLeader({
    id,
    state: { confState },
    contacts,
    runtime: { now: () => clock.nowMs },
    heartbeatTimeoutMs: 10 * TICK_MS,
  });
  const tick = (role: 'follower' | 'candidate' = 'follower') => {
    clock.nowMs += TICK_MS;
    gone.tick(core, { role, lead: core.lead });
    return told.splice(0);
  };
  const hear = (from: number) => {
    contacts.heard(from, clock.nowMs);
    gone.heard(from);
  };
  hear(3);
  return { gone, tick, hear, core };
}

const ticks = (tick: () => string[], count: number): string[] =>
  Array.from({ length: count }, () => tick().join()).map((told) => told || '-');

describe('a follower whose leader’s process has ended', () => {
  it('forgets it after two silent heartbeats, and campaigns in its turn', () => {
    const first = follower(1);
    first.gone.gone(3);
    assert.deepEqual(ticks(first.tick, 5), ['-', 'forget', 'campaign', '-', '-']);
    const second = follower(2);
    second.gone.gone(3);
    assert.deepEqual(ticks(second.tick, 8), ['-', 'forget', '-', '-', '-', 'campaign', '-', '-']);
  });

  it('does not campaign when it has no vote, but forgets, so that it can tell who leads', () => {
    const learner = follower(9);
    learner.gone.gone(3);
    assert.deepEqual(
      ticks(learner.tick, 20).filter((told) => told !== '-'),
      ['forget'],
    );
  });

  it('goes on following a leader that is heard, whatever its port says', () => {
    const node = follower(1);
    for (let i = 0; i < 20; i += 1) {
      node.gone.gone(3);
      assert.deepEqual(node.tick(), []);
      node.hear(3);
    }
    // And was it silent for once, a word of it ends all suspicion.
    node.gone.gone(3);
    assert.deepEqual(ticks(node.tick, 2), ['-', 'forget']);
    node.core.lead = 3;
    node.hear(3);
    assert.deepEqual(ticks(node.tick, 20), Array(20).fill('-'));
  });

  it('takes no part once there is another leader, or while it is a candidate already', () => {
    const other = follower(1);
    other.gone.gone(3);
    other.core.lead = 2;
    assert.deepEqual(ticks(other.tick, 20), Array(20).fill('-'));
    const candidate = follower(1);
    candidate.gone.gone(3);
    assert.deepEqual(
      ticks(() => candidate.tick('candidate'), 5),
      Array(5).fill('-'),
    );
  });

  it('does not care for the end of a peer that does not lead', () => {
    const node = follower(1);
    node.gone.gone(2);
    assert.deepEqual(ticks(node.tick, 20), Array(20).fill('-'));
  });
});
