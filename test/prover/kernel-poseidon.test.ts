import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import { poseidon2 } from '../../src/prover/index.ts';
import {
  type Kernels,
  poseidonParameterBytes,
  RESERVED_BYTES,
  readWords,
  writePoseidonParameters,
  writeWords,
} from '../../src/prover/kernels/index.ts';
import { poseidon2Reference } from '../../src/prover/reference/index.ts';
import { allKernels } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const PACKS = 16;
const EDGES = [0n, 1n, 2n, R - 1n, R - 2n, (R - 1n) / 2n, 1n << 253n, (1n << 51n) - 1n];

/** Hashes pairs in lanes, PACKS packs at a time. */
function hasherOf(kernels: Kernels): (pairs: readonly (readonly [bigint, bigint])[]) => bigint[] {
  const parameters = RESERVED_BYTES;
  const words = parameters + poseidonParameterBytes(kernels);
  const [left, right, z, work] = [1, 2, 3, 4].map((i) => words + i * PACKS * kernels.packBytes) as [
    number,
    number,
    number,
    number,
  ];
  const missing = work + 6 * kernels.packBytes - kernels.memory.buffer.byteLength;
  if (missing > 0) kernels.memory.grow(Math.ceil(missing / 65_536));
  writePoseidonParameters(kernels, parameters);
  const view = new DataView(kernels.memory.buffer);
  const { exports, lanes, packBytes } = kernels;
  return (pairs) => {
    const hashes: bigint[] = [];
    for (let from = 0; from < pairs.length; from += PACKS * lanes) {
      for (let pack = 0; pack < PACKS; pack++) {
        for (const [side, at] of [
          [0, left],
          [1, right],
        ] as const) {
          for (let lane = 0; lane < lanes; lane++) {
            writeWords(view, words + 32 * lane, pairs[from + pack * lanes + lane]?.[side] ?? 0n);
          }
          exports.fr_read(at + pack * packBytes, words, 32, kernels.element('fr_plain'));
        }
      }
      exports.poseidon2_n(z, left, right, PACKS, parameters, work);
      for (let pack = 0; pack < PACKS; pack++) {
        exports.fr_write(words, 32, z + pack * packBytes);
        for (let lane = 0; lane < lanes; lane++) hashes.push(readWords(view, words + 32 * lane));
      }
    }
    return hashes.slice(0, pairs.length);
  };
}

describe('Poseidon(2) in lanes', () => {
  it('is that of circomlibjs, on edges and random values, in every module', async () => {
    const oracle = await poseidon2();
    const random = new SeededRandom(2);
    const pairs = EDGES.flatMap((left) => EDGES.map((right) => [left, right] as const));
    for (let i = 0; i < 500; i++) pairs.push([random.bigintBelow(R), random.bigintBelow(R)]);
    const expected = pairs.map(([left, right]) => oracle(left, right));
    for (const kernels of await allKernels()) assert.deepEqual(hasherOf(kernels)(pairs), expected, kernels.name);
  });

  it('and so is the reference in BigInt, with parameters of its own making', async () => {
    const oracle = await poseidon2();
    for (const left of EDGES) assert.equal(poseidon2Reference(left, 5n), oracle(left, 5n));
  });
});
