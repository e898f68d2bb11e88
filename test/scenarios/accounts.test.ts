/** That the accounts of a scenario would find what they are there to find, and that its plan is what it says. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '../support/seeded-random.ts';
import { accountsOfRecord, type EventRecord, type TaskRecord } from './accounts.ts';
import { FAULT_KINDS, FAULTS_IN_TURN, planFaults } from './fault-plan.ts';
import { COORDINATORS, PART_NAMES } from './parts.ts';
import { makeRequests } from './task-load.ts';

const requests = makeRequests(new SeededRandom(1), 2, [2]);
const submissions = requests.map((request, i) => ({ request, taskIds: new Set([`task-${i}`]) }));
const completed = (id: string, attempt = 1): TaskRecord => ({ id, status: 'completed', attempt, error_code: null });
const event = (task_id: string, kind: string, attempt = 1): EventRecord => ({ task_id, kind, attempt, code: null });
const tasks = [completed('task-0'), completed('task-1', 2)];
const story = [
  ...['assigned', 'started', 'completed'].map((kind) => event('task-0', kind)),
  ...['assigned', 'retry_scheduled'].map((kind) => event('task-1', kind)),
  ...['assigned', 'completed'].map((kind) => event('task-1', kind, 2)),
];
const wrongWith = (more: { tasks?: TaskRecord[]; story?: EventRecord[]; submissions?: typeof submissions }): string =>
  [...accountsOfRecord(more.tasks ?? tasks, more.story ?? story, more.submissions ?? submissions)].join('\n');

describe('the accounts of a scenario', () => {
  it('find nothing where every task was completed once, tried again or not', () => {
    assert.equal(wrongWith({}), '');
  });

  it('find a task that was accepted and is lost', () => {
    assert.match(wrongWith({ tasks: tasks.slice(1) }), /task-0 was accepted and is lost/);
  });

  it('find a request that was never accepted, and one that became two tasks', () => {
    const [first, second] = submissions;
    assert.ok(first && second);
    assert.match(
      wrongWith({ submissions: [{ ...first, taskIds: new Set() }, second] }),
      /request 0 was never accepted/,
    );
    const two = { ...first, taskIds: new Set(['task-0', 'task-9']) };
    assert.match(wrongWith({ submissions: [two, second] }), /request 0 became 2 tasks/);
    assert.match(wrongWith({ submissions: [first, { ...second, taskIds: new Set(['task-0']) }] }), /two different/);
  });

  it('find a task that nobody asked for', () => {
    assert.match(wrongWith({ tasks: [...tasks, completed('task-9')] }), /task-9 was asked for by nobody/);
  });

  it('find a task that was completed twice, never, or went on after its end', () => {
    assert.match(wrongWith({ story: [...story, event('task-0', 'completed')] }), /task-0 was completed 2 times/);
    assert.match(wrongWith({ story: story.filter(({ kind }) => kind !== 'completed') }), /completed 0 times/);
    assert.match(wrongWith({ story: [...story, event('task-0', 'retry_scheduled')] }), /goes on after its end/);
  });

  it('find a task that did not complete', () => {
    const failed = { id: 'task-0', status: 'failed', attempt: 1, error_code: 'attempts_exhausted' };
    assert.match(wrongWith({ tasks: [failed, ...tasks.slice(1)] }), /task-0 is failed \(attempts_exhausted\)/);
  });

  it('find attempts that were not counted, or counted and never made', () => {
    assert.match(wrongWith({ tasks: [completed('task-0', 2), ...tasks.slice(1)] }), /counts 2 attempts, its story 1/);
    assert.match(
      wrongWith({ story: [...story, event('task-1', 'retry_scheduled')] }),
      /sent back to the queue 2 times/,
    );
  });
});

describe('the plan of faults', () => {
  const plan = planFaults(new SeededRandom(7), 60);

  it('is the same for the same seed, and another for another', () => {
    assert.deepEqual(planFaults(new SeededRandom(7), 60), plan);
    assert.notDeepEqual(planFaults(new SeededRandom(8), 60), plan);
  });

  it('goes in turn through every kind on every part, then leaves it to chance', () => {
    const turn = FAULT_KINDS.flatMap((kind) =>
      (kind === 'cut' ? COORDINATORS : PART_NAMES).map((part) => `${kind} ${part}`),
    );
    assert.equal(turn.length, FAULTS_IN_TURN);
    const names = plan.map(({ kind, part }) => `${kind} ${part}`);
    assert.deepEqual(names.slice(0, 30), [...turn, ...turn].slice(0, 30));
    assert.notDeepEqual(names.slice(30, 54), [...turn, ...turn].slice(6, 30));
  });

  it('lets some faults strike during another one, on another part', () => {
    const pairs = plan.flatMap((fault, i) => (fault.overlaps ? [[plan[i - 1], fault] as const] : []));
    assert.ok(pairs.length > 0);
    for (const [before, fault] of pairs) assert.ok(before && before.part !== fault.part && !before.overlaps);
  });
});
