import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ZkraftError } from '../../src/common/index.ts';
import { divide, proveJointly } from '../../src/prover/pool/joint-proof.ts';
import type { PreparedCircuit, SumPart, SumShape, WasmHost } from '../../src/prover/wasm/index.ts';

const TABLES = ['a', 'b1', 'b2', 'c', 'h'] as const;
type Points = Readonly<Record<(typeof TABLES)[number], number>>;

const shape = (group: 'g1' | 'g2', spacingBits: number): SumShape => ({
  group,
  spacingBits,
  stored: Math.ceil(254 / spacingBits),
  passes: 1,
});

const circuitOf = (points: Points, domainSize: number): PreparedCircuit =>
  ({
    domainSize,
    shapes: { a: shape('g1', 13), b: shape('g2', 13), c: shape('g1', 15) },
    tables: Object.fromEntries(TABLES.map((table) => [table, { points: points[table] }])),
  }) as unknown as PreparedCircuit;

/** Of the Merkle circuit of depth 20. */
const DEPTH_20: Points = { a: 4825, b1: 3223, b2: 3223, c: 4862, h: 8192 };

describe('a proof for which there is no memory', () => {
  it('leaves no listener with the signal that would end it', async () => {
    const { signal } = new AbortController();
    const executor = { threads: 2, waiting: 0, running: 0, run: () => assert.fail('it runs'), close: async () => {} };
    const host = {
      takeArea: () => {
        throw new ZkraftError('overloaded', 'the memory is used up');
      },
    } as unknown as WasmHost;
    const prepared = { ...circuitOf(DEPTH_20, 8192), proof: { bytes: 1 << 20, work: 0 } };
    const task = { kind: 'prove', circuit: { prepared } } as unknown as Parameters<typeof proveJointly>[2];
    await assert.rejects(proveJointly(executor, host, task, { signal, timeoutMs: 1_000 }), /used up/);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });
});

describe('a proof divided among threads', () => {
  it('has every point of every table once, each sum by its own tables', () => {
    const count = fc.integer({ min: 0, max: 20_000 });
    const points = fc.record({ a: count, b1: count, b2: count, c: count, h: count });
    fc.assert(
      fc.property(points, fc.integer({ min: 1, max: 40 }), (given, threads) => {
        const plan = divide(circuitOf(given, 8192), threads);
        assert.equal(plan.length, threads);
        const taken: SumPart[] = plan.flat().flatMap(({ sum, parts, afterQuotient }) => {
          assert.equal(afterQuotient, sum === 'c');
          for (const { table } of parts) assert.equal({ a: 'a', b2: 'b', b1: 'c', c: 'c', h: 'c' }[table], sum);
          return [...parts];
        });
        for (const table of TABLES) {
          const ranges = taken.filter((part) => part.table === table).sort((x, y) => x.from - y.from);
          let reached = 0;
          for (const { from, to } of ranges) {
            assert.equal(from, reached);
            assert.ok(to > from);
            reached = to;
          }
          assert.equal(reached, given[table], `${table} is covered`);
        }
      }),
    );
  });

  it('leaves sums whole where a second reduction would cost more than it evens out', () => {
    const plan = divide(circuitOf(DEPTH_20, 8192), 2);
    assert.deepEqual(
      plan.map((parts) => parts.map(({ sum }) => sum)),
      [['c'], ['a', 'b']],
    );
  });

  it('gives each of many threads about as much', () => {
    for (const threads of [3, 4, 6, 8]) {
      const loads = divide(circuitOf(DEPTH_20, 8192), threads).map((parts, thread) =>
        parts.reduce(
          (sum, part) => {
            const [each, reduction] = { a: [20, 8192], b: [48, 19_661], c: [17, 32_768] }[part.sum] as [number, number];
            return sum + reduction + each * part.parts.reduce((points, { from, to }) => points + to - from, 0);
          },
          thread === 0 ? 5 * 8192 : 0,
        ),
      );
      const mean = loads.reduce((sum, load) => sum + load, 0) / threads;
      assert.ok(Math.max(...loads) < 1.3 * mean, `${threads} threads: ${loads.join(', ')}`);
    }
  });
});
