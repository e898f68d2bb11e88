import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import {
  g1ToMontgomery,
  g2ToMontgomery,
  parseR1cs,
  readInteger,
  SCALAR_BYTES,
  viewOf,
  writeInteger,
} from '../../src/prover/formats/index.ts';
import { createKernelMemory, instantiateKernels, type Kernels } from '../../src/prover/kernels/index.ts';
import { Fr, G1, G2, lagrangeAt, rootOfUnity } from '../../src/prover/reference/index.ts';
import { coefficientSection, domainSizeOf, qapScalars } from '../../src/prover/setup/qap.ts';
import {
  buildFixedBase,
  computeKeyScalars,
  type FixedBaseShape,
  fixedBaseBytes,
  hasTwoPowerOrder,
  keyCounts,
  multiplyFixedBase,
  multiplyWorkBytes,
  ORDER_WORK_PACKS,
  planFixedBase,
  SLICE_PRODUCTS_MAX,
} from '../../src/prover/wasm/index.ts';
import { LAGRANGE_WORK_PACKS, lagrangePacks, writeLagrange } from '../../src/prover/wasm/setup/lagrange.ts';
import { chainCircuit, type Row, writeR1cs } from '../support/chain-circuit.ts';
import { allKernels, TestMemory } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

let modules: readonly Kernels[];
before(async () => {
  modules = await allKernels();
});

const random = new SeededRandom(31);
const scalar = (): bigint => random.bigintBelow(R);

describe('multiples of a generator', () => {
  const shapeOf = (group: 'g1' | 'g2', windowBits: number): FixedBaseShape => ({
    group,
    windowBits,
    windows: Math.ceil(254 / windowBits),
  });
  /** Ends of the range, of what digits reach, and one digit alone in each place. */
  const edges = (windowBits: number): bigint[] => [
    ...[0n, 1n, 2n, 3n, R - 1n, R - 2n, R / 2n, R / 2n + 1n, R / 2n - 1n],
    ...Array.from({ length: Math.ceil(254 / windowBits) - 1 }, (_, j) => 1n << BigInt(j * windowBits)),
    ...[-1n, 0n, 1n].map((d) => (1n << BigInt(windowBits - 1)) + d),
    ...[-1n, 0n, 1n].map((d) => R - (1n << BigInt(windowBits - 1)) + d),
  ];

  for (const group of ['g1', 'g2'] as const) {
    it(`are the reference's in ${group}, for edges and any scalars, whatever the window`, () => {
      for (const kernels of modules) {
        for (const windowBits of [3, 4, 7]) {
          const shape = shapeOf(group, windowBits);
          const memory = new TestMemory(kernels);
          const table = buildFixedBase(kernels, shape, memory.take(fixedBaseBytes(kernels, shape)));
          const work = memory.take(multiplyWorkBytes(kernels));
          const scalars = [...edges(windowBits), ...Array.from({ length: 4 }, scalar)];
          const at = memory.put(scalars);
          const points = multiplyFixedBase(kernels, table, at, scalars.length, work);
          const expected =
            group === 'g1'
              ? g1ToMontgomery(scalars.map((k) => G1.multiply(G1.generator, k)))
              : g2ToMontgomery(scalars.map((k) => G2.multiply(G2.generator, k)));
          assert.deepEqual(Buffer.from(points), Buffer.from(expected), `${kernels.name}, ${windowBits} bits`);
          // Few, and a number that fills no pack; the area was used before.
          for (const n of [1, 3]) {
            assert.deepEqual(
              Buffer.from(multiplyFixedBase(kernels, table, at + 32 * 9, n, work)),
              Buffer.from(
                expected.subarray((9 * points.length) / scalars.length, ((9 + n) * points.length) / scalars.length),
              ),
            );
          }
        }
      }
    });
  }

  it('fill whole batches, of scalars that are equal or have equal digits as well', () => {
    const [kernels] = modules as [Kernels];
    const memory = new TestMemory(kernels);
    const shape = planFixedBase('g1', 5000);
    const table = buildFixedBase(kernels, shape, memory.take(fixedBaseBytes(kernels, shape)));
    const work = memory.take(multiplyWorkBytes(kernels));
    const same = scalar();
    const repeated = 0x11111111111111111111111111111111n;
    const scalars = Array.from({ length: SLICE_PRODUCTS_MAX }, (_, i) => [same, repeated, BigInt(i)][i % 3] as bigint);
    const points = multiplyFixedBase(kernels, table, memory.put(scalars), scalars.length, work);
    const known = new Map(scalars.map((k) => [k, G1.multiply(G1.generator, k)]));
    assert.deepEqual(Buffer.from(points), Buffer.from(g1ToMontgomery(scalars.map((k) => known.get(k) ?? null))));
    assert.throws(() => multiplyFixedBase(kernels, table, 0, SLICE_PRODUCTS_MAX + 1, work), RangeError);
  });

  it('come from a table that is larger for more of them, and bounded', () => {
    const bits = [1, 100, 5000, 25_000, 4_000_000, 1e9].map((n) => planFixedBase('g1', n).windowBits);
    assert.deepEqual(
      [...bits].sort((a, b) => a - b),
      bits,
    );
    assert.ok((bits[0] as number) >= 3 && (bits[0] as number) < 5 && bits.at(-1) === 14, `${bits}`);
    const [kernels] = modules as [Kernels];
    assert.ok(fixedBaseBytes(kernels, planFixedBase('g2', 1e9)) < 32 * 2 ** 20);
  });
});

