/**
 * Many proofs under one key for little more than one Miller's loop each: with random weights w_i (the small exponents
 * of Bellare, Garay, Rabin, EUROCRYPT 1998),
 *
 *   prod e(w_i A_i, B_i) . e(sum of w_i IC(s_i), -gamma) e(sum of w_i C_i, -delta) e((sum of w_i) alpha, -beta) = 1
 *
 * Each proof's quotient of the equation's two sides lies in a group of prime order r (A, C and B having been checked to
 * be in theirs), so a wrong one escapes with a chance of one in the number of weights. When the product is not one, halves
 * are tried, down to single proofs; the weights stay, as they were drawn after the batch was fixed and no answer leaves
 * before the end.
 *
 * A weight is an element of Z[omega], omega a cube root of unity, which acts on G1 by (x, y) -> (beta x, y):
 *   w = sum of u_j 2^j, 0 <= j < 64, u_j among 0, 1, omega, omega^2
 * The four digits are the residues modulo 2, so the 2^128 weights all differ; each is below 2^65 in absolute value, and a
 * multiple of r in Z[omega] other than 0 has norm r at least, so they differ modulo r as well. Sixty-four doublings
 * instead of 128, and the three digits' points cost two products. A_i and C_i share the weight and hence the lanes.
 */
import { invariant, R, ZkraftError } from '../../../common/core.ts';
import { isMalformedClaim } from '../../formats/core.ts';
import type { Kernels } from '../../kernels/core.ts';
import { G1, type G1Point } from '../../reference/core.ts';
import { JACOBIAN_PACKS } from './fixed-bases.ts';
import { type Room, WORDS_BYTES } from './lane-memory.ts';
import { isInSubgroup } from './miller-loop.ts';
import { ENDOMORPHISM_SCALAR, type PreparedKey } from './prepared-key.ts';
import {
  type JacobianWords,
  outsideSubgroup,
  PROOF_POINTS_BYTES,
  PROOF_POINTS_PACKS,
  type ProofPoints,
  proofPointsIn,
  putMovingPoint,
  putProofPoints,
} from './proof-points.ts';
import { readProof, readSignals } from './proof-text.ts';
import { Workspace } from './workspace.ts';

export interface BatchItem {
  readonly proof: unknown;
  readonly publicSignals: unknown;
}

/** A member of the batch that does not hold; with the error that `verify` would throw, if it is malformed. */
export interface BadMember {
  readonly index: number;
  readonly error?: ZkraftError;
}

const WEIGHT_BYTES = 16;
const WEIGHT_DIGITS = 64;
/** The weighted points, Jacobian and then affine; the product of the Zs before this one. */
const MEMBER_PACKS = PROOF_POINTS_PACKS + JACOBIAN_PACKS + 1;
const BATCH_PACKS = 6 + JACOBIAN_PACKS + 3 + 17;

interface MemberRoom {
  readonly points: ProofPoints;
  /** A in lane 0, C in lane 1. */
  readonly weighted: number;
  readonly before: number;
}
interface Candidate extends MemberRoom {
  readonly index: number;
  readonly signals: readonly bigint[];
}
interface Member extends Candidate {
  /** Modulo r. */
  readonly weight: bigint;
}

/** Bit j of `high` and of `low` are digit j: 00, 01, 10, 11 for 0, 1, omega, omega^2. */
interface Weight {
  readonly high: bigint;
  readonly low: bigint;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function drawWeight(randomBytes: (count: number) => Uint8Array): Weight {
  for (let attempt = 0; attempt < 8; attempt++) {
    const view = viewOf(randomBytes(WEIGHT_BYTES));
    const weight = { high: view.getBigUint64(0, true), low: view.getBigUint64(8, true) };
    if (weight.high !== 0n || weight.low !== 0n) return weight;
  }
  throw new ZkraftError('internal', 'the source of random bytes gives zeros only');
}

/** From the highest down: 0, or 1, 2, 3 for 1, omega, omega^2. */
function digitsOf({ high, low }: Weight): number[] {
  const half = (word: bigint, bit: number): number => Number((word >> BigInt(bit)) & 0xffff_ffffn);
  const digits: number[] = [];
  for (const from of [WEIGHT_DIGITS / 2, 0]) {
    const [h, l] = [half(high, from), half(low, from)];
    for (let j = 31; j >= 0; j--) digits.push(2 * ((h >>> j) & 1) + ((l >>> j) & 1));
  }
  return digits;
}

/** The weight modulo r: omega^2 = -1 - omega. */
export function weightModuloR({ high, low }: Weight): bigint {
  const both = high & low;
  const [one, omega] = [(low ^ both) - both, (high ^ both) - both];
  return (((one + omega * ENDOMORPHISM_SCALAR) % R) + R) % R;
}

class Batch {
  readonly #space: Workspace;
  readonly #room: Room;
  /** (x, y), (beta x, y), (beta^2 x, y) of A and C. */
  readonly #digitPoints: number;
  readonly #sum: number;
  readonly #sumWords: number;
  readonly #affine: number;
  readonly #work: number;

