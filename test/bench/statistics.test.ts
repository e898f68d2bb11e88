import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { significant, spreadOf } from '../../bench/harness/statistics.ts';
import { duration } from '../../bench/index.ts';

describe('the spread of samples', () => {
  it('is least, quartiles, median and most, whatever their order', () => {
    assert.deepEqual(spreadOf([5, 1, 4, 2, 3]), { min: 1, q1: 2, median: 3, q3: 4, max: 5 });
    assert.deepEqual(spreadOf([7]), { min: 7, q1: 7, median: 7, q3: 7, max: 7 });
  });

  it('lies between two samples where there is no middle one', () => {
    assert.deepEqual(spreadOf([10, 30, 20, 40]), { min: 10, q1: 17.5, median: 25, q3: 32.5, max: 40 });
  });

  it('sorts numbers as numbers, and leaves the list alone', () => {
    const samples = [100, 9, 20];
    assert.equal(spreadOf(samples).median, 20);
    assert.deepEqual(samples, [100, 9, 20]);
  });

  it('ascends, and has as many samples below its median as above', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 30 }),
        (samples) => {
          const { min, q1, median, q3, max } = spreadOf(samples);
          assert.deepEqual(
            [min, q1, median, q3, max],
            [min, q1, median, q3, max].sort((a, b) => a - b),
          );
          const half = samples.length / 2;
          assert.ok(samples.filter((s) => s < median).length <= half);
          assert.ok(samples.filter((s) => s > median).length <= half);
        },
      ),
    );
  });

  it('is of something', () => {
    assert.throws(() => spreadOf([]), { code: 'internal' });
    assert.throws(() => spreadOf([1, Number.NaN]), { code: 'internal' });
  });
});

describe('rounding', () => {
  it('keeps significant digits, of nanoseconds and of minutes', () => {
    assert.equal(significant(0.0000743219), 0.000074322);
    assert.equal(significant(123456.789), 123460);
  });

  it('shows times in the unit that fits', () => {
    assert.deepEqual([0.0000743219, 0.0123, 1, 951.2, 12_345].map(duration), [
      '74.3 ns',
      '12.3 us',
      '1 ms',
      '951 ms',
      '12.3 s',
    ]);
  });
});
