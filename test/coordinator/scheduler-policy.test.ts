/** The scheduler on a virtual clock: order, capability, capacity, nothing blocked, nothing starved. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  createPolicy,
  LeaseTable,
  scanReady,
  type TaskView,
  type WorkerView,
  WorkerWatch,
} from '../../src/coordinator/scheduler/index.ts';
import type { LeaseRef } from '../../src/coordinator/state/index.ts';
import type { ReadyTask } from '../../src/store/types.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type FakeRow, FakeStore } from './fake-store.ts';

const DIGEST = 'ab'.repeat(32);
const OTHER = 'cd'.repeat(32);
const AGEING_MS = 30_000;
const policy = createPolicy({ softwareVersion: '0.1.0', ageingMs: AGEING_MS });

const worker = (id: string, fields: Partial<WorkerView> = {}): WorkerView => ({
  id,
  sessionId: 1,
  slots: 2,
  freeSlots: 2,
  softwareVersion: '0.1.9',
  backends: ['snarkjs'],
  cachedCircuits: new Set<string>(),
  proven: false,
  ...fields,
});
const task = (fields: Partial<TaskView> = {}): TaskView => ({
  id: 't',
  circuitId: 'merkle-3',
  circuitDigest: DIGEST,
  priority: 5,
  createdAtMs: 0,
  ...fields,
});

describe('the policy', () => {
  test('gives a task to nobody who cannot do it', () => {
    const never = [
      worker('full', { freeSlots: 0 }),
      worker('strange-backend', { backends: ['abacus'] }),
      worker('other-major', { softwareVersion: '7.0.0' }),
    ];
    assert.equal(policy.choose(task(), never, true), undefined);
    assert.equal(policy.choose(task(), [worker('no-files')], false), undefined);
    assert.equal(
      policy.choose(task(), [worker('has-files', { cachedCircuits: new Set([DIGEST]) })], false)?.id,
      'has-files',
    );
  });

  test('prefers who has the circuit, then who is least busy, then the lower id', () => {
    const cached = worker('z', { cachedCircuits: new Set([DIGEST]), freeSlots: 1 });
    assert.equal(policy.choose(task(), [worker('a'), cached], true)?.id, 'z');
    assert.equal(policy.choose(task({ circuitDigest: OTHER }), [worker('a'), cached], true)?.id, 'a');
    assert.equal(policy.choose(task(), [worker('b'), worker('a', { freeSlots: 1 })], true)?.id, 'b');
    assert.equal(policy.choose(task(), [worker('b'), worker('a')], true)?.id, 'a');
  });

  test('gives a task that failed to one that has proved something, then to one that has not failed it, then to any', () => {
    const [a, b] = [worker('a'), worker('b')];
    const proven = worker('z', { proven: true });
    const choice = (workers: WorkerView[], ...failed: string[]) =>
      policy.choose(task(), workers, true, new Set(failed))?.id;
    assert.equal(choice([a, b, proven]), 'a', 'before its first failure all are alike');
    assert.equal(choice([a, b, proven], 'a'), 'z');
    assert.equal(choice([a, b, { ...proven, freeSlots: 0 }], 'a'), undefined, 'it waits for a busy one');
    assert.equal(choice([a, b, proven], 'a', 'z'), 'b');
    assert.equal(choice([a, b, proven], 'a', 'b', 'z'), 'a', 'all have failed it');
    assert.equal(choice([a, { ...proven, softwareVersion: '9.0.0' }], 'a'), 'a', 'nobody else can do it');
  });

  test('a waiting task of the lowest priority overtakes fresh ones of the highest', () => {
    const waited = 9 * AGEING_MS;
    assert.ok(policy.rank(0, 0, waited - 1) < policy.rank(9, waited - 1, waited - 1));
    assert.ok(policy.rank(0, 0, waited + 1) > policy.rank(9, waited + 1, waited + 1));
  });
});

describe('the scan of ready tasks', () => {
  const NOW = 10_000_000;
  const rows = fc.array(fc.record({ priority: fc.nat(9), ageMs: fc.nat(900_000) }), { maxLength: 120 });

  test('yields every ready task once, in the exact order of rank, whatever the page size', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 40 }), async (list, pageRows) => {
        const store = new FakeStore();
        for (const { priority, ageMs } of list) {
          store.insert({ circuitDigest: DIGEST, root: new Uint8Array(32), priority, createdAt: new Date(NOW - ageMs) });
        }
        const seen: ReadyTask[] = [];
        for await (const row of scanReady({ store, rank: policy.rank, nowMs: NOW, pageRows })) seen.push(row);
        assert.equal(new Set(seen.map((row) => row.id)).size, list.length);
        const ranks = seen.map((row) => policy.rank(row.priority, row.createdAt.getTime(), NOW));
        ranks.forEach((rank, i) => {
          assert.ok(i === 0 || rank <= (ranks[i - 1] ?? 0), `rank ${i}`);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('finds an aged task behind a backlog without reading the backlog', async () => {
    const store = new FakeStore();
    for (let i = 0; i < 3_000; i += 1) {
      store.insert({ circuitDigest: DIGEST, root: new Uint8Array(32), priority: 9, createdAt: new Date(NOW) });
    }
    const old = store.insert({ circuitDigest: DIGEST, root: new Uint8Array(32), priority: 0, createdAt: new Date(0) });
    for await (const row of scanReady({ store, rank: policy.rank, nowMs: NOW })) {
      assert.equal(row.id, old.id);
      break;
    }
    assert.equal(store.reads, 1);
  });

  test('walks a long backlog in few pages, however small the first one is', async () => {
    const store = new FakeStore();
    for (let i = 0; i < 2_000; i += 1) {
      store.insert({ circuitDigest: DIGEST, root: new Uint8Array(32), createdAt: new Date(NOW - i) });
    }
    let seen = 0;
    for await (const _ of scanReady({ store, rank: policy.rank, nowMs: NOW, pageRows: 16 })) seen += 1;
    assert.equal(seen, 2_000);
    assert.ok(store.reads <= 11, `${store.reads} pages`);
  });
});

describe('a simulated day', () => {
  interface Running {
    readonly row: FakeRow;
    readonly worker: WorkerView;
    readonly endsMs: number;
  }

  /** Passes every second; `arrive` may insert. Returns how long each task waited. */
  async function simulate(options: {
    readonly workers: WorkerView[];
    readonly seconds: number;
    readonly arrive: (second: number, store: FakeStore) => void;
    readonly servable?: (digest: string) => boolean;
    readonly durationMs: () => number;
  }): Promise<{ waits: Map<string, number>; store: FakeStore }> {
    const { workers, seconds, arrive, durationMs, servable = () => true } = options;
    const store = new FakeStore();
    const waits = new Map<string, number>();
    let running: Running[] = [];
    for (let second = 0; second < seconds; second += 1) {
      const nowMs = second * 1_000;
      arrive(second, store);
      for (const done of running.filter(({ endsMs }) => endsMs <= nowMs)) {
        done.worker.freeSlots += 1;
        done.row.status = 'completed';
      }
      running = running.filter(({ endsMs }) => endsMs > nowMs);
      let free = workers.reduce((sum, { freeSlots }) => sum + freeSlots, 0);
      if (free === 0) continue;
      for await (const ready of scanReady({ store, rank: policy.rank, nowMs })) {
        const view = { ...ready, createdAtMs: ready.createdAt.getTime() };
        const chosen = policy.choose(view, workers, servable(ready.circuitDigest));
        if (chosen === undefined) continue;
        chosen.freeSlots -= 1;
        free -= 1;
        assert.ok(chosen.freeSlots >= 0, 'no worker is given more than its slots');
        const row = store.row(ready.id);
        row.status = 'assigned';
        waits.set(row.id, nowMs - ready.createdAt.getTime());
        running.push({ row, worker: chosen, endsMs: nowMs + durationMs() });
        if (free === 0) break;
      }
    }
    return { waits, store };
  }

  const insertAt = (store: FakeStore, second: number, fields: Partial<FakeRow> = {}): FakeRow =>
    store.insert({ circuitDigest: DIGEST, root: new Uint8Array(32), createdAt: new Date(second * 1_000), ...fields });

  test('tasks that nobody can do block nothing, however many stand in front', async () => {
    const { store, waits } = await simulate({
      workers: [worker('w', { slots: 1, freeSlots: 1 })],
      seconds: 12,
      arrive: (second, fake) => {
        if (second > 0) return;
        for (let i = 0; i < 600; i += 1)
          insertAt(fake, 0, { circuitDigest: OTHER, priority: 9, createdAt: new Date(0) });
        for (let i = 0; i < 10; i += 1) insertAt(fake, 0, { priority: 0 });
      },
      servable: (digest) => digest === DIGEST,
      durationMs: () => 1_000,
    });
    assert.equal(waits.size, 10);
    assert.equal(
      [...store.rows.values()].filter((row) => row.circuitDigest === OTHER && row.status !== 'pending').length,
      0,
    );
  });

  test('under a flood of urgent tasks the others still get their turn, within nine ageing spans and a little', async () => {
    const lowly: FakeRow[] = [];
    const { waits } = await simulate({
      workers: [worker('w', { slots: 1, freeSlots: 1 })],
      seconds: 700,
      arrive: (second, fake) => {
        insertAt(fake, second, { priority: 9 });
        if (second === 0) lowly.push(insertAt(fake, 0, { priority: 0 }), insertAt(fake, 0, { priority: 4 }));
      },
      durationMs: () => 1_500,
    });
    const [zero = Infinity, four = Infinity] = lowly.map((row) => waits.get(row.id));
    assert.ok(four < zero, 'the more urgent of the two went first');
    assert.ok(zero <= 700_000, `priority 0 waited ${zero} ms`);
    assert.ok(zero > 5 * AGEING_MS, 'priority means something');
  });

  test('no slot stays free while there is work, and no worker is ever given more than it has', async () => {
    const random = new SeededRandom(7);
    const workers = [worker('a', { slots: 3, freeSlots: 3 }), worker('b', { slots: 1, freeSlots: 1 })];
    const { store, waits } = await simulate({
      workers,
      seconds: 400,
      arrive: (second, fake) => {
        if (second >= 300) return;
        for (let i = random.below(3); i > 0; i -= 1) insertAt(fake, second, { priority: random.below(10) });
      },
      durationMs: () => 500 + random.below(4_000),
    });
    assert.equal(waits.size, store.rows.size);
    assert.ok([...store.rows.values()].every((row) => row.status === 'completed'));
  });
});

