import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ClusterReport } from '../../bench/index.ts';
import { zkraft } from '../support/cli.ts';

describe('zkraft bench cluster', () => {
  const dir = mkdtempSync(join(tmpdir(), 'zkraft-bench-cluster-test-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  let report: ClusterReport;
  let code: number | null;

  before(async () => {
    const out = join(dir, 'report.json');
    const flags = ['--seconds', '3', '--workers', '1,3', '--history', '2000', '--tasks', '200', '--out', out];
    const run = await zkraft(['bench', 'cluster', ...flags, '--json']);
    code = run.code;
    assert.equal(code, 0, run.stdout);
    report = JSON.parse(readFileSync(out, 'utf8'));
    assert.deepEqual(run.json(), report);
  });

  it('measures each number of workers, half of that, each size of history, and the long run', () => {
    const { by_workers, at_half, by_history, long_run } = report;
    assert.deepEqual(
      by_workers.map(({ workers }) => workers),
      [1, 3],
    );
    for (const { tasksPerSecond, submitMs, assignMs, wholeMs } of [...by_workers, at_half, ...by_history]) {
      assert.ok(tasksPerSecond > 0);
      for (const { p50, p99, max } of [submitMs, assignMs, wholeMs]) assert.ok(p50 >= 0 && p99 >= p50 && max >= p99);
      assert.ok(wholeMs.p50 >= assignMs.p50, 'a task is assigned before it is proved');
    }
    assert.deepEqual(
      by_history.map(({ historyRows }) => historyRows),
      [2_000],
    );
    assert.equal(long_run.at(-1)?.tasks, 200);
  });

  it('tells CPU and memory of each process', { skip: process.platform !== 'linux' }, () => {
    const { processes } = report.at_half;
    const names = ['coordinator-1', 'coordinator-2', 'coordinator-3', 'gateway', 'load', 'postgres'];
    assert.deepEqual(processes.map(({ name }) => name).sort(), names);
    for (const { name, cpuUsPerTask, rssMb } of processes) assert.ok(cpuUsPerTask > 0 && rssMb > 10, name);
  });

  it('kills a leader, and no submit is answered with anything but 202 or 503', () => {
    const { answers, longestGapMs } = report.failover;
    assert.deepEqual(
      Object.keys(answers).filter((answer) => answer !== '202' && answer !== '503'),
      [],
    );
    assert.ok((answers['202'] ?? 0) > 0 && longestGapMs > 100, `${longestGapMs} ms without a leader`);
  });

  it('refuses flags by name, before anything is started', async () => {
    const run = await zkraft(['bench', 'cluster', '--workers', '0', '--json']);
    assert.equal(run.code, 2);
    assert.match(run.stdout, /--workers 0/);
  });
});
