import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import {
  COEFFICIENT_BYTES,
  coefficientToStored,
  parseR1cs,
  parseWtns,
  parseZkey,
  readInteger,
  viewOf,
  writeInteger,
} from '../../src/prover/formats/index.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import { merkleInput, SmallMerkleTree } from '../../src/prover/merkle/index.ts';
import { Fr, lagrangeAt, rootOfUnity } from '../../src/prover/reference/index.ts';
import { coefficientSection, domainSizeOf } from '../../src/prover/setup/qap.ts';
import { coefficientEntries, computeHScalars, QuotientDraft } from '../../src/prover/wasm/index.ts';
import { encodeWtns, WitnessProgram } from '../../src/prover/witness/index.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { allKernels, TestMemory } from '../support/kernels.ts';
import { type MerkleKeys, makeMerkleKeys, oraclePoseidon } from '../support/merkle-circuits.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';

let modules: readonly Kernels[];
let keys: MerkleKeys;
before(async () => {
  modules = await allKernels();
  keys = await makeMerkleKeys(2, 4);
});
after(async () => {
  await keys.remove();
  await closeSnarkjs();
});

type Coefficient = readonly [matrix: number, row: number, wire: number, value: bigint];

function section(coefficients: readonly Coefficient[]): Uint8Array {
  const bytes = new Uint8Array(4 + COEFFICIENT_BYTES * coefficients.length);
  const view = viewOf(bytes);
  view.setUint32(0, coefficients.length, true);
  coefficients.forEach(([matrix, row, wire, value], i) => {
    const at = 4 + COEFFICIENT_BYTES * i;
    [matrix, row, wire].forEach((word, k) => {
      view.setUint32(at + 4 * k, word, true);
    });
    writeInteger(view, at + 12, coefficientToStored(value));
  });
  return bytes;
}

/** A's and B's rows as the format says: the stored value is v 2^512. */
function rowsOf(coefficients: Uint8Array, size: number, witness: readonly bigint[]): [bigint[], bigint[]] {
  const rows: [bigint[], bigint[]] = [new Array<bigint>(size).fill(0n), new Array<bigint>(size).fill(0n)];
  const view = viewOf(coefficients);
  const unstored = Fr.inverse(Fr.pow(2n, 512n));
  for (let i = 0; i < view.getUint32(0, true); i++) {
    const at = 4 + COEFFICIENT_BYTES * i;
    const matrix = rows[view.getUint32(at, true) as 0 | 1];
    const row = view.getUint32(at + 4, true);
    const value = Fr.mul(readInteger(view, at + 12), unstored);
    matrix[row] = Fr.create((matrix[row] as bigint) + value * (witness[view.getUint32(at + 8, true)] as bigint));
  }
  return rows;
}

/** P(x) for the polynomial with these values on the domain. */
function evaluate(values: readonly bigint[], x: bigint): bigint {
  return lagrangeAt(values.length, x).reduce((sum, l, i) => Fr.create(sum + l * (values[i] as bigint)), 0n);
}

/** A B - C at the chosen odd points of the doubled domain, by interpolation. */
function oracle(a: readonly bigint[], b: readonly bigint[], points: readonly number[]): bigint[] {
  const c = a.map((value, i) => Fr.mul(value, b[i] as bigint));
  const root = rootOfUnity(2 * a.length);
  return points.map((i) => {
    const x = Fr.pow(root, BigInt(2 * i + 1));
    return Fr.sub(Fr.mul(evaluate(a, x), evaluate(b, x)), evaluate(c, x));
  });
}

interface Case {
  readonly domainSize: number;
  readonly coefficients: Uint8Array;
  readonly witness: readonly bigint[];
}

function hScalars(kernels: Kernels, { domainSize, coefficients, witness }: Case, rowMax?: number): bigint[] {
  const memory = new TestMemory(kernels);
  const header = { domainSize, wires: witness.length };
  const options = rowMax === undefined ? {} : { rowMax };
  const draft = new QuotientDraft(kernels, header, coefficientEntries(coefficients), options);
  const [at, work] = [memory.take(draft.planBytes), memory.take(draft.workBytes)];
  const guard = memory.put([0x1234n]);
  const [words, out] = [memory.put(witness), memory.take(32 * domainSize)];
  const plan = structuredClone(draft.write(kernels, at, work));
  computeHScalars(kernels, plan, words, out, work);
  const first = memory.words(out, domainSize);
  computeHScalars(kernels, plan, words, out, work);
  assert.deepEqual(memory.words(out, domainSize), first, 'a plan is not used up');
  assert.deepEqual(memory.words(guard, 1), [0x1234n]);
  return first;
}

function check(of: Case, rowMax?: number): void {
  const [a, b] = rowsOf(of.coefficients, of.domainSize, of.witness);
  const points = of.domainSize <= 64 ? a.map((_, i) => i) : [0, 1, 2, of.domainSize / 2, of.domainSize - 1];
  const expected = oracle(a, b, points);
  for (const kernels of modules) {
    const scalars = hScalars(kernels, of, rowMax);
    assert.deepEqual(
      points.map((i) => scalars[i]),
      expected,
      kernels.name,
    );
  }
}