describe('the lease table', () => {
  const LIMITS = { leaseMs: 30_000, deliveryMs: 5_000, sendsMax: 3, staleMs: 300_000, timeoutMs: 60_000 };
  const lease: LeaseRef = { taskId: 't1', workerId: 'w1', attempt: 1, epoch: 7 };
  const acts = (table: LeaseTable, nowMs: number) =>
    table.sweep(nowMs).map((verdict) => (verdict.act === 'send' ? 'send' : verdict.code));

  test('asks to send again what was not acknowledged, three times at most, then gives the lease up', () => {
    const table = new LeaseTable(LIMITS);
    table.grant(lease, 0);
    table.sent(lease, 0);
    assert.deepEqual(acts(table, 4_999), []);
    assert.deepEqual(acts(table, 5_000), ['send']);
    table.sent(lease, 5_000);
    assert.deepEqual(acts(table, 10_000), ['send']);
    table.sent(lease, 10_000);
    assert.deepEqual(acts(table, 15_000), ['delivery_failed']);
    assert.deepEqual(acts(table, 15_001), [], 'said once');
    assert.deepEqual(acts(table, 21_000), ['delivery_failed'], 'and again if the log did not hear it');
  });

  test('gives up an assignment whose worker never had a stream to send it on', () => {
    const table = new LeaseTable(LIMITS);
    table.grant(lease, 0);
    assert.deepEqual(acts(table, 5_000), ['send']);
    assert.deepEqual(acts(table, 15_000), ['delivery_failed']);
  });

  test('expires from assigned and from in_progress when heartbeats stop naming the lease', () => {
    for (const started of [false, true]) {
      const table = new LeaseTable(LIMITS);
      table.grant(lease, 0);
      table.held(lease, 1_000);
      if (started) table.started(lease, 1_000);
      assert.deepEqual(acts(table, 30_999), []);
      assert.deepEqual(acts(table, 31_000), ['lease_expired']);
    }
  });

  test('a renewed lease lives, until the attempt has taken longer than it may', () => {
    const table = new LeaseTable(LIMITS);
    table.grant(lease, 0);
    table.started(lease, 1_000);
    for (let nowMs = 2_000; nowMs < 61_000; nowMs += 1_000) {
      table.held(lease, nowMs);
      assert.deepEqual(acts(table, nowMs), []);
    }
    assert.deepEqual(acts(table, 61_000), ['prover_timeout']);
  });

  test('a task that is held but never started is not held for ever', () => {
    const table = new LeaseTable(LIMITS);
    table.grant(lease, 0);
    for (let nowMs = 1_000; nowMs < 300_000; nowMs += 1_000) {
      table.held(lease, nowMs);
      assert.deepEqual(acts(table, nowMs), []);
    }
    assert.deepEqual(acts(table, 300_000), ['lease_expired']);
  });

  test('counts the time in which nobody listened against no lease, delivered or not', () => {
    const table = new LeaseTable(LIMITS);
    table.grant(lease, 0);
    table.sent(lease, 0);
    table.forgive(40_000, 40_000);
    assert.deepEqual(acts(table, 44_999), []);
    assert.deepEqual(acts(table, 45_000), ['send']);
    table.started(lease, 45_000);
    table.forgive(100_000, 145_000);
    assert.deepEqual(acts(table, 174_999), []);
    assert.deepEqual(acts(table, 175_000), ['lease_expired']);
  });

  test('counts it for no longer than that: what came after it is not moved into the future', () => {
    const table = new LeaseTable(LIMITS);
    table.grant(lease, 0);
    table.started(lease, 50_000);
    table.forgive(50_000, 50_000);
    assert.deepEqual(acts(table, 79_999), []);
    assert.deepEqual(acts(table, 80_000), ['lease_expired']);
  });

  test('signs of life under an older epoch renew nothing', () => {
    const table = new LeaseTable(LIMITS);
    table.grant(lease, 0);
    table.held({ ...lease, epoch: 6 }, 1_000);
    assert.deepEqual(acts(table, 5_000), ['send']);
    table.end({ ...lease, epoch: 6 });
    assert.equal(table.size, 1);
    table.end(lease);
    assert.equal(table.size, 0);
  });
});

test('a worker is suspect after half the timeout and dead after the whole, and one word revives it', () => {
  const watch = new WorkerWatch(30_000);
  watch.seen('w', 0);
  assert.deepEqual(
    [0, 14_999, 15_000, 29_999, 30_000].map((nowMs) => watch.liveness('w', nowMs)),
    ['active', 'active', 'suspect', 'suspect', 'dead'],
  );
  watch.seen('w', 29_000);
  assert.equal(watch.liveness('w', 30_000), 'active');
  assert.equal(watch.liveness('nobody', 0), 'dead');
  watch.forgive(40_000, 70_000);
  assert.equal(watch.liveness('w', 70_000), 'active', 'nobody listened for 40 s of its silence');
  assert.equal(watch.liveness('w', 99_000), 'dead');
  watch.seen('w', 200_000);
  watch.forgive(40_000, 200_000);
  assert.equal(watch.liveness('w', 230_000), 'dead', 'it was heard after the absence');
});
