/**
 * Poseidon's parameters in the form that the kernels use: the partial rounds' dense matrices made sparse (eprint
 * 2019/458, appendix B).
 *
 * An S-box that acts on the first element alone commutes with every matrix that leaves that element alone. So in a
 * partial round M = M' M'' with M' = diag(1, B), B being M without its first row and column, and M'' sparse:
 * M'' = [[m00, v], [w, 1]] with w = B^-1 (M's first column). M' is handed on to the next round, whose matrix becomes
 * M M', and so on; what is left after the last partial round is one multiplication by diag(1, B). Likewise a constant
 * added to another element than the first can be added after M instead: it ends up in the first full round that follows.
 */
import { invariant } from '../../common/index.ts';
import {
  applyMatrix,
  Fr,
  POSEIDON_FULL_ROUNDS,
  POSEIDON_PARTIAL_ROUNDS,
  POSEIDON_WIDTH,
  poseidonParameters,
} from '../reference/index.ts';
import type { Kernels } from './kernels.ts';
import { writePacks } from './parameter-packs.ts';
import { PARAMETERS_AFTER_AT } from './poseidon-trace.ts';

type Block = readonly [readonly [bigint, bigint], readonly [bigint, bigint]];

const HALF = POSEIDON_FULL_ROUNDS / 2;
const entry = <T>(list: readonly T[], i: number): T => {
  const found = list[i];
  if (found === undefined) throw new RangeError(`no entry ${i}`);
  return found;
};

/** In the order of their use: the matrix, then the rounds, then what a trace adds. */
function parameterList(): bigint[] {
  const list = hashParameters();
  invariant(list.length === PARAMETERS_AFTER_AT, 'the parameters of the hash are as many as the kernels skip');
  return [...list, ...constantsAfterBoxes().flat()];
}

/**
 * The c of x^5 + c, a vector a full round: circomlib adds constants before the matrix, so what a round adds is handed
 * back through M^-1. At the partial rounds all of it is handed on from the first full round that follows: of each, the
 * first element stays there (it meets an S-box), the others go further back.
 */
function constantsAfterBoxes(): bigint[][] {
  const { roundConstants, matrix } = poseidonParameters();
  const inverse = inverseMatrix(matrix);
  const before = (round: number): bigint[] => applyMatrix(inverse, entry(roundConstants, round));
  let pending = before(HALF + POSEIDON_PARTIAL_ROUNDS);
  for (let round = HALF + POSEIDON_PARTIAL_ROUNDS - 1; round >= HALF; round--) {
    pending = entry(roundConstants, round).map((c, i) => (i === 0 ? c : Fr.add(c, entry(pending, i))));
    pending = applyMatrix(inverse, pending);
  }
  const rounds = Array.from({ length: HALF - 1 }, (_, i) => i);
  return [
    ...rounds.map((i) => before(1 + i)),
    pending,
    ...rounds.map((i) => before(HALF + POSEIDON_PARTIAL_ROUNDS + 1 + i)),
    [0n, 0n, 0n],
  ];
}

/** By cofactors: the matrix is 3 by 3. */
function inverseMatrix(matrix: readonly (readonly bigint[])[]): bigint[][] {
  const m = (i: number, j: number): bigint => entry(entry(matrix, i % 3), j % 3);
  const cofactor = (i: number, j: number): bigint =>
    Fr.sub(Fr.mul(m(i + 1, j + 1), m(i + 2, j + 2)), Fr.mul(m(i + 1, j + 2), m(i + 2, j + 1)));
  const indices = [0, 1, 2];
  const scale = Fr.inverse(indices.reduce((sum, j) => Fr.add(sum, Fr.mul(m(0, j), cofactor(0, j))), 0n));
  return indices.map((i) => indices.map((j) => Fr.mul(scale, cofactor(j, i))));
}

function hashParameters(): bigint[] {
  const { roundConstants, matrix } = poseidonParameters();
  const m = (i: number, j: number): bigint => entry(entry(matrix, i), j);
  const list = matrix.flatMap((row) => [...row]);
  for (let round = 0; round < HALF; round++) list.push(...entry(roundConstants, round));

  let pending = [0n, 0n, 0n];
  let block: Block = [
    [1n, 0n],
    [0n, 1n],
  ];
  for (let round = HALF; round < HALF + POSEIDON_PARTIAL_ROUNDS; round++) {
    const constants = entry(roundConstants, round).map((c, i) => Fr.add(c, entry(pending, i)));
    const [k, ...others] = constants as [bigint, bigint, bigint];
    pending = applyMatrix(matrix, [0n, ...others]);
    // M M', with M' = diag(1, block) from the round before.
    const first = [m(0, 1), m(0, 2)] as const;
    const v = [0, 1].map((j) => Fr.add(Fr.mul(first[0], entry(block[0], j)), Fr.mul(first[1], entry(block[1], j))));
    const column = [m(1, 0), m(2, 0)] as const;
    block = [0, 1].map((i) =>
      [0, 1].map((j) => Fr.add(Fr.mul(m(1 + i, 1), entry(block[0], j)), Fr.mul(m(1 + i, 2), entry(block[1], j)))),
    ) as unknown as Block;
    list.push(k, m(0, 0), ...v, ...solve(block, column));
  }
  list.push(...block[0], ...block[1]);
  for (let round = HALF + POSEIDON_PARTIAL_ROUNDS; round < POSEIDON_FULL_ROUNDS + POSEIDON_PARTIAL_ROUNDS; round++) {
    list.push(...entry(roundConstants, round).map((c, i) => Fr.add(c, entry(pending, i))));
    pending = [0n, 0n, 0n];
  }
  return list;
}

/** block^-1 times a column. */
function solve(block: Block, [a, b]: readonly [bigint, bigint]): [bigint, bigint] {
  const [[p, q], [r, s]] = block;
  const scale = Fr.inverse(Fr.sub(Fr.mul(p, s), Fr.mul(q, r)));
  return [Fr.mul(scale, Fr.sub(Fr.mul(s, a), Fr.mul(q, b))), Fr.mul(scale, Fr.sub(Fr.mul(p, b), Fr.mul(r, a)))];
}

const COUNT = PARAMETERS_AFTER_AT + POSEIDON_FULL_ROUNDS * POSEIDON_WIDTH;

/** Bytes that `writePoseidonParameters` fills. */
export const poseidonParameterBytes = (kernels: Pick<Kernels, 'packBytes'>): number => COUNT * kernels.packBytes;

/** Once for a memory; all instances read them. */
export function writePoseidonParameters(kernels: Kernels, at: number): void {
  writePacks(kernels, at, parameterList());
}