const random = new SeededRandom(11);
const randomWitness = (wires: number): bigint[] =>
  Array.from({ length: wires }, (_, wire) => (wire === 0 ? 1n : random.bigintBelow(R)));

describe('H scalars', () => {
  it('of Merkle circuits are what the specification says', async () => {
    const hash = await oraclePoseidon();
    for (const [depth, circuit] of keys.circuits) {
      const { header, sections } = parseZkey(circuit.zkey, { level: 'coefficients' });
      const tree = new SmallMerkleTree(hash, [5n, R - 1n, 7n], depth);
      const program = new WitnessProgram(circuit.wasm);
      const input = merkleInput({ leaf: 7n, leafIndex: 2, externalHash: 99n, path: tree.path(2) });
      const view = viewOf(parseWtns(encodeWtns(program.run(input))).values);
      const witness = Array.from({ length: header.wires }, (_, wire) => readInteger(view, 32 * wire));
      check({ domainSize: header.domainSize, coefficients: sections.coefficients, witness });
    }
  });

  it('of chains of any length are, in one row of the domain and in several', () => {
    for (const steps of [1, 2, 3, 5, 11, 29, 60]) {
      const chain = chainCircuit(steps);
      const r1cs = parseR1cs(chain.r1cs);
      const of = {
        domainSize: domainSizeOf(r1cs),
        coefficients: coefficientSection(r1cs),
        witness: chain.witness(R - 2n, 3n),
      };
      check(of);
      if (of.domainSize >= 32) check(of, of.domainSize / 4);
    }
  });

  it('are zero without coefficients, and do not depend on what memory held before', () => {
    for (const domainSize of [2, 4, 8, 64]) {
      for (const kernels of modules) {
        const scalars = hScalars(kernels, { domainSize, coefficients: section([]), witness: [1n] });
        assert.deepEqual(scalars, new Array(domainSize).fill(0n));
      }
    }
  });

  it('take rows that are empty, full, unsorted, repeated, of ones, minus ones and zeros', () => {
    const wires = 13;
    const witness = randomWitness(wires);
    witness[5] = 0n;
    witness[6] = R - 1n;
    const values = [1n, R - 1n, 0n, 2n, R - 2n, 1n << 253n, (R - 1n) / 2n];
    for (const domainSize of [2, 8, 32]) {
      const mixed: Coefficient[] = [];
      for (let i = 0; i < 150; i++) {
        const value = i % 3 === 0 ? random.bigintBelow(R) : (values[random.below(values.length)] as bigint);
        // The upper half stays empty but for its last row.
        const row = i % 10 === 0 ? domainSize - 1 : random.below(domainSize / 2);
        mixed.push([random.below(2), row, random.below(wires), value]);
      }
      check({ domainSize, coefficients: section(mixed), witness });
      check({
        domainSize,
        coefficients: section([
          [0, 1, 12, 1n],
          [1, 1, 12, R - 1n],
        ]),
        witness,
      });
    }
  });

  it('of a witness at the ends of the field keep to their bounds', () => {
    const domainSize = 64;
    for (const value of [R - 1n, (R - 1n) / 2n, (1n << 253n) - 1n]) {
      const all: Coefficient[] = [];
      for (let row = 0; row < domainSize; row++) {
        for (let wire = 0; wire < 6; wire++) all.push([row % 2, row, wire, value], [1 - (row % 2), row, wire, R - 1n]);
      }
      check({ domainSize, coefficients: section(all), witness: [1n, value, value, value, value, R - 1n] });
    }
  });

  it('come out the same from a section in portions', () => {
    const chain = chainCircuit(20);
    const r1cs = parseR1cs(chain.r1cs);
    const coefficients = coefficientSection(r1cs);
    const header = { domainSize: domainSizeOf(r1cs), wires: r1cs.wires };
    const [kernels] = modules as [Kernels];
    const plans = [
      coefficientEntries(coefficients),
      function* portions() {
        for (let at = 4; at < coefficients.length; at += 3 * COEFFICIENT_BYTES) {
          yield coefficients.slice(at, at + 3 * COEFFICIENT_BYTES);
        }
      },
    ].map((chunks) => {
      const memory = new TestMemory(kernels);
      const draft = new QuotientDraft(kernels, header, chunks);
      const at = memory.take(draft.planBytes);
      draft.write(kernels, at, memory.take(draft.workBytes));
      return Buffer.from(new Uint8Array(kernels.memory.buffer, at, draft.planBytes));
    });
    assert.ok(plans[0]?.equals(plans[1] as Buffer));
  });

  it('are refused for coefficients outside their matrices', () => {
    const [kernels] = modules as [Kernels];
    for (const wrong of [
      [2, 0, 0, 1n],
      [0, 4, 0, 1n],
      [1, 0, 3, 1n],
    ] as const) {
      assert.throws(
        () => new QuotientDraft(kernels, { domainSize: 4, wires: 3 }, coefficientEntries(section([wrong]))),
        isRefusal('zkey_invalid'),
      );
    }
  });
});
