/** Where a pass begins: behind what was taken, and never behind what was left. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MARK_LAG_MS, ReadyMarks } from '../../src/coordinator/scheduler/ready-marks.ts';
import { READY_FROM_START, type ReadyKey } from '../../src/store/types.ts';
import { Bed, makeProofs, type Proofs } from './bed.ts';

describe('a mark', () => {
  const task = (second: number, priority = 5): ReadyKey => ({
    priority,
    createdAt: new Date(second * 1_000),
    id: `00000000-0000-4000-8000-${String(second).padStart(12, '0')}`,
  });
  /** A pass over these tasks, all taken but those of `left`. */
  const pass = (marks: ReadyMarks, tasks: readonly ReadyKey[], left: readonly ReadyKey[] = []): void => {
    marks.begin();
    for (const one of tasks) {
      marks.saw(one);
      if (!left.includes(one)) marks.took(one);
    }
  };
  const startOf = (marks: ReadyMarks, priority = 5) => marks.begin().find((key) => key.priority === priority);
  const FIRST = READY_FROM_START.find(({ priority }) => priority === 5);
  const [a, b, c, d] = [task(10), task(11), task(12), task(60)] as const;

  test('stands at the last task of a priority that was taken, and leaves the others alone', () => {
    const marks = new ReadyMarks();
    pass(marks, [task(1, 9), a, b, d], [d]);
    assert.deepEqual(startOf(marks), b);
    assert.deepEqual(startOf(marks, 9), task(1, 9));
    assert.deepEqual(
      marks.begin().filter(({ priority }) => priority !== 5 && priority !== 9),
      READY_FROM_START.filter(({ priority }) => priority !== 5 && priority !== 9),
    );
  });

  test('never passes a task that was left behind, in this pass or a later one', () => {
    const marks = new ReadyMarks();
    pass(marks, [a, b, c, d], [b]);
    assert.deepEqual(startOf(marks), a);
    pass(marks, [b, c, d], [b]);
    assert.deepEqual(startOf(marks), a);
    pass(marks, [b, c, d], [d]);
    assert.deepEqual(startOf(marks), c);
  });

  test('keeps its distance from the newest task, since one that began earlier may become visible later', () => {
    const marks = new ReadyMarks();
    pass(marks, [a, b, c]);
    assert.deepEqual(startOf(marks), { ...FIRST, createdAt: new Date(12_000 - MARK_LAG_MS) });
    pass(marks, [d], [d]);
    assert.deepEqual(startOf(marks), c);
  });

  test('is gone once cleared, also in the middle of a pass', () => {
    const marks = new ReadyMarks();
    pass(marks, [a, b, d]);
    marks.begin();
    marks.saw(c);
    marks.clear();
    marks.took(c);
    assert.deepEqual(startOf(marks), FIRST);
  });
});

describe('a coordinator with marks', () => {
  let proofs: Proofs;
  before(async () => {
    proofs = await makeProofs();
  });
  after(() => proofs.close());

  test('finds a task that comes to stand before those that were taken, and one that is to be tried again', async () => {
    const bed = await Bed.start(proofs, { pollIntervalMs: 150 });
    try {
      const worker = await bed.worker('w1', 1);
      const at = (agoMs: number) => bed.submit({ createdAt: new Date(Date.now() - agoMs) });
      const early = [at(60_000), at(50_000), at(0)];
      for (const n of early.keys()) {
        const { lease } = await worker.assignment(n);
        if (n === 0) await worker.fail(lease, 'prover_aborted');
        else await worker.complete(lease, proofs.proof, proofs.signals);
      }
      const late = at(70_000);
      for (let n = early.length; n < early.length + 2; n += 1) {
        const { lease } = await worker.assignment(n);
        await worker.complete(lease, proofs.proof, proofs.signals);
      }
      await bed.until(() => [...early, late].every((row) => row.status === 'completed'));
    } finally {
      await bed.close();
    }
  });
});
