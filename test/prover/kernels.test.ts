import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Q, R } from '../../src/common/index.ts';
import { fmaRepresentation } from '../../src/prover/kernels/generator/fma-arithmetic.ts';
import { intRepresentation } from '../../src/prover/kernels/generator/int-arithmetic.ts';
import { InexactError, Recorder } from '../../src/prover/kernels/generator/ir.ts';
import {
  findWrongAnswer,
  type Kernels,
  RESERVED_BYTES,
  readWords,
  selectKernels,
  writeWords,
} from '../../src/prover/kernels/index.ts';
import { fuzzKernels, KernelBed } from '../support/kernel-bed.ts';
import { FIELDS } from '../support/kernel-cases.ts';
import { allKernels, IS_FUSED } from '../support/kernels.ts';

const ADVERSARIAL_CASES = 400;

let all: readonly Kernels[] = [];
before(async () => {
  all = await allKernels();
});

describe('every kernel module', () => {
  it('is right on limbs at the edges of their bounds, in every kernel of every field', () => {
    for (const kernels of all) {
      const { wrong, checked } = fuzzKernels(kernels, ADVERSARIAL_CASES, 1);
      assert.deepEqual(wrong.slice(0, 5), [], kernels.name);
      assert.ok(Object.values(checked).every((count) => count >= ADVERSARIAL_CASES));
    }
  });

  it('gives the known answers', () => {
    for (const kernels of all) assert.equal(findWrongAnswer(kernels), undefined, kernels.name);
  });

  it('reads and writes words: canonical, in snarkjs form, and edges', () => {
    for (const kernels of all) {
      const bed = new KernelBed(kernels);
      const view = new DataView(kernels.memory.buffer);
      const { lanes, exports } = kernels;
      for (const [field, p] of FIELDS) {
        const snarkjs = (1n << 256n) % p;
        const values = [0n, 1n, p - 1n, p - 2n, p / 2n, p / 2n + 1n, (1n << 51n) - 1n, 1n << 51n, (1n << 253n) - 1n];
        for (const value of values) {
          for (const [factor, plain] of [
            ['plain', value],
            ['snarkjs', (value * snarkjs) % p],
          ] as const) {
            for (let lane = 0; lane < lanes; lane++)
              writeWords(view, RESERVED_BYTES + 32 * lane, lane === 1 ? 7n : plain);
            exports[`${field}_read`](bed.slot(0), RESERVED_BYTES, 32, kernels.element(`${field}_${factor}`));
            exports[`${field}_write`](RESERVED_BYTES + 1024, 64, bed.slot(0));
            assert.equal(readWords(view, RESERVED_BYTES + 1024), value, `${kernels.name} ${field} ${factor}`);
          }
        }
      }
    }
  });

  it('moves elements between lanes and cells, with signs', () => {
    for (const kernels of all) {
      const bed = new KernelBed(kernels);
      const view = new DataView(kernels.memory.buffer);
      const { lanes, exports } = kernels;
      const [list, cells] = [RESERVED_BYTES + 512, RESERVED_BYTES + 32_768];
      for (const [field, p] of FIELDS) {
        for (let lane = 0; lane < lanes; lane++) {
          writeWords(view, RESERVED_BYTES + 32 * lane, p - BigInt(lane) - 3n);
          view.setUint32(list + 4 * lane, (cells + 160 * (lanes - lane)) / 16, true);
        }
        exports[`${field}_read`](bed.slot(0), RESERVED_BYTES, 32, kernels.element(`${field}_plain`));
        exports[`${field}_scatter`](list, 40, bed.slot(0));
        exports[`${field}_gather`](bed.slot(1), list, 40);
        assert.deepEqual(bed.values(bed.slot(1)), bed.values(bed.slot(0)));
        for (let lane = 0; lane < lanes; lane += 2) {
          view.setUint32(list + 4 * lane, (view.getUint32(list + 4 * lane, true) | 0x8000_0000) >>> 0, true);
        }
        exports[`${field}_gather_signed`](bed.slot(1), list, 40);
        exports[`${field}_write`](RESERVED_BYTES, 32, bed.slot(1));
        for (let lane = 0; lane < lanes; lane++) {
          const value = p - BigInt(lane) - 3n;
          assert.equal(readWords(view, RESERVED_BYTES + 32 * lane), lane % 2 === 0 ? p - value : value, kernels.name);
        }
      }
    }
  });
});

describe('generation', () => {
  const fma = fmaRepresentation({ chain: true });

  it('fails where a product of two sums would leave its binade', () => {
    const F = fma.arithmetic(new Recorder(), Q);
    const sum = F.lazyAdd(F.load('x', 'stored'), F.load('y', 'stored'));
    assert.throws(() => F.mul(sum, F.lazyAdd(sum, sum)), InexactError);
  });

  it('fails where a result is larger than what others take for granted', () => {
    const F = fma.arithmetic(new Recorder(), Q);
    assert.throws(
      () => F.store('z', F.lazyAdd(F.load('x', 'reduced'), F.load('y', 'reduced')), 'stored'),
      InexactError,
    );
    assert.throws(() => F.store('z', F.mul(F.load('x', 'stored'), F.load('y', 'stored')), 'reduced'), InexactError);
    const I = intRepresentation.arithmetic(new Recorder(), R);
    assert.throws(() => I.store('z', I.lazyAdd(I.load('x', 'stored'), I.load('y', 'stored')), 'stored'), InexactError);
  });

  it('fails where integer factors have more than 32 bits, or a column more than 64', () => {
    const ir = new Recorder();
    assert.throws(() => ir.narrow(ir.loadBits('x', 0, 1n << 32n)), InexactError);
    const wide = ir.narrow(ir.loadBits('x', 0, (1n << 32n) - 1n));
    const sum = ir.addBits(ir.multiply(wide, wide), ir.multiply(wide, wide));
    assert.throws(() => ir.shiftRight(sum, 29), InexactError);
  });

  it('fails where a float would be rounded', () => {
    const ir = new Recorder();
    const large = ir.load('x', 0, 1n << 53n);
    assert.throws(() => ir.add(large, ir.constant(1n)), InexactError);
    assert.throws(() => ir.constant((1n << 53n) + 1n), InexactError);
  });
});

describe('the choice of kernels', () => {
  it('is made once, and says why', async () => {
    const first = await selectKernels('auto');
    assert.equal(await selectKernels('auto'), first);
    assert.ok(first.reasons.length > 0);
    assert.match(first.reasons.join('\n'), /known answers right/);
    assert.equal(first.kernel.tier, IS_FUSED ? 'fma2' : 'int2', first.reasons.join('; '));
  });

  it('can be forced to integers, which run everywhere', async () => {
    assert.equal((await selectKernels('int2')).kernel.tier, 'int2');
  });
});
