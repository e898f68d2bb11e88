import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TakenSet, VisitedStates } from '../../../src/raft/sim/visited-states.ts';

/** With a hash that says nothing, so that only what is in it tells sets apart. */
function setOf(size: number, ...members: readonly number[]): TakenSet {
  const set = new TakenSet(size);
  for (const member of members) set.toggle(member);
  set.hash = 7;
  return set;
}
const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i);

describe('where a search has been', () => {
  it('is known by the set and the state, though the hash be the same', () => {
    const visited = new VisitedStates();
    const sets = [[], [0], [1], [31], [32], [33, 95], [95], upTo(32), upTo(33), upTo(64), upTo(65), upTo(96)];
    sets.push([...upTo(32), 33], [...upTo(64), 66], [0, ...upTo(64).slice(32)]);
    for (const members of sets) assert.equal(visited.add(setOf(96, ...members), 's'), true, String(members));
    for (const members of sets) assert.equal(visited.add(setOf(96, ...members), 's'), false, String(members));
    assert.equal(visited.add(setOf(96, 0), 't'), true);
  });

  it('does not change when the set does', () => {
    const visited = new VisitedStates();
    const set = setOf(64, 3);
    visited.add(set, 's');
    set.toggle(4);
    assert.equal(visited.add(setOf(64, 3), 's'), false);
    assert.equal(visited.add(setOf(64, 3, 4), 's'), true);
  });

  it('comes to the same hash whatever was put in first, and back to that of nothing', () => {
    const [one, two] = [new TakenSet(64), new TakenSet(64)];
    for (const member of [1, 40, 7]) one.toggle(member);
    for (const member of [7, 1, 40]) two.toggle(member);
    assert.equal(one.hash, two.hash);
    assert.notEqual(one.hash, 0);
    for (const member of [40, 1, 7]) one.toggle(member);
    assert.equal(one.hash, 0);
    assert.deepEqual([...one.words], [0, 0]);
  });
});
