import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { readInteger, viewOf, writeInteger } from '../../src/prover/formats/index.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import { drawScalar, SCALE_WORK_PACKS, scaleScalars } from '../../src/prover/wasm/index.ts';
import { allKernels, TestMemory } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

let modules: readonly Kernels[];
before(async () => {
  modules = await allKernels();
});

describe('a vector of scalars times a constant', () => {
  it('is the product of each, whatever their number, also in place', () => {
    const random = new SeededRandom(3);
    for (const kernels of modules) {
      for (const factor of [0n, 1n, R - 1n, random.bigintBelow(R)]) {
        for (const n of [0, 1, 2, 3, 4, 5, 33]) {
          const memory = new TestMemory(kernels);
          const values = [0n, 1n, R - 1n, ...Array.from({ length: 30 }, () => random.bigintBelow(R))].slice(0, n);
          const [source, factorAt] = [memory.put(values), memory.put([factor])];
          const target = memory.put([...values, 77n]);
          const work = memory.take(SCALE_WORK_PACKS * kernels.packBytes);
          const expected = values.map((value) => Fr.mul(value, factor));
          scaleScalars(kernels, target, source, n, factorAt, work);
          assert.deepEqual(memory.words(target, n + 1), [...expected, 77n]);
          scaleScalars(kernels, source, source, n, factorAt, work);
          assert.deepEqual(memory.words(source, n), expected);
        }
      }
    }
  });
});

describe('a random scalar', () => {
  const asBytes = (value: bigint): Uint8Array => {
    const bytes = new Uint8Array(32);
    writeInteger(viewOf(bytes), 0, value);
    return bytes;
  };
  const drawn = (...draws: readonly bigint[]): { value: bigint; left: number } => {
    const queue = draws.map(asBytes);
    const target = new Uint8Array(32);
    drawScalar(target, (bytes) => bytes.set(queue.shift() as Uint8Array));
    return { value: readInteger(viewOf(target), 0), left: queue.length };
  };

  it('is the first draw below r, its two highest bits left out of account', () => {
    assert.deepEqual(drawn(R - 1n, 1n), { value: R - 1n, left: 1 });
    assert.deepEqual(drawn(R, 5n), { value: 5n, left: 0 });
    assert.deepEqual(drawn((1n << 254n) - 1n, R + 1n, (3n << 254n) + 9n), { value: 9n, left: 0 });
    assert.deepEqual(drawn(0n), { value: 0n, left: 0 });
  });

  it('comes from the system and differs every time', () => {
    const values = new Set(
      Array.from({ length: 50 }, () => {
        const target = new Uint8Array(32);
        drawScalar(target);
        return readInteger(viewOf(target), 0);
      }),
    );
    assert.equal(values.size, 50);
    for (const value of values) assert.ok(value < R);
  });

  it('is not had from a source that only yields numbers that are too large', () => {
    const target = new Uint8Array(32);
    assert.throws(() => drawScalar(target, (bytes) => bytes.fill(0xff)), /none below r/);
    assert.deepEqual(target, new Uint8Array(32));
    assert.throws(() => drawScalar(new Uint8Array(31)), RangeError);
  });
});
