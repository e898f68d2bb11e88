import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { BenchReport, Figures } from '../../bench/index.ts';
import { figures, keptReports } from '../../scripts/docs/bench-table.ts';

const side = (name: string, wall_ms: number, more: Partial<Figures> = {}): Figures => {
  const spread = { min: wall_ms, q1: wall_ms, q3: wall_ms, max: wall_ms };
  const spreads = { wall_ms: spread, cpu_ms: spread };
  return { name, wall_ms, cpu_ms: wall_ms, spread: spreads, peak_rss_mb: 100, operations: 1, ...more };
};

const report = (more: Partial<Figures> = {}): BenchReport => ({
  machine: { cpu: 'CPU', cores: 2, memory_gb: 8, platform: 'linux-x64' },
  node: '20.19.0',
  tier: 'fma',
  results: [
    {
      bench: 'prove',
      params: { depth: 20, threads: 2 },
      ours: side('zkraft', 100, more),
      baseline: side('snarkjs', 950),
      ratio_wall: 9.5,
      ratio_cpu: 10.25,
      launches: 3,
      runs: 5,
    },
  ],
});

describe("the README's figures", () => {
  it('are a row for each result that was kept', () => {
    assert.deepEqual(
      figures([report()]).filter((line) => line.startsWith('| prove')),
      ['| prove, depth 20, threads 2 | 100 ms | 950 ms (snarkjs) | 9.50 | 10.25 | CPU, 2 cores, Node 20.19.0, fma |'],
    );
  });

  it('have the native prover beside the baseline', () => {
    const [result] = report().results;
    assert.ok(result);
    const binary = { ...side('prover', 163), ratio_wall: 1.63, ratio_cpu: null };
    const [row = ''] = figures([{ ...report(), results: [{ ...result, binary }] }]).filter((l) =>
      l.startsWith('| prove'),
    );
    assert.match(row, /950 ms \(snarkjs\)<br>163 ms \(prover\) \| 9\.50<br>1\.63 \| 10\.25<br>unknown/);
  });

  it('claim nothing where the baseline stands in for ours, and say so where nothing is kept', () => {
    for (const reports of [[], [report({ stand_in: true })]]) {
      assert.deepEqual(figures(reports).length, 1);
      assert.match(figures(reports)[0] ?? '', /^No figures/);
    }
  });

  it('come from the files in the order of their names, a report or a list of them in each', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zkraft-kept-'));
    try {
      writeFileSync(join(folder, 'b.json'), JSON.stringify({ ...report(), node: '24.0.0' }));
      writeFileSync(join(folder, 'a.json'), JSON.stringify([report(), { ...report(), node: '22.0.0' }]));
      writeFileSync(join(folder, 'notes.txt'), 'not a report');
      assert.deepEqual(
        keptReports(folder).map(({ node }) => node),
        ['20.19.0', '22.0.0', '24.0.0'],
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