describe('Lagrange values on the kernels', () => {
  it('are the reference ones, on the domain and on the odd points of twice the domain', () => {
    for (const kernels of modules) {
      for (const size of [2, 4, 8, 64]) {
        const memory = new TestMemory(kernels);
        const packs = (n: number): number => memory.take(n * kernels.packBytes);
        const [tau, factor] = [scalar(), scalar()];
        const inPack = (value: bigint): number => {
          const pack = packs(1);
          kernels.exports.fr_read(pack, memory.put([value]), 0, kernels.element('fr_plain'));
          return pack;
        };
        const values = (coset: { size: number; shift: bigint }, scale: bigint): bigint[] => {
          const target = packs(lagrangePacks(coset, kernels.lanes));
          writeLagrange(kernels, coset, inPack(tau), inPack(scale), target, packs(LAGRANGE_WORK_PACKS));
          const words = memory.take(32 * (size + kernels.lanes));
          for (let i = 0; i * kernels.lanes < size; i++) {
            kernels.exports.fr_write(words + 32 * i * kernels.lanes, 32, target + i * kernels.packBytes);
          }
          return memory.words(words, size);
        };
        const vanishing = (n: number): bigint => Fr.mul(Fr.sub(Fr.pow(tau, BigInt(n)), 1n), Fr.inverse(BigInt(n)));
        assert.deepEqual(values({ size, shift: 1n }, vanishing(size)), lagrangeAt(size, tau), kernels.name);
        assert.deepEqual(
          values({ size, shift: rootOfUnity(2 * size) }, Fr.mul(vanishing(2 * size), factor)),
          lagrangeAt(2 * size, tau)
            .filter((_, i) => i % 2 === 1)
            .map((value) => Fr.mul(value, factor)),
          kernels.name,
        );
        assert.throws(
          () =>
            writeLagrange(
              kernels,
              { size, shift: 1n },
              inPack(rootOfUnity(size)),
              inPack(1n),
              packs(size + 1),
              packs(LAGRANGE_WORK_PACKS),
            ),
          /not among the points/,
        );
      }
    }
  });

  it('need a point that has no order of a power of two, which is told without a BigInt of it', () => {
    for (const kernels of modules) {
      const memory = new TestMemory(kernels);
      const work = memory.take(ORDER_WORK_PACKS * kernels.packBytes);
      const has = (value: bigint): boolean => hasTwoPowerOrder(kernels, memory.put([value]), work);
      for (const value of [1n, R - 1n, rootOfUnity(2), rootOfUnity(2 ** 14), rootOfUnity(2 ** 28)]) {
        assert.equal(has(value), true, `${value}`);
      }
      for (const value of [0n, 2n, 5n, scalar()]) assert.equal(has(value), false, `${value}`);
    }
  });
});

