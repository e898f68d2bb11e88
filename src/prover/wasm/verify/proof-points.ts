/**
 * A proof's points in the lanes: A and C side by side (G1, one a lane), B in the two lanes of Fq2.
 *
 * From words, so that any two of them can share a pack: words are read with any stride.
 */
import { ZkraftError } from '../../../common/core.ts';
import { type LaneMemory, type Room, WORDS_BYTES } from './lane-memory.ts';
import { MOVING_PAIR_PACKS, type MovingPair, movingPairAt } from './miller-loop.ts';
import type { PreparedKey } from './prepared-key.ts';
import { COORDINATES, type Coordinates } from './proof-text.ts';

export const PROOF_POINTS_PACKS = 2 + MOVING_PAIR_PACKS;
export const PROOF_POINTS_BYTES = COORDINATES * WORDS_BYTES;

export interface ProofPoints {
  /** A.x, A.y, B.x.c0, B.x.c1, B.y.c0, B.y.c1, C.x, C.y */
  readonly words: number;
  /** x then y, A in lane 0, C in lane 1. */
  readonly ac: number;
  readonly pair: MovingPair;
}

export function proofPointsIn(memory: LaneMemory, room: Room): ProofPoints {
  return {
    words: room.bytes(PROOF_POINTS_BYTES),
    ac: room.packs(2),
    pair: movingPairAt(memory, room.packs(MOVING_PAIR_PACKS)),
  };
}

/** Writes the points; `proof_malformed` unless each is on its curve. `work`: 2 packs. */
export function putProofPoints(
  memory: LaneMemory,
  prepared: PreparedKey,
  points: ProofPoints,
  coordinates: Coordinates,
  work: number,
): void {
  const { exports: k, packBytes } = memory;
  const word = (i: number): number => points.words + i * WORDS_BYTES;
  coordinates.forEach((c, i) => {
    memory.putWords(word(i), c);
  });
  const [x, y] = [points.ac, points.ac + packBytes];
  memory.read(x, word(0), word(6));
  memory.read(y, word(1), word(7));
  const [left, right] = [work, work + packBytes];
  k.fq_sqr(left, y);
  k.fq_sqr(right, x);
  k.fq_mul(right, right, x);
  k.fq_sub(left, left, right);
  k.fq_sub(left, left, prepared.curveB);
  const [isA, isC] = memory.zeroLanes(left);
  if (!isA) throw offCurve('pi_a', 'curve');
  if (!isC) throw offCurve('pi_c', 'curve');

  const [bx, by] = [points.pair.q, points.pair.q + packBytes];
  memory.read(bx, word(2), word(3));
  memory.read(by, word(4), word(5));
  k.f2_sqr(left, by);
  k.f2_sqr(right, bx);
  k.f2_mul(right, right, bx);
  k.f2_sub(left, left, right);
  k.f2_sub(left, left, prepared.twistB);
  if (!memory.isZero(left)) throw offCurve('pi_b', 'twisted curve');
}

const offCurve = (field: string, curve: string): ZkraftError =>
  new ZkraftError('proof_malformed', `${field} is not a point of the ${curve}`, { field });

export const outsideSubgroup = (): ZkraftError =>
  new ZkraftError('proof_malformed', 'pi_b is on the twisted curve but outside the subgroup of order r', {
    field: 'pi_b',
  });

/** The operand of moving lines, -2 y, 3 x, y, -x in both lanes, from the words of an affine point. */
export function putMovingPoint(memory: LaneMemory, point: number, xWords: number, yWords: number): void {
  const { exports: k, packBytes } = memory;
  const [minus2y, triple, y, minusX] = [0, 1, 2, 3].map((i) => point + i * packBytes) as [
    number,
    number,
    number,
    number,
  ];
  memory.read(y, yWords, yWords);
  memory.read(triple, xWords, xWords);
  k.f2_neg(minusX, triple);
  k.f2_double(minus2y, triple);
  k.f2_add(triple, minus2y, triple);
  k.f2_double(minus2y, y);
  k.f2_neg(minus2y, minus2y);
}

/** Where the words of a Jacobian point's coordinates are. */
export interface JacobianWords {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** The operands of fixed lines, x / y and 1 / y in both lanes, of two points of G1 at once. */
export function putFixedPoints(
  memory: LaneMemory,
  points: readonly [JacobianWords, JacobianWords],
  operands: readonly [number, number],
  work: number,
): void {
  const { exports: k, packBytes } = memory;
  const [x, y, z, cube, own] = [0, 1, 2, 3, 4].map((i) => work + i * packBytes) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const [first, second] = points;
  memory.read(x, first.x, second.x);
  memory.read(y, first.y, second.y);
  memory.read(z, first.z, second.z);
  k.fq_inverse(y, y, own);
  k.fq_sqr(cube, z);
  k.fq_mul(cube, cube, z);
  k.fq_mul(cube, cube, y);
  k.fq_mul(x, x, z);
  k.fq_mul(x, x, y);
  // Through words, from one lane to both.
  for (const [i, value] of [x, cube].entries()) {
    memory.write(own, value);
    operands.forEach((operand, lane) => {
      memory.read(operand + i * packBytes, own + lane * WORDS_BYTES, own + lane * WORDS_BYTES);
    });
  }
}
/** Of `putFixedPoints`: four packs and an inversion's seventeen. */
export const FIXED_POINTS_WORK_PACKS = 21;
