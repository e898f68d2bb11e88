/** The decisions one by one, as sentences. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  apply,
  applyEntry,
  BAD_PROOFS_MAX,
  backoffMs,
  type CommandBody,
  type CoordinatorState,
  checkInvariants,
  createState,
  decodeState,
  encodeCommand,
  encodeState,
  isQuarantined,
  type LeaseRef,
  liveLease,
  loadOf,
  type StateEvent,
  type StateVersions,
} from '../../src/coordinator/state/index.ts';
import { specOf, TASK_IDS } from './commands-arbitrary.ts';

const [T1 = '', T2 = '', T3 = ''] = TASK_IDS;
const RETRY = { attemptsMax: 3, backoffBaseMs: 1_000, backoffCapMs: 1_500 };

class Cluster {
  state: CoordinatorState = createState();
  index = 0;
  nowMs = 1_000;

  do(body: CommandBody): StateEvent[] {
    this.index += 1;
    const events = apply(this.state, { ...body, nowMs: this.nowMs }, this.index);
    checkInvariants(this.state);
    return events;
  }

  worker(id: string, slots = 2, held: LeaseRef[] = []): number {
    const worker = { id, slots, softwareVersion: '0.1.0', backends: ['snarkjs'], cachedCircuits: [], host: 'h' };
    this.do({ kind: 'worker_added', worker, held });
    return this.index;
  }

  assign(taskId: string, workerId: string, attempt = 1): StateEvent[] {
    const sessionId = this.state.workers.get(workerId)?.sessionId ?? 0;
    return this.do({ kind: 'task_assigned', task: specOf(taskId), retry: RETRY, attempt, workerId, sessionId });
  }

  lease(taskId: string): LeaseRef {
    const lease = liveLease(this.state.tasks.get(taskId));
    assert.ok(lease !== undefined, `${taskId} is leased`);
    return lease;
  }

  complete(lease: LeaseRef): StateEvent[] {
    return this.do({ kind: 'task_completed', lease, proof: 'cA==', publicSignals: 'cw==' });
  }

  fail(lease: LeaseRef, code = 'internal', retryable = true, badProof = false): StateEvent[] {
    return this.do({ kind: 'task_failed', lease, code, message: 'm', retryable, badProof });
  }
}

const kinds = (events: readonly StateEvent[]): string[] => events.map((event) => event.kind);

describe('leases', () => {
  test('the epoch of a lease is the index of the entry that granted it', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    assert.deepEqual(c.lease(T1), { taskId: T1, workerId: 'w1', attempt: 1, epoch: 2 });
    assert.equal(loadOf(c.state, 'w1'), 1);
  });

  test('a task that is held is not leased again, nor is a full, draining, foreign or quarantined worker given one', () => {
    const c = new Cluster();
    c.worker('w1', 1);
    c.assign(T1, 'w1');
    const why = (events: StateEvent[]) => (events[0]?.kind === 'rejected' ? events[0].why : events[0]?.kind);
    assert.equal(why(c.assign(T1, 'w1')), 'task_held');
    assert.equal(why(c.assign(T2, 'w1')), 'no_free_slot');
    assert.equal(why(c.assign(T2, 'w9')), 'unknown_worker');
    c.worker('w2');
    c.do({ kind: 'worker_state', workerId: 'w2', to: 'draining' });
    assert.equal(why(c.assign(T2, 'w2')), 'worker_draining');
    c.do({ kind: 'worker_state', workerId: 'w2', to: 'quarantined' });
    assert.equal(why(c.assign(T2, 'w2')), 'worker_quarantined');
    const old = c.state.workers.get('w1')?.sessionId ?? 0;
    c.worker('w1', 4, [c.lease(T1)]);
    const late = {
      kind: 'task_assigned',
      task: specOf(T2),
      retry: RETRY,
      attempt: 1,
      workerId: 'w1',
      sessionId: old,
    } as const;
    assert.equal(why(c.do(late)), 'unknown_worker');
  });

  test('a result for a live lease counts although no start was ever heard of', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    assert.deepEqual(kinds(c.complete(c.lease(T1))), ['completed']);
    const task = c.state.tasks.get(T1);
    assert.equal(task?.phase, 'completed');
    assert.equal(task?.startedAtMs, 1_000);
    assert.equal(loadOf(c.state, 'w1'), 0);
  });

  test('a report under another epoch, attempt or worker changes nothing', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    const right = c.lease(T1);
    const wrong = [
      { ...right, epoch: 1 },
      { ...right, attempt: 2 },
      { ...right, workerId: 'w2' },
      { ...right, taskId: T2 },
    ];
    for (const lease of wrong) {
      assert.deepEqual(kinds(c.complete(lease)), ['stale']);
      assert.deepEqual(kinds(c.fail(lease)), ['stale']);
      assert.deepEqual(kinds(c.do({ kind: 'task_started', lease })), ['stale']);
      assert.deepEqual(kinds(c.do({ kind: 'lease_expired', lease, code: 'x', message: '' })), ['stale']);
    }
    assert.deepEqual(c.lease(T1), right);
  });

  test('a late failure report does not bring a completed task back', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    const lease = c.lease(T1);
    c.complete(lease);
    assert.deepEqual(c.fail(lease), [{ kind: 'stale', taskId: T1, phase: 'completed' }]);
    assert.deepEqual(kinds(c.complete(lease)), ['stale']);
  });
});

describe('the one way back to the queue', () => {
  test('counts every attempt, waits longer each time up to the cap, and ends as attempts_exhausted', () => {
    const c = new Cluster();
    c.worker('w1');
    for (const [attempt, waitMs] of [
      [1, 1_000],
      [2, 1_500],
    ] as const) {
      c.assign(T1, 'w1', attempt);
      const [ended, outcome] = c.fail(c.lease(T1));
      assert.equal(ended?.kind, 'lease_ended');
      assert.deepEqual(outcome, {
        kind: 'retry_scheduled',
        taskId: T1,
        attempt,
        notBeforeMs: c.nowMs + waitMs,
        code: 'internal',
      });
      c.do({ kind: 'projected', upto: c.index });
      assert.equal(c.state.tasks.size, 0, 'the database knows it as pending, so the state forgets it');
    }
    c.assign(T1, 'w1', 3);
    c.fail(c.lease(T1));
    assert.equal(c.state.tasks.get(T1)?.phase, 'failed');
    assert.equal(c.state.tasks.get(T1)?.error?.code, 'attempts_exhausted');
    assert.match(c.state.tasks.get(T1)?.error?.message ?? '', /3 times.*internal: m/);
  });

  test('an error that no retry mends ends the task at once, with its own code', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    c.fail(c.lease(T1), 'wrong_path', false);
    assert.deepEqual(c.state.tasks.get(T1)?.error, { code: 'wrong_path', message: 'm' });
    assert.equal(c.state.tasks.get(T1)?.phase, 'failed');
  });

  test('expiry, a lost worker, a new registration without the task, and an orphan all go the same way', () => {
    const ways: ((c: Cluster) => void)[] = [
      (c) => c.do({ kind: 'lease_expired', lease: c.lease(T1), code: 'delivery_failed', message: 'm' }),
      (c) => c.do({ kind: 'worker_removed', workerId: 'w1', sessionId: 1, reason: 'silent' }),
      (c) => c.worker('w1'),
    ];
    for (const way of ways) {
      const c = new Cluster();
      c.worker('w1');
      c.assign(T1, 'w1', 2);
      way(c);
      assert.equal(c.state.tasks.get(T1)?.phase, 'pending');
      assert.equal(c.state.tasks.get(T1)?.notBeforeMs, c.nowMs + 1_500);
      c.do({ kind: 'projected', upto: c.index });
      if (!c.state.workers.has('w1')) c.worker('w1');
      c.assign(T1, 'w1', 3);
      c.do({ kind: 'lease_expired', lease: c.lease(T1), code: 'lease_expired', message: 'm' });
      assert.equal(c.state.tasks.get(T1)?.phase, 'failed', 'the third attempt was the last');
    }
    const c = new Cluster();
    c.do({ kind: 'task_orphaned', taskId: T1, requestId: 'r', retry: RETRY, attempt: 1 });
    assert.equal(c.state.tasks.get(T1)?.phase, 'pending');
    c.do({ kind: 'task_orphaned', taskId: T2, requestId: 'r', retry: RETRY, attempt: 3 });
    assert.equal(c.state.tasks.get(T2)?.phase, 'failed');
  });

  test('clean-up does not touch a task that a worker holds', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    const lease = c.lease(T1);
    const events = c.do({ kind: 'task_orphaned', taskId: T1, requestId: 'r', retry: RETRY, attempt: 1 });
    assert.deepEqual(events, [{ kind: 'rejected', taskId: T1, why: 'task_held' }]);
    assert.deepEqual(c.lease(T1), lease);
    assert.equal(c.complete(lease)[0]?.kind, 'completed');
  });

  test('back-off doubles from its base and stops at its cap', () => {
    const rule = { attemptsMax: 99, backoffBaseMs: 100, backoffCapMs: 1_000 };
    assert.deepEqual(
      [1, 2, 3, 4, 5, 90].map((n) => backoffMs(rule, n)),
      [100, 200, 400, 800, 1_000, 1_000],
    );
  });

  test('what a worker says cannot break a row: bounded, and without control characters', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    const message = `bad\0\n${'x'.repeat(10_000)}`;
    c.do({ kind: 'task_failed', lease: c.lease(T1), code: 'internal', message, retryable: true, badProof: false });
    const kept = c.state.tasks.get(T1)?.error?.message ?? '';
    assert.ok(kept.length <= 500 && !/\p{Cc}/u.test(kept));
  });
});

describe('workers', () => {
  test('who registers again keeps the leases that it names, and loses the others', () => {
    const c = new Cluster();
    c.worker('w1', 3);
    c.assign(T1, 'w1');
    c.assign(T2, 'w1');
    const kept = c.lease(T1);
    c.worker('w1', 3, [kept, { ...kept, taskId: T3 }]);
    assert.deepEqual(c.lease(T1), kept);
    assert.equal(c.state.tasks.get(T2)?.phase, 'pending');
    assert.deepEqual(kinds(c.complete(kept)), ['completed']);
  });

  test('who comes back with fewer slots keeps no more than it has room for', () => {
    const c = new Cluster();
    c.worker('w1', 2);
    c.assign(T1, 'w1');
    c.assign(T2, 'w1');
    c.worker('w1', 1, [c.lease(T1), c.lease(T2)]);
    assert.equal(loadOf(c.state, 'w1'), 1);
  });

  test('a removal decided against an old session does not hit the new one', () => {
    const c = new Cluster();
    const old = c.worker('w1');
    c.worker('w1');
    assert.deepEqual(c.do({ kind: 'worker_removed', workerId: 'w1', sessionId: old, reason: 'silent' }), []);
    assert.ok(c.state.workers.has('w1'));
  });

  test('the third bad proof quarantines a worker, over all its registrations, and ends its leases', () => {
    const c = new Cluster();
    for (let n = 1; n <= BAD_PROOFS_MAX; n += 1) {
      const sessionId = c.worker('w1', 2);
      c.assign(T1, 'w1', n);
      if (n === BAD_PROOFS_MAX) c.assign(T2, 'w1');
      c.fail(c.lease(T1), 'proof_invalid', true, true);
      assert.equal(isQuarantined(c.state, 'w1'), n === BAD_PROOFS_MAX);
      c.do({ kind: 'projected', upto: c.index });
      if (n < BAD_PROOFS_MAX) c.do({ kind: 'worker_removed', workerId: 'w1', sessionId, reason: 'gone' });
    }
    assert.equal(loadOf(c.state, 'w1'), 0);
    c.do({ kind: 'worker_state', workerId: 'w1', to: 'active' });
    assert.ok(isQuarantined(c.state, 'w1'), 'it cannot lift it itself');
    c.do({ kind: 'worker_state', workerId: 'w1', to: 'released' });
    assert.ok(!isQuarantined(c.state, 'w1'));
    assert.equal(kinds(c.assign(T3, 'w1'))[0], 'assigned');
  });
});

describe('the outbox', () => {
  test('holds one entry a task, its latest, oldest first, until it is projected', () => {
    const c = new Cluster();
    c.worker('w1', 3);
    c.assign(T1, 'w1');
    c.assign(T2, 'w1');
    c.do({ kind: 'task_started', lease: c.lease(T1) });
    assert.deepEqual(
      [...c.state.outbox],
      [
        [T2, 3],
        [T1, 4],
      ],
    );
    c.do({ kind: 'projected', upto: 3 });
    assert.deepEqual([...c.state.outbox], [[T1, 4]]);
    assert.ok(c.state.tasks.has(T2), 'a live lease stays');
  });

  test('a result is forgotten only when its last change was projected', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    c.complete(c.lease(T1));
    c.do({ kind: 'projected', upto: 2 });
    assert.equal(c.state.tasks.get(T1)?.phase, 'completed');
    assert.deepEqual(c.do({ kind: 'projected', upto: 3 }), [{ kind: 'projected', upto: 3, forgotten: [T1] }]);
    assert.equal(c.state.tasks.size, 0);
  });

  test('never believes that the future was projected', () => {
    const c = new Cluster();
    c.worker('w1');
    c.do({ kind: 'projected', upto: 1_000 });
    c.assign(T1, 'w1');
    assert.equal(c.state.outbox.size, 1);
    assert.equal(c.state.projectedIndex, 2);
  });

  test('is filled again with everything held when the database went back in time', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    c.do({ kind: 'projected', upto: 2 });
    c.do({ kind: 'outbox_refilled' });
    assert.deepEqual([...c.state.outbox], [[T1, 4]]);
  });
});

test('cancelling ends a lease, a waiting task and an unknown one alike, but nothing that ended', () => {
  const c = new Cluster();
  c.worker('w1');
  c.assign(T1, 'w1');
  const cancel = (taskId: string) =>
    c.do({ kind: 'task_cancelled', taskId, requestId: 'r', attempt: 0, reason: 'asked' });
  assert.deepEqual(kinds(cancel(T1)), ['lease_ended', 'cancelled']);
  assert.deepEqual(kinds(cancel(T2)), ['cancelled']);
  assert.deepEqual(kinds(cancel(T2)), ['stale']);
  c.assign(T3, 'w1');
  c.complete(c.lease(T3));
  assert.deepEqual(kinds(cancel(T3)), ['stale']);
});

describe('the version of the state', () => {
  const NEXT: StateVersions = { understood: 2, since: (kind) => (kind === 'outbox_refilled' ? 2 : 1) };
  const entryOf = (body: CommandBody): Uint8Array => encodeCommand(body, 1_000);
  const refusal = { code: 'upgrade_needed', message: /version 2, and this program understands up to 1: run the later/ };

  test('rises once, is in snapshots, and never goes back', () => {
    const state = createState();
    const raised = entryOf({ kind: 'version_raised', to: 2 });
    assert.deepEqual(applyEntry(state, raised, 1, NEXT), [{ kind: 'version_raised', to: 2 }]);
    assert.deepEqual(applyEntry(state, raised, 2, NEXT), []);
    assert.deepEqual(applyEntry(state, entryOf({ kind: 'version_raised', to: 1 }), 3, NEXT), []);
    assert.equal(decodeState(encodeState(state), 2).version, 2);
  });

  test('that is not understood stops a program, at the entry and at the snapshot, with nothing changed', () => {
    const state = createState();
    const raised = entryOf({ kind: 'version_raised', to: 2 });
    assert.throws(() => applyEntry(state, raised, 1), refusal);
    assert.deepEqual(state, createState());
    applyEntry(state, raised, 1, NEXT);
    assert.throws(() => decodeState(encodeState(state)), refusal);
    const never = new TextDecoder().decode(encodeState(createState())).replace('"version":1', '"version":0');
    assert.throws(() => decodeState(new TextEncoder().encode(never)), { code: 'log_corrupt' });
  });

  test('lets a command of a later one do nothing, for those who know it and those who do not', () => {
    const state = createState();
    const refilled = entryOf({ kind: 'outbox_refilled' });
    assert.deepEqual(applyEntry(state, refilled, 1, NEXT), [{ kind: 'ignored', why: 'unknown' }]);
    applyEntry(state, entryOf({ kind: 'version_raised', to: 2 }), 2, NEXT);
    assert.deepEqual(applyEntry(state, refilled, 3, NEXT), [{ kind: 'outbox_refilled', tasks: 0 }]);
  });
});

describe('the story', () => {
  const told = (c: Cluster) =>
    c.state.story.map(({ index, kind, attempt, workerId, code }) => [index, kind, attempt, workerId, code]);

  test('each decision about a task is told once, with who held it and why, and what changed nothing is not', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    const first = c.lease(T1);
    c.do({ kind: 'task_started', lease: first });
    c.do({ kind: 'task_started', lease: first });
    c.fail(first, 'prover_crashed');
    c.complete(first);
    c.do({ kind: 'task_cancelled', taskId: T1, requestId: 'r', attempt: 1, reason: 'by alice' });
    assert.deepEqual(told(c), [
      [2, 'assigned', 1, 'w1', null],
      [3, 'started', 1, 'w1', null],
      [5, 'retry_scheduled', 1, 'w1', 'prover_crashed'],
      [7, 'cancelled', 1, null, 'task_cancelled'],
    ]);
    assert.equal(c.state.story.at(-1)?.message, 'by alice');
    assert.equal(c.state.story[0]?.requestId, `request of ${T1}`);
  });

  test('it waits with the row, survives a snapshot, and is forgotten once projected', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    c.assign(T2, 'w1');
    c.complete(c.lease(T1));
    assert.deepEqual(decodeState(encodeState(c.state)), c.state);
    c.do({ kind: 'projected', upto: 2 });
    assert.deepEqual(
      told(c).map(([index]) => index),
      [3, 4],
    );
    c.do({ kind: 'projected', upto: c.index });
    assert.deepEqual(c.state.story, []);
  });

  test('a snapshot of before there were stories and drains can be read', () => {
    const c = new Cluster();
    c.do({ kind: 'worker_state', workerId: 'w1', to: 'quarantined' });
    const json = JSON.parse(new TextDecoder().decode(encodeState(c.state))) as Record<string, unknown>;
    delete json.story;
    json.conduct = [['w1', { badProofs: 3, quarantined: true }]];
    const state = decodeState(new TextEncoder().encode(JSON.stringify(json)));
    assert.deepEqual(state.story, []);
    assert.deepEqual(state.conduct.get('w1'), { badProofs: 3, quarantined: true, drained: false });
  });
});

describe('drain by an operator', () => {
  test('holds over the word of the worker and its registrations, keeps its leases, and ends with a release', () => {
    const c = new Cluster();
    c.worker('w1');
    c.assign(T1, 'w1');
    c.do({ kind: 'worker_state', workerId: 'w1', to: 'drained' });
    c.do({ kind: 'worker_state', workerId: 'w1', to: 'active' });
    assert.equal(loadOf(c.state, 'w1'), 1);
    assert.deepEqual(c.assign(T2, 'w1'), [{ kind: 'rejected', taskId: T2, why: 'worker_draining' }]);
    c.worker('w1', 2, [c.lease(T1)]);
    assert.deepEqual(c.assign(T2, 'w1'), [{ kind: 'rejected', taskId: T2, why: 'worker_draining' }]);
    c.complete(c.lease(T1));
    c.do({ kind: 'worker_state', workerId: 'w1', to: 'released' });
    assert.deepEqual(kinds(c.assign(T2, 'w1')), ['assigned']);
  });
});
