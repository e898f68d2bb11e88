/**
 * Poseidon's parameters in the form that hashing in bulk uses: its partial rounds as a recurrence.
 *
 * In a partial round only the first element meets an S-box; what the other two do is linear. With M = [[m, v], [w, B]],
 * u the first element and h the others, round i takes y_i = u_i + k_i to x_i = y_i^5 and then
 *   u_(i+1) = m x_i + v h_i     h_(i+1) = B h_i + w x_i
 * (constants added to h can be added to later u's instead, by linearity). B satisfies B^2 = t B - d, its trace and its
 * determinant. So h can be left out, and two of each of the values before stand for it:
 *   u_(i+1) = m x_i + t u_i - d u_(i-1) + a x_(i-1) + b x_(i-2),   a = v w - t m,   b = v B w - t v w + d m.
 * That is a sum of five products with one reduction, where the sparse matrices of eprint 2019/458 take five products and
 * three. Scaling saves one more: for y'_i = s_i y_i, x'_i = s_i^5 x_i and s_(i+1) = s_i^5 / m the factor of x'_i is one.
 *
 * At the start two x's are made up so that the recurrence gives what h would have given; both are linear in the state,
 * hence rows of the matrix of the round before. At the end h is found again from the last two of each. All of these rows,
 * and those of the full rounds, have a scale of their own that makes the factor of their first x one, but for the second of
 * those x's, where it is zero, and for the last row, which is the hash.
 */
import { invariant } from '../../common/index.ts';
import {
  Fr,
  POSEIDON_FULL_ROUNDS,
  POSEIDON_PARTIAL_ROUNDS,
  POSEIDON_WIDTH,
  poseidonParameters,
} from '../reference/index.ts';
import type { Kernels } from './kernels.ts';
import { writePacks } from './parameter-packs.ts';

/** What `poseidon2_words` works in. */
export const HASH_WORK_PACKS = 10;

const HALF = POSEIDON_FULL_ROUNDS / 2;
const AFTER = HALF + POSEIDON_PARTIAL_ROUNDS;
const { add, sub, mul, neg, inverse } = Fr;

type Row = readonly [bigint, bigint, bigint];
const sum = (...terms: readonly bigint[]): bigint => terms.reduce((x, y) => add(x, y), 0n);
const scaled = (k: bigint, row: Row): Row => row.map((x) => mul(k, x)) as unknown as Row;
const plus = (...rows: readonly Row[]): Row =>
  [0, 1, 2].map((i) => sum(...rows.map((row) => row[i] as bigint))) as unknown as Row;
/** A row times a matrix. */
const times = (row: Row, matrix: readonly Row[]): Row => plus(...row.map((x, i) => scaled(x, matrix[i] as Row)));

