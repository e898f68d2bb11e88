import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { latencies } from '../../bench/harness/latencies.ts';
import { gaps, type RaftReport, raftReportLines } from '../../bench/raft/report.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => count - i);

describe('the report of bench raft', () => {
  it('gives samples that were taken, the least that so many do not exceed', () => {
    assert.deepEqual(gaps(upTo(50)), { rounds: 50, p50_ms: 25, p90_ms: 45, p99_ms: 50, max_ms: 50 });
    assert.deepEqual(latencies(upTo(1_000)), { p50: 500, p95: 950, p99: 990, max: 1_000 });
    assert.deepEqual(gaps([7.6]), { rounds: 1, p50_ms: 8, p90_ms: 8, p99_ms: 8, max_ms: 8 });
  });

  it('is a table of loads and a table of gaps, with every figure', () => {
    const load = { perSecond: 1234.5, latencyMs: { p50: 1.234, p95: 22.2, p99: 33.3, max: 44.4 } };
    const gap = (first: number) => ({ rounds: 50, p50_ms: first, p90_ms: 901, p99_ms: 902, max_ms: 903 });
    const report: RaftReport = {
      bench: 'raft',
      machine: { cpu: 'a cpu', cores: 2, memory_gb: 8, platform: 'linux-x64' },
      node: '20.0.0',
      command_bytes: 256,
      sequential: load,
      proposers_256: load,
      timeouts: [1_000, 250].map((ms) => ({ election_timeout_ms: ms, failover: gap(ms + 1), transfer: gap(ms + 2) })),
    };
    const lines = raftReportLines(report);
    assert.match(lines[0] ?? '', /a cpu, 2 cores, linux-x64, Node 20\.0\.0/);
    assert.equal(lines.filter((line) => /\s1235\s+1\.23\s+22\s+33\s+44$/.test(line)).length, 2);
    for (const figure of [1_001, 1_002, 251, 252])
      assert.equal(
        lines.filter((line) => line.endsWith(`50      ${String(figure).padStart(4)}       901       902       903`))
          .length,
        1,
      );
    const tables = lines.filter((line) => /\d$|max$/.test(line)).slice(1);
    assert.equal(new Set(tables.map(({ length }) => length)).size, 1, 'figures stand below one another');
  });
});
