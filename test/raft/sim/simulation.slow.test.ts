import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, type TestContext, test } from 'node:test';
import { COVERED, type SearchResult, search } from '../../../src/raft/sim/index.ts';

const SEEDS = 300;
const TICKS = 10_000;
const LIMIT_MS = 8 * 60_000;
const FIGURE_8_SEEDS = 40;
const FIGURE_8_TICKS = 4_000;

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const found = ({ violations }: SearchResult): string[] =>
  violations.map(({ seed, violation }) => `seed ${seed}: ${violation?.invariant}: ${violation?.message}`);

function tell(t: TestContext, { coverage, seeds: count, operations }: SearchResult, begunMs: number): void {
  const seconds = ((performance.now() - begunMs) / 1_000).toFixed(0);
  t.diagnostic(`${count} seeds, ${operations} operations, ${coverage.faults} faults, in ${seconds} s`);
  t.diagnostic(COVERED.map((what) => `${what} ${coverage.count(what)}`).join(', '));
}

describe('simulated worlds', () => {
  test(`${SEEDS} of ${TICKS} ticks keep what Raft promises, and meet everything`, async (t) => {
    const begunMs = performance.now();
    const processes = availableParallelism();
    const result = await search({ seeds: seeds(SEEDS), ticks: TICKS, profile: 'swarm', processes });
    tell(t, result, begunMs);
    assert.deepEqual(found(result), []);
    assert.equal(result.seeds, SEEDS);
    assert.deepEqual(result.coverage.missing(), []);
    assert.ok(performance.now() - begunMs <= LIMIT_MS, 'within 8 minutes');
  });

  test(`${FIGURE_8_SEEDS} in which leaders come and go before they can finish anything (Figure 8)`, async (t) => {
    const begunMs = performance.now();
    const processes = availableParallelism();
    const result = await search({
      seeds: seeds(FIGURE_8_SEEDS),
      ticks: FIGURE_8_TICKS,
      profile: 'figure-8',
      processes,
    });
    tell(t, result, begunMs);
    assert.deepEqual(found(result), []);
    assert.ok(result.coverage.count('leaderChanges') > 10 * FIGURE_8_SEEDS);
    assert.ok(result.coverage.count('truncations') > 0);
  });
});
