/** What holds after any sequence of commands, whatever they are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  applyEntry,
  type CoordinatorState,
  checkInvariants,
  createState,
  decodeState,
  encodeCommand,
  encodeState,
  type StateEvent,
} from '../../src/coordinator/state/index.ts';
import { commandOf, type Step, stepArbitrary } from './commands-arbitrary.ts';

/** Without shrinking, which takes minutes here; the seed is told. */
const RUNS = { numRuns: 120, endOnFailure: true };
const steps = fc.array(stepArbitrary, { minLength: 20, maxLength: 220, size: 'max' });
const TERMINAL = ['completed', 'failed', 'cancelled'];

interface Run {
  readonly state: CoordinatorState;
  readonly entries: readonly Uint8Array[];
}

function play(list: readonly Step[], see?: (state: CoordinatorState, events: StateEvent[]) => void): Run {
  const state = createState();
  const entries: Uint8Array[] = [];
  list.forEach((step, i) => {
    const entry = encodeCommand(commandOf(state, step), step.nowMs);
    entries.push(entry);
    const events = applyEntry(state, entry, i + 1);
    see?.(state, events);
  });
  return { state, entries };
}

test('the invariants hold after every entry', () => {
  let live = 0;
  let completions = 0;
  let quarantines = 0;
  fc.assert(
    fc.property(steps, (list) => {
      play(list, (state, events) => {
        checkInvariants(state);
        live = Math.max(
          live,
          [...state.leases.values()].reduce((sum, held) => sum + held.size, 0),
        );
        completions += events.filter((event) => event.kind === 'completed').length;
        quarantines += events.filter((event) => event.kind === 'worker_changed' && event.to === 'quarantined').length;
      });
    }),
    RUNS,
  );
  // A generator that never gets anywhere would prove nothing.
  assert.ok(live >= 4 && completions > 120 && quarantines > 20, `${live} ${completions} ${quarantines}`);
});

test('equal entries make equal states, byte for byte, and equal events', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const seen: StateEvent[] = [];
      const { state, entries } = play(list, (_, events) => seen.push(...events));
      const other = createState();
      const events = entries.flatMap((entry, i) => applyEntry(other, entry, i + 1));
      assert.deepEqual(encodeState(other), encodeState(state));
      assert.deepEqual(events, seen);
    }),
    RUNS,
  );
});

test('a snapshot taken anywhere restores to the same future', () => {
  fc.assert(
    fc.property(steps, fc.nat(219), (list, cut) => {
      const { state, entries } = play(list);
      const first = createState();
      const at = Math.min(cut, entries.length);
      entries.slice(0, at).forEach((entry, i) => {
        applyEntry(first, entry, i + 1);
      });
      const second = decodeState(encodeState(first));
      checkInvariants(second);
      entries.slice(at).forEach((entry, i) => {
        applyEntry(second, entry, at + i + 1);
      });
      assert.deepEqual(encodeState(second), encodeState(state));
    }),
    RUNS,
  );
});

test('terminal is terminal: what ended never changes while it is remembered, and completes once', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const ended = new Map<string, string>();
      play(list, (state, events) => {
        for (const [id, frozen] of ended) {
          const task = state.tasks.get(id);
          if (task === undefined) ended.delete(id);
          else assert.equal(JSON.stringify(task), frozen);
        }
        for (const event of events) {
          if (event.kind === 'completed') assert.ok(!ended.has(event.lease.taskId));
        }
        for (const [id, task] of state.tasks) if (TERMINAL.includes(task.phase)) ended.set(id, JSON.stringify(task));
      });
    }),
    RUNS,
  );
});

test('leader time never runs backwards', () => {
  fc.assert(
    fc.property(steps, (list) => {
      let before = 0;
      play(list, (state) => {
        assert.ok(state.nowMs >= before);
        before = state.nowMs;
      });
    }),
    RUNS,
  );
});

test('a stale report changes nothing but the clock', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const strip = (state: CoordinatorState) => {
        const json = JSON.parse(new TextDecoder().decode(encodeState(state))) as Record<string, unknown>;
        return JSON.stringify({ ...json, index: 0, nowMs: 0 });
      };
      let before = strip(createState());
      play(list, (state, events) => {
        const now = strip(state);
        if (events.some((event) => event.kind === 'stale' || event.kind === 'rejected')) assert.equal(now, before);
        before = now;
      });
    }),
    RUNS,
  );
});

test('any bytes at all are an entry: ignored, never thrown', () => {
  const state = createState();
  let index = 0;
  const feed = (bytes: Uint8Array) => {
    index += 1;
    const [event] = applyEntry(state, bytes, index);
    assert.equal(event?.kind, 'ignored');
    checkInvariants(state);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), feed), RUNS);
  const objects = fc.object({ maxDepth: 2 });
  fc.assert(
    fc.property(objects, fc.constantFrom('task_assigned', 'projected', 'worker_added', 'toString'), (fields, kind) =>
      feed(new TextEncoder().encode(JSON.stringify({ v: 1, nowMs: 1, kind, ...fields }))),
    ),
    RUNS,
  );
});

test('a command of a version to come is ignored by every node alike', () => {
  const state = createState();
  const bytes = new TextEncoder().encode(JSON.stringify({ v: 2, nowMs: 9, kind: 'projected', upto: 1 }));
  assert.deepEqual(applyEntry(state, bytes, 1), [{ kind: 'ignored', why: 'unknown' }]);
  assert.equal(state.nowMs, 0);
  assert.equal(state.index, 1);
});
