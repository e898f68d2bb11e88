/**
 * `npm run test:soak -- --tasks 100000`: the soak at full length, as a table, with PASS or FAIL for each promise.
 *
 * `--cpu-prof DIR` leaves a profile of the coordinator's process in a folder. Exits 1 when a promise is not kept.
 */
import { parseArgs } from 'node:util';
import { TABLE_HEAD, tableRow } from './report.ts';
import { soak } from './soak.ts';
import { judge, PROMISED } from './verdict.ts';

const { values } = parseArgs({
  options: { tasks: { type: 'string', default: '100000' }, 'cpu-prof': { type: 'string' } },
});
const tasks = Number(values.tasks);
if (!Number.isSafeInteger(tasks) || tasks < 6_000) {
  process.stderr.write(`--tasks is ${values.tasks}; it must be a number from 6000 up\n`);
  process.exit(2);
}
const profileDir = values['cpu-prof'];
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const interrupted = new AbortController();
// The second one ends this process as usual.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
const sampleEach = Math.floor(tasks / 10);
const { samples, tasksPerSecond } = await soak({
  tasks,
  warmUp: Math.min(2_000, Math.floor(sampleEach / 2)),
  sampleEach,
  window: Math.max(100, Math.min(1_000, Math.floor(sampleEach / 5))),
  nodeFlags: profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`],
  signal: interrupted.signal,
  say: (line) => process.stderr.write(`${line}\n`),
  sampled: (sample) => {
    if (sample.tasks < sampleEach * 1.5) say(TABLE_HEAD);
    say(tableRow(sample));
  },
});
say('');
const findings = judge(samples, PROMISED);
for (const { what, pass, text } of findings) say(`${pass ? 'PASS' : 'FAIL'}  ${what.padEnd(20)} ${text}`);
say('');
say(`${tasks} tasks, ${tasksPerSecond.toFixed(0)} a second`);
process.exitCode = findings.every(({ pass }) => pass) ? 0 : 1;
