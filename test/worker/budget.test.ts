import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readBudget } from '../../src/worker/budget.ts';

const GIB = 1024 ** 3;
const machine = { memoryBytes: 64 * GIB, cpus: 32 };
const files =
  (contents: Record<string, string>) =>
  (path: string): string | undefined =>
    contents[path];

describe('the budget', () => {
  it("is the container's under cgroup v2, not the machine's", () => {
    const budget = readBudget(
      files({
        '/proc/self/cgroup': '0::/\n',
        '/sys/fs/cgroup/memory.max': `${4 * GIB}\n`,
        '/sys/fs/cgroup/cpu.max': '300000 100000\n',
      }),
      machine,
    );
    assert.deepEqual(budget, { memoryBytes: 4 * GIB, memoryFrom: 'cgroup v2', cpus: 3, concurrency: 3 });
  });

  it('takes the lowest limit of a group and its ancestors', () => {
    const budget = readBudget(
      files({
        '/proc/self/cgroup': '0::/system.slice/zkraft.service\n',
        '/sys/fs/cgroup/system.slice/memory.max': `${2 * GIB}\n`,
        '/sys/fs/cgroup/system.slice/zkraft.service/memory.max': `${8 * GIB}\n`,
      }),
      machine,
    );
    assert.equal(budget.memoryBytes, 2 * GIB);
    assert.equal(budget.concurrency, 2);
  });

  it('reads cgroup v1', () => {
    const budget = readBudget(
      files({
        '/proc/self/cgroup': '5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${3 * GIB}\n`,
        '/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us': '200000\n',
        '/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us': '100000\n',
      }),
      machine,
    );
    assert.deepEqual(budget, { memoryBytes: 3 * GIB, memoryFrom: 'cgroup v1', cpus: 2, concurrency: 2 });
  });

  it('knows how both spell "no limit", and then is the machine\'s', () => {
    const v2 = files({
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': 'max\n',
      '/sys/fs/cgroup/cpu.max': 'max 100000\n',
    });
    const v1 = files({
      '/proc/self/cgroup': '5:memory:/\n4:cpu:/\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    });
    for (const read of [v2, v1, files({})]) {
      const budget = readBudget(read, machine);
      assert.equal(budget.memoryFrom, 'machine');
      assert.equal(budget.memoryBytes, 64 * GIB);
      assert.equal(budget.cpus, 32);
    }
  });

  it('ignores a limit above what the machine has', () => {
    const read = files({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': `${512 * GIB}\n` });
    assert.equal(readBudget(read, machine).memoryFrom, 'machine');
  });

  it('never goes below one proof, however small the container', () => {
    const read = files({
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': '67108864\n',
      '/sys/fs/cgroup/cpu.max': '10000 100000\n',
    });
    assert.deepEqual(readBudget(read, machine).concurrency, 1);
    assert.deepEqual(readBudget(read, machine).cpus, 1);
  });

  it('survives files that hold nonsense', () => {
    const read = files({
      '/proc/self/cgroup': 'what\n0::\n:::/x\n0::/\n',
      '/sys/fs/cgroup/memory.max': 'lots',
      '/sys/fs/cgroup/cpu.max': '0 0',
    });
    assert.equal(readBudget(read, machine).memoryFrom, 'machine');
  });

  it('reads this machine', () => {
    const budget = readBudget();
    assert.ok(budget.concurrency >= 1 && budget.cpus >= 1 && budget.memoryBytes > 64 * 1024 * 1024);
  });
});
