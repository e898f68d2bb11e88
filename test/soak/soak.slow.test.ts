/** The soak in a minute or two: the same parts and promises as at full length, with room for a busy machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TABLE_HEAD, tableRow } from './report.ts';
import { soak } from './soak.ts';
import { judge, PROMISED, type Thresholds } from './verdict.ts';

const TASKS = 12_000;

/**
 * A run this short starts in a process that still grows into its caches, and other tests run beside it. What must not
 * be there, a cost for each task that ever ended, doubles within such a run, and more.
 */
const WITH_ROOM: Thresholds = { ...PROMISED, memoryGrowthMax: 1.3, costGrowthMax: 1.6 };

test('after thousands of tasks the state is as small, and the next task as cheap, as at the start', async (t) => {
  const { samples, tasksPerSecond } = await soak({
    tasks: TASKS,
    warmUp: 1_600,
    sampleEach: TASKS / 5,
    window: 200,
    say: () => {},
    sampled: () => {},
  });
  t.diagnostic(`${tasksPerSecond.toFixed(0)} tasks a second`);
  for (const line of [...TABLE_HEAD.split('\n'), ...samples.map(tableRow)]) t.diagnostic(line);
  const broken = judge(samples, WITH_ROOM)
    .filter(({ pass }) => !pass)
    .map(({ what, text }) => `${what}: ${text}`);
  assert.deepEqual(broken, []);
});
