import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseClusterBenchOptions } from '../../bench/index.ts';

describe('the flags of bench cluster', () => {
  it('have defaults: fifteen seconds a step; one, eight and 64 workers; no history, no long run', () => {
    assert.deepEqual(parseClusterBenchOptions({}), { seconds: 15, workers: [1, 8, 64], history: [], tasks: 0 });
  });

  it('are taken as they are given', () => {
    assert.deepEqual(
      parseClusterBenchOptions({ seconds: '3', workers: '2, 4', history: '1000,1000000', tasks: '1000000' }),
      { seconds: 3, workers: [2, 4], history: [1_000, 1_000_000], tasks: 1_000_000 },
    );
  });

  for (const flags of [
    { seconds: '0' },
    { seconds: '1.5' },
    { workers: '4,2' },
    { workers: '1,,2' },
    { workers: '65' },
    { workers: '1,2,3,4,5,6,7,8,9' },
    { history: '99999999' },
    { tasks: 'many' },
  ]) {
    it(`are refused by name: ${JSON.stringify(flags)}`, () => {
      assert.throws(() => parseClusterBenchOptions(flags), { code: 'usage', field: Object.keys(flags)[0] });
    });
  }
});
