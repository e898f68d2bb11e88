import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judge, median, PROMISED, type Sample, type Window } from './verdict.ts';

const WINDOW: Window = { cpuMs: 2, readyMs: 0.5, readyPages: 60, projectMs: 0.8, projectPages: 120 };

function sample(tasks: number, fields: Partial<Sample> = {}, window: Partial<Window> = {}): Sample {
  return {
    tasks,
    elapsedMs: tasks,
    snapshotBytes: 50_000,
    snapshotBytesMax: 100_000,
    rssBytes: 260_000_000,
    rssCollectedBytes: 250_000_000,
    heapBytes: 25_000_000,
    outbox: 20,
    logBytes: 5_000_000,
    latenciesMs: [20, 40, 60],
    windows: [1, 2, 3].map(() => ({ ...WINDOW, ...window })),
    ...fields,
  };
}

const failed = (...samples: readonly Sample[]): string[] =>
  judge(samples, PROMISED)
    .filter(({ pass }) => !pass)
    .map(({ what }) => what);

describe('the verdict of a soak', () => {
  test('is a pass when nothing grows, or things become cheaper', () => {
    assert.deepEqual(failed(sample(1_000), sample(5_000), sample(10_000)), []);
    assert.deepEqual(failed(sample(1_000), sample(10_000, { latenciesMs: [1] }, { cpuMs: 0.5 })), []);
  });

  test('fails each cost that grows by more than a fifth, by its own name', () => {
    const grows = (window: Partial<Window>) => failed(sample(1_000), sample(5_000), sample(10_000, {}, window));
    assert.deepEqual(grows({ cpuMs: 2.39 }), []);
    assert.deepEqual(grows({ cpuMs: 2.41 }), ['CPU for a task']);
    assert.deepEqual(grows({ readyMs: 0.61 }), ['asking what is next']);
    assert.deepEqual(grows({ readyPages: 73 }), ['asking what is next']);
    assert.deepEqual(grows({ projectMs: 1 }), ['writing it down']);
    assert.deepEqual(grows({ projectPages: 145 }), ['writing it down']);
    assert.deepEqual(failed(sample(1_000), sample(10_000, { latenciesMs: [60, 61, 62] })), ['latency']);
  });

  test('is not moved by one odd window', () => {
    const windows = [WINDOW, { ...WINDOW, cpuMs: 90 }, WINDOW];
    assert.deepEqual(failed(sample(1_000), sample(10_000, { windows })), []);
  });

  test('fails a snapshot or a log folder that was too large once, though it is small in the end', () => {
    const once = (fields: Partial<Sample>) => failed(sample(1_000), sample(5_000, fields), sample(10_000));
    assert.deepEqual(once({ snapshotBytesMax: 1_000_001 }), ['state snapshot']);
    assert.deepEqual(once({ logBytes: 64_000_001 }), ['log folder']);
  });

  test('fails memory that grows after a fifth of the run; what grew before is the warm-up', () => {
    for (const [field, what] of [
      ['rssBytes', 'RSS'],
      ['heapBytes', 'heap in use'],
    ] as const) {
      const run = (early: number, settled: number, late: number) =>
        failed(
          sample(1_000, { [field]: early }),
          sample(2_000, { [field]: settled }),
          sample(9_000, { [field]: late }),
          sample(10_000, { [field]: settled }),
        );
      assert.deepEqual(run(100, 200, 219), []);
      assert.deepEqual(run(100, 200, 221), [what]);
    }
  });

  test('takes a measurement that is missing for a fault', () => {
    assert.deepEqual(failed(sample(1_000), sample(10_000, { latenciesMs: [] })), ['latency']);
    assert.deepEqual(failed(sample(1_000), sample(10_000, {}, { readyMs: Number.NaN })), ['asking what is next']);
    assert.throws(() => judge([sample(1_000)], PROMISED), /two samples/);
  });
});

test('the median of an even count is the lower of the two in the middle', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2);
  assert.ok(Number.isNaN(median([])));
});
