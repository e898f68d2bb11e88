import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { type Kernels, TWIDDLE_BYTES } from '../../src/prover/kernels/index.ts';
import { Fr } from '../../src/prover/reference/index.ts';
import { allKernels, TestMemory } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

/**
 * Butterflies on limbs at the ends of what they may be, which no field element shows: here a rounding would be seen.
 * An element is the sum of its limbs l_i 2^(51 i). A twiddle's rows are any five elements where a kernel takes limbs as
 * they are, and those of one factor where it carries first.
 */
const HALF = 2n ** 50n;
const LIMB = HALF + 64n;
const BOUNDS = {
  reduced: [LIMB, (HALF * 379n) / 1000n],
  wide: [2n * LIMB, (HALF * 16n) / 10n],
} as const;
type Size = keyof typeof BOUNDS;

let modules: readonly Kernels[];
before(async () => {
  // Integer lanes have no sizes but one, and their butterflies are tried with their other kernels.
  modules = (await allKernels()).filter(({ tier }) => tier !== 'int2');
});

const random = new SeededRandom(23);

/** Mostly the very ends. */
function limbs(size: Size): bigint[] {
  return Array.from({ length: 5 }, (_, i) => {
    const max = BOUNDS[size][i === 4 ? 1 : 0];
    const kind = random.below(4);
    const value = kind === 0 ? random.bigintBelow(max) : max - BigInt(random.below(kind === 1 ? 100 : 1));
    return random.below(2) === 0 ? value : -value;
  });
}

function rowsOfFactor(factor: bigint): bigint[][] {
  return Array.from({ length: 5 }, (_, i) => {
    let rest = Fr.mul(factor, 2n ** BigInt(51 * (i + 1)));
    if (rest > Fr.modulus / 2n) rest -= Fr.modulus;
    return Array.from({ length: 5 }, (_, j) => {
      const digit = j === 4 ? rest : BigInt.asIntN(51, rest);
      rest = (rest - digit) / 2n ** 51n;
      return digit;
    });
  });
}

const numberOf = (element: readonly bigint[]): bigint =>
  element.reduce((sum, limb, i) => sum + limb * 2n ** BigInt(51 * i), 0n);

class Operands {
  readonly #kernels: Kernels;
  readonly #view: DataView;
  readonly x: number;
  readonly y: number;
  readonly w: number;

  constructor(kernels: Kernels) {
    const memory = new TestMemory(kernels);
    this.#kernels = kernels;
    [this.x, this.y] = [memory.take(kernels.packBytes), memory.take(kernels.packBytes)];
    this.w = memory.take(TWIDDLE_BYTES);
    this.#view = new DataView(kernels.memory.buffer);
  }

  put(at: number, lanes: readonly (readonly bigint[])[]): void {
    lanes.forEach((element, lane) => {
      element.forEach((limb, i) => {
        this.#view.setFloat64(at + 8 * (i * lanes.length + lane), Number(limb), true);
      });
    });
  }

  putTwiddle(rows: readonly (readonly bigint[])[]): void {
    rows.flat().forEach((limb, i) => {
      this.#view.setFloat64(this.w + 8 * i, Number(limb), true);
    });
  }

  /** Refuses limbs beyond the bounds of what the kernel promises to leave. */
  get(at: number, size: Size): bigint[] {
    const { lanes } = this.#kernels;
    return Array.from({ length: lanes }, (_, lane) => {
      const element = Array.from({ length: 5 }, (_, i) => {
        const limb = BigInt(this.#view.getFloat64(at + 8 * (i * lanes + lane), true));
        const max = BOUNDS[size][i === 4 ? 1 : 0];
        assert.ok(limb <= max && -limb <= max, `limb ${i} of ${limb} is beyond ${max}`);
        return limb;
      });
      return Fr.create(numberOf(element));
    });
  }
}

describe('butterflies at the ends of their bounds', () => {
  it('neither round nor leave more than they promise', () => {
    const digitInverse = Fr.inverse(2n ** 51n);
    for (const kernels of modules) {
      const operands = new Operands(kernels);
      const { x, y, w } = operands;
      const kernel = kernels.exports;
      for (let round = 0; round < 400; round++) {
        for (const [taken, left] of [
          ['reduced', 'wide'],
          ['wide', 'reduced'],
        ] as const) {
          const form = taken === 'reduced' ? 'loose' : 'tight';
          const factorRows = rowsOfFactor(random.bigintBelow(Fr.modulus));
          let rows = form === 'loose' ? Array.from({ length: 5 }, () => limbs('reduced')) : factorRows;
          const [xs, ys] = [0, 1].map(() => Array.from({ length: kernels.lanes }, () => limbs(taken))) as [
            bigint[][],
            bigint[][],
          ];
          const times = (element: readonly bigint[]): bigint =>
            Fr.mul(Fr.create(element.reduce((sum, l, i) => sum + l * numberOf(rows[i] as bigint[]), 0n)), digitInverse);
          const minus = (a: readonly bigint[], b: readonly bigint[]): bigint[] => a.map((l, i) => l - (b[i] as bigint));
          const run = (call: () => void, expected: (a: bigint[], b: bigint[]) => readonly [bigint, bigint]): void => {
            operands.put(x, xs);
            operands.put(y, ys);
            operands.putTwiddle(rows);
            call();
            const results = xs.map((a, lane) => expected(a, ys[lane] as bigint[]));
            assert.deepEqual(
              operands.get(x, left),
              results.map(([first]) => first),
            );
            assert.deepEqual(
              operands.get(y, left),
              results.map(([, second]) => second),
            );
          };
          const [va, sum] = [numberOf, (a: bigint[], b: bigint[]) => Fr.create(numberOf(a) + numberOf(b))];
          run(
            () => kernel[`fr_ntt_sum_row_${form}`](x, y, 1),
            (a, b) => [sum(a, b), Fr.create(va(a) - va(b))],
          );
          run(
            () => kernel[`fr_ntt_dit_row_${form}`](x, y, w, 1),
            (a, b) => [Fr.create(va(a) + times(b)), Fr.create(va(a) - times(b))],
          );
          rows = factorRows;
          run(
            () => kernel[`fr_ntt_dif_row_${form}`](x, y, w, 1),
            (a, b) => [sum(a, b), times(minus(a, b))],
          );
        }
      }
    }
  });
});
