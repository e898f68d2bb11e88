import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { poseidon2 } from '../../src/prover/index.ts';
import {
  afterBoxPack,
  fullBoxPack,
  type Kernels,
  POSEIDON_TRACE_PACKS,
  partialBoxPack,
  poseidonParameterBytes,
  writePoseidonParameters,
} from '../../src/prover/kernels/index.ts';
import { applyMatrix, Fr, poseidon2Reference, poseidonParameters } from '../../src/prover/reference/index.ts';
import { allKernels, TestMemory } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const EDGES = [0n, 1n, 2n, R - 1n, R - 2n, (R - 1n) / 2n, 1n << 253n, (1n << 51n) - 1n];

/** Hash and trace of a pair a lane, by lane. */
function traced(kernels: Kernels, pairs: readonly (readonly [bigint, bigint])[]): { hash: bigint; trace: bigint[] }[] {
  const { exports, lanes, packBytes } = kernels;
  const memory = new TestMemory(kernels);
  const parameters = memory.take(poseidonParameterBytes(kernels));
  writePoseidonParameters(kernels, parameters);
  const packs = POSEIDON_TRACE_PACKS;
  const [left, right, z, work, trace] = [1, 1, 1, 6, packs].map((n) => memory.take(n * packBytes)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  [left, right].forEach((at, side) => {
    const words = memory.put(pairs.map((pair) => pair[side] as bigint));
    exports.fr_read(at, words, 32, kernels.element('fr_plain'));
  });
  exports.poseidon2_trace(z, trace, left, right, parameters, work);
  const words = memory.take(32 * lanes);
  const byLane = (pack: number): bigint[] => {
    exports.fr_write(words, 32, pack);
    return memory.words(words, lanes);
  };
  const hashes = byLane(z);
  const values = Array.from({ length: packs }, (_, i) => byLane(trace + i * packBytes));
  return hashes.map((hash, lane) => ({ hash, trace: values.map((lanesOf) => lanesOf[lane] as bigint) }));
}

/** The permutation as the paper has it, without sparse matrices: what S-boxes take in, round by round. */
function boxInputs(left: bigint, right: bigint): bigint[][] {
  const { roundConstants, matrix } = poseidonParameters();
  let state = [0n, left, right];
  return roundConstants.map((constants, round) => {
    const full = round < 4 || round >= 61;
    const taken = state.map((x, i) => Fr.add(x, constants[i] as bigint));
    state = applyMatrix(
      matrix,
      taken.map((x, i) => (full || i === 0 ? Fr.mul(x, Fr.square(Fr.square(x))) : x)),
    );
    return taken;
  });
}

describe('Poseidon(2) in lanes', () => {
  it('leaves what its S-boxes took in, and what circomlib hands to the matrix, in every module', async () => {
    const random = new SeededRandom(3);
    const some = Array.from({ length: 12 }, () => [random.bigintBelow(R), random.bigintBelow(R)] as const);
    const pairs = [...EDGES.flatMap((left) => EDGES.map((right) => [left, right] as const)), ...some];
    const { matrix } = poseidonParameters();
    for (const kernels of await allKernels()) {
      for (let from = 0; from < pairs.length; from += kernels.lanes) {
        const lanes = pairs.slice(from, from + kernels.lanes);
        traced(kernels, lanes).forEach(({ hash, trace }, lane) => {
          const [left, right] = lanes[lane] as readonly [bigint, bigint];
          const said = `${kernels.name}: ${left}, ${right}`;
          assert.equal(hash, poseidon2Reference(left, right), said);
          const inputs = boxInputs(left, right);
          const powers = (x: bigint): bigint[] => [x, Fr.square(x), Fr.square(Fr.square(x))];
          const at = (packOf: (power: 1 | 2 | 4) => number): (bigint | undefined)[] =>
            ([1, 2, 4] as const).map((power) => trace[packOf(power)]);
          inputs.forEach((state, round) => {
            if (round >= 4 && round < 61) {
              const partial = at((power) => partialBoxPack(round - 4, power));
              assert.deepEqual(partial, powers(state[0] as bigint), `${said}, round ${round}`);
              return;
            }
            const full = round < 4 ? round : round - 57;
            state.forEach((x, i) => {
              assert.deepEqual(
                at((power) => fullBoxPack(full, i, power)),
                powers(x),
                `${said}, round ${round}`,
              );
            });
            // Constants are in before the matrix: it gives the next round's S-boxes what they take in, or the hash.
            const mixed = applyMatrix(
              matrix,
              [0, 1, 2].map((i) => trace[afterBoxPack(full, i)] as bigint),
            );
            if (round === 64) assert.equal(mixed[0], hash);
            else if (round === 3) assert.equal(mixed[0], inputs[4]?.[0], said);
            else assert.deepEqual(mixed, inputs[round + 1], said);
          });
        });
      }
    }
  });

  it('is that of circomlibjs, on edges and random values, in every module', async () => {
    const oracle = await poseidon2();
    const random = new SeededRandom(2);
    const pairs = EDGES.flatMap((left) => EDGES.map((right) => [left, right] as const));
    for (let i = 0; i < 500; i++) pairs.push([random.bigintBelow(R), random.bigintBelow(R)]);
    const expected = pairs.map(([left, right]) => oracle(left, right));
    for (const kernels of await allKernels()) {
      const hashes: bigint[] = [];
      for (let from = 0; from < pairs.length; from += kernels.lanes) {
        hashes.push(...traced(kernels, pairs.slice(from, from + kernels.lanes)).map(({ hash }) => hash));
      }
      assert.deepEqual(hashes, expected, kernels.name);
    }
  });

  it('and so is the reference in BigInt, with parameters of its own making', async () => {
    const oracle = await poseidon2();
    for (const left of EDGES) assert.equal(poseidon2Reference(left, 5n), oracle(left, 5n));
  });
});