/** In the order of their use. */
function parameterList(): bigint[] {
  const { roundConstants, matrix } = poseidonParameters() as unknown as {
    readonly roundConstants: readonly Row[];
    readonly matrix: readonly [Row, Row, Row];
  };
  const constants = (round: number): Row => roundConstants[round] as Row;
  const [[m, v0, v1], [w0, b00, b01], [w1, b10, b11]] = matrix;
  const trace = add(b00, b11);
  const determinant = sub(mul(b00, b11), mul(b01, b10));
  /** v and v B, as rows over a state. */
  const v: Row = [0n, v0, v1];
  const vB: Row = [0n, add(mul(v0, b00), mul(v1, b10)), add(mul(v0, b01), mul(v1, b11))];
  const through = (row: Row): bigint => add(mul(row[1], w0), mul(row[2], w1));
  const a = sub(through(v), mul(trace, m));
  const b = sum(through(vB), neg(mul(trace, through(v))), mul(determinant, m));

  // The constants that the first element meets, and what is left of the others for the full round that follows.
  const k: bigint[] = [];
  let pending: Row = [0n, 0n, 0n];
  for (let round = HALF; round < AFTER; round++) {
    const [first, ...others] = plus(constants(round), pending);
    k.push(first);
    pending = matrix.map((row) => add(mul(row[1], others[0]), mul(row[2], others[1]))) as unknown as Row;
  }
  const last = plus(constants(AFTER), pending);
  k.push(last[0]);
  const constant = (i: number): bigint => k[i] ?? 0n;

  // Full rounds before the chain: rows of the matrix, in scales of their own.
  const list: bigint[] = [fifth(constants(0)[0]), ...constants(0).slice(1)];
  let boxed: Row = [1n, 1n, 1n];
  /** Rows over what the S-boxes left, to which the constants are added: written down scaled, and their scales told. */
  const write = (rows: readonly Row[], added: readonly bigint[]): Row =>
    rows.map((row, j) => {
      const over = row.map((factor, i) => mul(factor, inverse(boxed[i] as bigint)));
      const to = inverse(over[0] as bigint);
      list.push(...[over[1], over[2], added[j]].map((x) => mul(to, x as bigint)));
      return to;
    }) as unknown as Row;
  const afterBoxes = (scales: Row): Row => scales.map(fifth) as unknown as Row;
  for (let round = 1; round < HALF; round++) boxed = afterBoxes(write(matrix, constants(round)));

  // x_(-1) and x_(-2), with y_(-1) = 0.
  const first: Row = [1n, 0n, 0n];
  const x1 = scaled(inverse(b), plus(vB, scaled(neg(trace), v), scaled(determinant, first)));
  const x2 = scaled(inverse(b), plus(v, scaled(neg(trace), first), scaled(neg(a), x1)));
  const [yScale, x1Scale] = write([times(first, matrix), times(x1, matrix)], [constant(0), 0n]);
  // Its factor of the first x is zero: it stays as it is.
  list.push(...times(x2, matrix).map((factor, i) => mul(factor, inverse(boxed[i] as bigint))));

  const n = POSEIDON_PARTIAL_ROUNDS;
  const scales = [yScale];
  for (let i = 0; i < n; i++) scales.push(mul(inverse(m), fifth(scales[i] as bigint)));
  const scale = (i: number): bigint => scales[i] ?? 1n;
  const scaleOfBoxed = (i: number): bigint => (i === -1 ? x1Scale : i < 0 ? 1n : fifth(scale(i)));
  for (let i = 0; i < n; i++) {
    const to = scale(i + 1);
    const over = (factor: bigint, from: bigint): bigint => mul(mul(factor, to), inverse(from));
    list.push(
      over(trace, scale(i)),
      i === 0 ? 0n : over(neg(determinant), scale(i - 1)),
      over(a, scaleOfBoxed(i - 1)),
      over(b, scaleOfBoxed(i - 2)),
      mul(to, sum(constant(i + 1), neg(mul(trace, constant(i))), mul(determinant, constant(i - 1)))),
    );
  }

  boxed = afterBoxes([scale(n), ...leave()] as unknown as Row);
  for (let round = 1; round < HALF; round++) boxed = afterBoxes(write(matrix, constants(AFTER + round)));
  list.push(...matrix[0].map((factor, i) => mul(factor, inverse(boxed[i] as bigint))));
  return list;

  /** The two hidden elements as rows over (x, y, y1, x1, 1), the latest first, with the constants of the round to come. */
  function leave(): bigint[] {
    const from = [scaleOfBoxed(n - 1), scale(n), scale(n - 1), scaleOfBoxed(n - 2)].map((s) => inverse(s));
    // v h = a x + t u - d u1 + b x1, and v B h = t v h - d u + b x: what the next two u's would be, were there no x.
    const vh = [a, trace, neg(determinant), b];
    const vBh = vh.map((factor) => mul(trace, factor));
    vBh[0] = add(vBh[0] as bigint, b);
    vBh[1] = sub(vBh[1] as bigint, determinant);
    const over = inverse(sub(mul(v[1], vB[2]), mul(v[2], vB[1])));
    const solved = [
      [vB[2], neg(v[2])],
      [neg(vB[1]), v[1]],
    ] as const;
    return solved.map(([p, q], i) => {
      const factors = vh.map((factor, j) => mul(over, add(mul(p, factor), mul(q, vBh[j] as bigint))));
      const rest = add(mul(factors[1] as bigint, constant(n)), mul(factors[2] as bigint, constant(n - 1)));
      const row = factors.map((factor, j) => mul(factor, from[j] as bigint));
      const to = inverse(row[0] as bigint);
      list.push(...[row[1], row[2], row[3], sub(last[1 + i] as bigint, rest)].map((x) => mul(to, x as bigint)));
      return to;
    });
  }
}

const fifth = (x: bigint): bigint => mul(x, Fr.square(Fr.square(x)));

/** The first round's S-boxes; mixed rows; into the chain; the chain; out of it; mixed rows; the hash. */
const MIX = 3 * POSEIDON_WIDTH;
const COUNT = 3 + (HALF - 1) * MIX + MIX + 5 * POSEIDON_PARTIAL_ROUNDS + 2 * 4 + (HALF - 1) * MIX + POSEIDON_WIDTH;

/** Bytes that `writeHashParameters` fills. */
export const hashParameterBytes = (kernels: Pick<Kernels, 'packBytes'>): number => COUNT * kernels.packBytes;

/** Once for a memory; all instances read them. */
export function writeHashParameters(kernels: Kernels, at: number): void {
  const list = parameterList();
  invariant(list.length === COUNT, 'as many parameters as there is room for');
  writePacks(kernels, at, list);
}
