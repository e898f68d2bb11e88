import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runInThread, ThreadPool } from '../../src/prover/pool/index.ts';
import { isRefusal } from '../support/refusals.ts';
import type { Deed } from './pool-thread.ts';

const FILE = new URL('./pool-thread.ts', import.meta.url);
const LONG = { timeoutMs: 60_000 };
const settled = (promises: readonly Promise<unknown>[]) => Promise.allSettled(promises);

describe('a pool of threads', () => {
  let pool: ThreadPool<Deed>;
  before(async () => {
    pool = new ThreadPool<Deed>({ file: FILE, threads: 2, queueMax: 3 });
    await Promise.all([1, 2].map(() => pool.run({ do: 'wait', ms: 50 }, LONG)));
  });
  after(() => pool.close());

  it('answers, and passes errors on with code and field', async () => {
    const answer = (await pool.run({ do: 'answer', value: [1n, 'x'] }, LONG)) as { value: unknown };
    assert.deepEqual(answer.value, [1n, 'x']);
    await assert.rejects(pool.run({ do: 'refuse' }, LONG), (error: { field?: string }) => {
      isRefusal('wrong_path', /as asked/)(error);
      return error.field === 'root';
    });
  });

  it('tells the events of a task to whoever runs it, in order', async () => {
    const heard: unknown[][] = [[], []];
    await Promise.all(
      heard.map((list, i) => pool.run({ do: 'say', events: [i, 'b', 'c'] }, { ...LONG, onEvent: (e) => list.push(e) })),
    );
    assert.deepEqual(heard, [
      [0, 'b', 'c'],
      [1, 'b', 'c'],
    ]);
  });

  it('tells those that its answer overtook before the answer, each once', async () => {
    const heard: unknown[] = [];
    await pool.run({ do: 'say', events: ['a', 'b', 'c'], unsaid: 2 }, { ...LONG, onEvent: (e) => heard.push(e) });
    assert.deepEqual(heard, ['a', 'b', 'c']);
  });

  it('fails the task, and lets it go, when whoever listens to its events throws', async () => {
    let released = 0;
    const options = {
      ...LONG,
      onEvent: () => {
        throw new Error('the listener');
      },
      onReleased: () => {
        released += 1;
      },
    };
    await assert.rejects(pool.run({ do: 'say', events: ['a'], unsaid: 1 }, options), { code: 'internal' });
    assert.equal(released, 1);
  });

  it('takes tasks in the order of the calls, tells how long each waited, and refuses one too many', async () => {
    const begun: number[] = [];
    const waits: number[] = [];
    const tasks = [0, 1, 2, 3, 4].map((i) =>
      pool.run(
        { do: 'wait', ms: 60 },
        {
          ...LONG,
          onStart: (queueMs) => {
            begun.push(i);
            waits.push(queueMs);
          },
        },
      ),
    );
    await assert.rejects(pool.run({ do: 'answer', value: 5 }, LONG), isRefusal('overloaded', /3 tasks wait/));
    await Promise.all(tasks);
    assert.deepEqual(begun, [0, 1, 2, 3, 4]);
    assert.ok((waits[0] as number) < 30 && (waits[4] as number) > 90, waits.join());
  });

  it('ends a thread that never returns within a second of the abort, and goes on with another', async () => {
    const stop = new AbortController();
    const spinning = pool.run({ do: 'spin' }, { ...LONG, signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    const abortedAfter = performance.now();
    await assert.rejects(spinning, isRefusal('prover_aborted'));
    assert.ok(performance.now() - abortedAfter < 1100);
    await Promise.all([1, 2, 3].map(() => pool.run({ do: 'answer', value: 1 }, LONG)));
    assert.equal(pool.alive, 2);
  });

  it('ends a thread that is over its time', async () => {
    await assert.rejects(pool.run({ do: 'spin' }, { timeoutMs: 100 }), isRefusal('prover_timeout', /100 ms/));
    await pool.run({ do: 'answer', value: 1 }, LONG);
  });

  it('takes an aborted or late task out of the queue without touching the threads', async () => {
    const ids = () => Promise.all([1, 2].map(() => pool.run({ do: 'wait', ms: 100 }, LONG)));
    const before = new Set(await ids());
    const busy = ids();
    const stop = new AbortController();
    const waiting = pool.run({ do: 'answer', value: 1 }, { ...LONG, signal: stop.signal });
    const late = pool.run({ do: 'answer', value: 1 }, { timeoutMs: 20 });
    stop.abort();
    await assert.rejects(waiting, isRefusal('prover_aborted'));
    await assert.rejects(late, isRefusal('prover_timeout'));
    assert.equal(pool.waiting, 0);
    assert.deepEqual(new Set(await busy), before);
    await assert.rejects(pool.run({ do: 'spin' }, { ...LONG, signal: stop.signal }), isRefusal('prover_aborted'));
  });

  it('survives threads that die in any way, and fails only the task that was theirs', async () => {
    for (const deed of [{ do: 'exit' }, { do: 'throw-later' }, { do: 'exit' }] as const) {
      const [bad, good] = await settled([pool.run(deed, LONG), pool.run({ do: 'wait', ms: 200 }, LONG)]);
      assert.equal(bad?.status, 'rejected', deed.do);
      isRefusal('prover_crashed', /thread died/)((bad as PromiseRejectedResult).reason);
      assert.equal(good?.status, 'fulfilled', deed.do);
    }
    const threads = await Promise.all([1, 2].map(() => pool.run({ do: 'wait', ms: 200 }, LONG)));
    assert.equal(new Set(threads).size, 2);
  });

  it('survives aborts in quick succession, before its new threads are ready', async () => {
    for (let i = 0; i < 10; i++) {
      const stop = new AbortController();
      const tasks = [1, 2].map(() => pool.run({ do: 'spin' }, { ...LONG, signal: stop.signal }));
      setTimeout(() => stop.abort(), i * 5);
      for (const result of await settled(tasks)) assert.equal(result.status, 'rejected');
    }
    await Promise.all([1, 2, 3].map(() => pool.run({ do: 'answer', value: 1 }, LONG)));
    assert.equal(pool.alive, 2);
  });
});

describe('closing a pool', () => {
  it('rejects what runs and waits, ends every thread, and may be done twice', async () => {
    const pool = new ThreadPool<Deed>({ file: FILE, threads: 1, queueMax: 5 });
    const tasks = [{ do: 'spin' } as const, { do: 'answer', value: 1 } as const].map((deed) => pool.run(deed, LONG));
    const results = settled(tasks);
    await Promise.all([pool.close(), pool.close()]);
    for (const result of await results) isRefusal('shutting_down')((result as PromiseRejectedResult).reason);
    assert.equal(pool.alive, 0);
    await assert.rejects(pool.run({ do: 'answer', value: 1 }, LONG), isRefusal('shutting_down'));
  });
});

describe('a thread for one job', () => {
  const order = (exportName: string, args: unknown = undefined) => ({
    moduleUrl: new URL('./pool-jobs.ts', import.meta.url).href,
    exportName,
    args,
  });
  const parse = (result: unknown): unknown => result;

  it('gives the result, with progress before it, and moves large bytes instead of copying', async () => {
    const reports: unknown[] = [];
    const result = await runInThread(order('fill', 3), parse, { onProgress: (report) => reports.push(report) });
    assert.deepEqual(result, { bytes: Uint8Array.of(3, 3, 3) });
    assert.deepEqual(reports, [0.5, 1]);
  });

  it('passes errors on, says when the thread died, and can be cancelled or timed out while it spins', async () => {
    await assert.rejects(runInThread(order('refuse'), parse), isRefusal('compile_failed', /as asked/));
    await assert.rejects(runInThread(order('die'), parse), isRefusal('prover_crashed'));
    await assert.rejects(runInThread(order('nothing'), parse), isRefusal('internal', /exports nothing/));
    await assert.rejects(runInThread(order('spin'), parse, { timeoutMs: 200 }), isRefusal('prover_timeout'));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    await assert.rejects(runInThread(order('spin'), parse, { signal: stop.signal }), isRefusal('cancelled'));
  });
});