describe('the scalars of a key on the kernels', () => {
  const trapdoor = { tau: scalar(), alpha: scalar(), beta: scalar(), gamma: scalar(), delta: scalar() };
  const { tau, alpha, beta, gamma, delta } = trapdoor;

  const onKernels = async (module: Kernels, file: Uint8Array): Promise<bigint[][]> => {
    const r1cs = parseR1cs(file);
    const domainSize = domainSizeOf(r1cs);
    const counts = keyCounts(r1cs, domainSize);
    const kernels = await instantiateKernels(module, createKernelMemory(2));
    const secret = new Uint8Array(5 * SCALAR_BYTES);
    [tau, alpha, beta, gamma, delta].forEach((value, i) => {
      writeInteger(viewOf(secret), SCALAR_BYTES * i, value);
    });
    const out = { g1: new Uint8Array(32 * counts.g1), g2: new Uint8Array(32 * counts.g2) };
    computeKeyScalars(kernels, { r1cs, domainSize, coefficients: coefficientSection(r1cs) }, secret, out);
    return [out.g1, out.g2].map((bytes) =>
      Array.from({ length: bytes.length / 32 }, (_, i) => readInteger(viewOf(bytes), 32 * i)),
    );
  };
  const inBigInt = (file: Uint8Array): bigint[][] => {
    const r1cs = parseR1cs(file);
    const { ic, a, b, c, h } = qapScalars(r1cs, domainSizeOf(r1cs), trapdoor);
    return [
      [alpha, beta, delta, ...ic, ...a, ...b, ...c, ...h],
      [beta, gamma, delta, ...b],
    ];
  };

  it('are those of the quadratic arithmetic program in BigInt', async () => {
    for (const kernels of modules) {
      for (const steps of [1, 2, 4, 5, 6, 37]) {
        const { r1cs } = chainCircuit(steps);
        assert.deepEqual(await onKernels(kernels, r1cs), inBigInt(r1cs), `${kernels.name}, ${steps} steps`);
      }
    }
  });

  it('are so for coefficients of every kind, rows without terms, and wires without rows', async () => {
    const some = (): bigint => [0n, 1n, R - 1n, 2n, R - 2n, 1n << 200n, scalar()][random.below(7)] as bigint;
    const wires = 23;
    const terms = () => Array.from({ length: random.below(6) }, () => [random.below(wires - 2), some()] as const);
    for (let i = 0; i < 6; i++) {
      const rows: Row[] = Array.from({ length: 1 + random.below(40) }, () => [terms(), terms(), terms()]);
      const file = writeR1cs({ wires, outputs: i % 3, publicInputs: i % 2, privateInputs: 1, rows });
      for (const kernels of modules) assert.deepEqual(await onKernels(kernels, file), inBigInt(file), kernels.name);
    }
    // A domain of two is less than four lanes.
    const row: Row = [[[1, 3n]], [[2, 5n]], [[3, 1n]]];
    const small = writeR1cs({ wires: 4, outputs: 0, publicInputs: 0, privateInputs: 1, rows: [row] });
    for (const kernels of modules) assert.deepEqual(await onKernels(kernels, small), inBigInt(small), kernels.name);
    const empty = writeR1cs({ wires: 1, outputs: 0, publicInputs: 0, privateInputs: 0, rows: [] });
    for (const kernels of modules) assert.deepEqual(await onKernels(kernels, empty), inBigInt(empty), kernels.name);
  });
});