  constructor(kernels: Kernels, prepared: PreparedKey, at: number) {
    const space = new Workspace(kernels, prepared, at);
    const room = space.memory.room(space.end);
    this.#space = space;
    this.#room = room;
    this.#digitPoints = room.packs(6);
    this.#sum = room.packs(JACOBIAN_PACKS);
    this.#sumWords = room.bytes(2 * JACOBIAN_PACKS * WORDS_BYTES);
    this.#affine = room.packs(3);
    this.#work = room.packs(17);
  }

  /** Room for so many members, and all of it there. */
  members(count: number): MemberRoom[] {
    const { memory } = this.#space;
    const rooms = Array.from({ length: count }, () => ({
      points: proofPointsIn(memory, this.#room),
      weighted: this.#room.packs(JACOBIAN_PACKS),
      before: this.#room.packs(1),
    }));
    this.#space.begin(this.#room.end);
    return rooms;
  }

  /** Reads and checks all but the order of B and the equation. */
  read(room: MemberRoom, index: number, { proof, publicSignals }: BatchItem): Candidate {
    const { memory, prepared, work } = this.#space;
    const coordinates = readProof(proof);
    const signals = readSignals(publicSignals, prepared.key.nPublic);
    putProofPoints(memory, prepared, room.points, coordinates, work);
    this.#space.preparePair(room.points.pair);
    return { ...room, index, signals };
  }

  /** w A and w C, in their lanes, to the member's room: from the highest digit that is not zero down. */
  weigh(member: Candidate, weight: Weight): void {
    const { memory, prepared } = this.#space;
    const { exports: k, packBytes } = memory;
    const [t, points] = [member.weighted, this.#digitPoints];
    const [x, y] = [member.points.ac, member.points.ac + packBytes];
    for (const i of [0, 1, 2]) {
      if (i === 0) memory.copy(points, x, 1);
      else k.f2_scale(points + 2 * i * packBytes, x, prepared.cubeRoots + (i - 1) * packBytes);
      memory.copy(points + (2 * i + 1) * packBytes, y, 1);
    }
    let started = false;
    for (const digit of digitsOf(weight)) {
      if (started) k.j1_double(t, this.#work);
      if (digit === 0) continue;
      const point = points + 2 * (digit - 1) * packBytes;
      if (started) {
        k.j1_add_affine(t, point, this.#work);
      } else {
        memory.copy(t, point, 2);
        memory.copy(t + 2 * packBytes, memory.one, 1);
        started = true;
      }
    }
  }

  /** All weighted points affine, by one inversion; and the weighted As made operands of Miller's loop. */
  normalise(members: readonly Member[]): void {
    const { memory, work } = this.#space;
    const { exports: k, packBytes } = memory;
    const [product, inverse, square] = [0, 1, 2].map((i) => this.#affine + i * packBytes) as [number, number, number];
    memory.copy(product, memory.one, 1);
    for (const { weighted, before } of members) {
      memory.copy(before, product, 1);
      k.fq_mul(product, product, weighted + 2 * packBytes);
    }
    // Multiples of points of prime order, by weights below it: never infinity.
    invariant(!memory.zeroLanes(product).includes(true), 'no weighted point is infinity');
    k.fq_inverse(product, product, this.#work);
    for (const { weighted, before, points } of members.toReversed()) {
      const [x, y, z] = [weighted, weighted + packBytes, weighted + 2 * packBytes];
      k.fq_mul(inverse, product, before);
      k.fq_mul(product, product, z);
      k.fq_sqr(square, inverse);
      k.j1_redmul(x, x, square);
      k.fq_mul(square, square, inverse);
      k.j1_redmul(y, y, square);
      memory.write(work, x);
      memory.write(work + 2 * WORDS_BYTES, y);
      putMovingPoint(memory, points.pair.point, work, work + 2 * WORDS_BYTES);
    }
  }

  /** Miller's loop over the members, with the fixed pairs that belong to them. */
  millerLoop(members: readonly Member[]): void {
    const { prepared } = this.#space;
    const sums = new Array<bigint>(prepared.key.nPublic + 1).fill(0n);
    for (const { weight, signals } of members) {
      sums[0] = (sums[0] as bigint) + weight;
      signals.forEach((s, i) => {
        sums[i + 1] = ((sums[i + 1] as bigint) + weight * s) % R;
      });
    }
    const scalars = sums.map((sum) => sum % R);
    const alpha = prepared.key.nPublic + 1;
    const fixed = this.#space.fixedPairs([
      [this.#space.sumOfBases(0, 0, scalars, false), prepared.lines.gamma],
      [this.#sumOfCs(members), prepared.lines.delta],
      [this.#space.sumOfBases(1, alpha, scalars.slice(0, 1), false), prepared.lines.beta],
    ]);
    this.#space.millerLoop(
      members.map(({ points }) => points.pair),
      fixed,
    );
  }

  isOfOrderR({ points }: Member): boolean {
    return isInSubgroup(this.#space.memory, points.pair, this.#space.work);
  }

  isProductOne(): boolean {
    return this.#space.isPairingProduct(this.#space.prepared.one);
  }

  /** `undefined` where it is infinity. The members' weighted points must be affine. */
  #sumOfCs(members: readonly Member[]): JacobianWords | undefined {
    const { memory } = this.#space;
    const { exports: k, packBytes } = memory;
    const t = this.#sum;
    members.forEach(({ weighted }, i) => {
      if (i > 0) {
        k.j1_add_affine(t, weighted, this.#work);
        return;
      }
      memory.copy(t, weighted, 2);
      memory.copy(t + 2 * packBytes, memory.one, 1);
    });
    const at = (i: number): number => this.#sumWords + (2 * i + 1) * WORDS_BYTES;
    if (memory.zeroLanes(t + 2 * packBytes)[1]) return this.#plainSumOfCs(members, [at(0), at(1), at(2)]);
    for (let i = 0; i < JACOBIAN_PACKS; i++) memory.write(this.#sumWords + 2 * i * WORDS_BYTES, t + i * packBytes);
    return { x: at(0), y: at(1), z: at(2) };
  }

  /** After an exception of the formulas. */
  #plainSumOfCs(members: readonly Member[], [x, y, z]: readonly [number, number, number]): JacobianWords | undefined {
    const { memory } = this.#space;
    const terms = members.map(({ weighted }) => {
      const [wx, wy] = [memory.getFq2(weighted).c1, memory.getFq2(weighted + memory.packBytes).c1];
      return { x: wx, y: wy };
    });
    const sum = terms.reduce<G1Point>((total, term) => G1.add(total, term), null);
    if (sum === null) return undefined;
    memory.putWords(x, sum.x);
    memory.putWords(y, sum.y);
    memory.putWords(z, 1n);
    return { x, y, z };
  }
}

/** Those of the members that do not fulfil the equation; `product` says whether all of a list together do. */
function bisect(members: readonly Member[], product: (members: readonly Member[]) => boolean): Member[] {
  if (members.length === 1) return [...members];
  const half = Math.ceil(members.length / 2);
  const [left, right] = [members.slice(0, half), members.slice(half)];
  const inLeft = product(left) ? [] : bisect(left, product);
  // The whole was wrong: if the left half is right, the right one is wrong, and need not be asked.
  const inRight = inLeft.length > 0 && product(right) ? [] : bisect(right, product);
  return [...inLeft, ...inRight];
}

/** Memory that `verifyBatch` works in. */
export function batchWorkBytes(kernels: Kernels, prepared: PreparedKey, count: number): number {
  const member = MEMBER_PACKS * kernels.packBytes + PROOF_POINTS_BYTES;
  const batch = BATCH_PACKS * kernels.packBytes + 2 * JACOBIAN_PACKS * WORDS_BYTES;
  return new Workspace(kernels, prepared, 0).end + batch + count * member;
}

/**
 * The members of a batch that do not hold, in order; none when all do. `randomBytes` must be unpredictable to whoever
 * made the proofs, such as node:crypto's. `work`: `batchWorkBytes`.
 */
export function verifyBatch(
  kernels: Kernels,
  prepared: PreparedKey,
  items: readonly BatchItem[],
  randomBytes: (count: number) => Uint8Array,
  work: number,
): BadMember[] {
  const batch = new Batch(kernels, prepared, work);
  const rooms = batch.members(items.length);
  const bad: BadMember[] = [];
  const candidates: Candidate[] = [];
  items.forEach((item, index) => {
    try {
      candidates.push(batch.read(rooms[index] as MemberRoom, index, item));
    } catch (thrown) {
      const error = ZkraftError.from(thrown);
      if (!isMalformedClaim(error)) throw thrown;
      bad.push({ index, error });
    }
  });
  // Only now, that all of the batch is fixed, are weights drawn.
  let members = candidates.map((candidate): Member => {
    const weight = drawWeight(randomBytes);
    batch.weigh(candidate, weight);
    return { ...candidate, weight: weightModuloR(weight) };
  });
  if (members.length > 0) batch.normalise(members);
  const product = (some: readonly Member[]): boolean => {
    batch.millerLoop(some);
    return batch.isProductOne();
  };
  let right = true;
  if (members.length > 0) {
    batch.millerLoop(members);
    const outside = new Set(members.filter((member) => !batch.isOfOrderR(member)));
    for (const { index } of outside) bad.push({ index, error: outsideSubgroup() });
    members = members.filter((member) => !outside.has(member));
    right = outside.size === 0 ? batch.isProductOne() : members.length === 0 || product(members);
  }
  if (!right) bad.push(...bisect(members, product).map(({ index }) => ({ index })));
  return bad.sort((a, b) => a.index - b.index);
}
