/**
 * The work space of a verification, and the steps that single proofs and batches share.
 *
 * A work space belongs to one thread; a prepared key may be shared.
 */
import type { Kernels } from '../../kernels/core.ts';
import { G1, readG1 } from '../../reference/core.ts';
import { FinalExponentiation } from './final-exponentiation.ts';
import { JACOBIAN_PACKS, SUM_WORK_PACKS, sumOfFixedBases } from './fixed-bases.ts';
import { LaneMemory, WORDS_BYTES } from './lane-memory.ts';
import { type FixedPair, MILLER_WORK_PACKS, type MovingPair, millerLoop, preparePair } from './miller-loop.ts';
import type { PreparedKey } from './prepared-key.ts';
import { FIXED_POINTS_WORK_PACKS, type JacobianWords, putFixedPoints } from './proof-points.ts';
import { Fq12Lanes, TOWER_WORK_PACKS } from './tower.ts';

export class Workspace {
  readonly memory: LaneMemory;
  readonly tower: Fq12Lanes;
  readonly prepared: PreparedKey;
  /** For small functions: as many packs as the largest wants. */
  readonly work: number;
  /** Of the number one. */
  readonly oneWords: number;
  readonly #jacobian: number;
  /** Of two sums of bases, each coordinate in both lanes. */
  readonly #sums: readonly JacobianWords[];
  readonly #operands: readonly number[];
  readonly #final: FinalExponentiation;
  readonly #f: number;
  readonly #g: number;
  /** What follows is for others. */
  readonly end: number;

  constructor(kernels: Kernels, prepared: PreparedKey, at: number) {
    const memory = new LaneMemory(kernels, at);
    const room = memory.room(at + 2 * WORDS_BYTES);
    this.memory = memory;
    this.prepared = prepared;
    this.work = room.packs(Math.max(SUM_WORK_PACKS, MILLER_WORK_PACKS, FIXED_POINTS_WORK_PACKS));
    this.oneWords = room.bytes(WORDS_BYTES);
    this.#jacobian = room.packs(JACOBIAN_PACKS);
    this.#sums = [0, 1].map(() => {
      const words = room.bytes(6 * WORDS_BYTES);
      return { x: words, y: words + 2 * WORDS_BYTES, z: words + 4 * WORDS_BYTES };
    });
    this.#operands = [0, 1, 2, 3].map(() => room.packs(2));
    this.tower = new Fq12Lanes(memory, prepared.towerConstants, room.packs(TOWER_WORK_PACKS));
    this.#final = new FinalExponentiation(this.tower, room);
    this.#f = room.packs(6);
    this.#g = room.packs(6);
    this.end = room.end;
  }

  /** To be called first: nothing is written before. `end`: how far the caller's own room reaches. */
  begin(end: number): void {
    this.memory.requireUpTo(end);
    this.memory.putWords(this.oneWords, 1n);
  }

  /** The sum of scalars_i base_(from + i), and of IC_0 if `plusFirst`; undefined: it is infinity. Two are kept. */
  sumOfBases(slot: 0 | 1, from: number, scalars: readonly bigint[], plusFirst: boolean): JacobianWords | undefined {
    const { memory, prepared } = this;
    const { exports: k, packBytes } = memory;
    const [t, z] = [this.#jacobian, this.#jacobian + 2 * packBytes];
    const words = this.#sums[slot] as JacobianWords;
    const any = sumOfFixedBases(memory, prepared.bases, from, scalars, t, this.work);
    if (!any && !plusFirst) return undefined;
    if (!any) {
      memory.copy(t, prepared.inputBase, 2);
      memory.copy(z, memory.one, 1);
    } else if (plusFirst) {
      k.j1_add_affine(t, prepared.inputBase, this.work);
    }
    if (!memory.isZero(z)) {
      [words.x, words.y, words.z].forEach((at, i) => {
        memory.write(at, t + i * packBytes);
      });
      return words;
    }
    // Infinity, or an exception of the formulas: plainly, then.
    const { IC, vk_alpha_1 } = prepared.key;
    const bases = [...IC, vk_alpha_1].map((point, i) => readG1(point, `base ${i}`, 'internal'));
    const sum = G1.multiplySum(
      [...bases.slice(from, from + scalars.length), ...bases.slice(0, plusFirst ? 1 : 0)],
      [...scalars, ...(plusFirst ? [1n] : [])],
    );
    if (sum === null) return undefined;
    memory.putWords(words.x, sum.x);
    memory.putWords(words.y, sum.y);
    memory.putWords(words.z, 1n);
    return words;
  }

  /** Pairs of points of G1 with the lines of points of G2; infinity pairs to one, and is left out. Four at most. */
  fixedPairs(pairs: readonly (readonly [JacobianWords | undefined, number])[]): FixedPair[] {
    const finite = pairs.flatMap(([words, lines], i): [JacobianWords, FixedPair][] =>
      words === undefined ? [] : [[words, { lines, point: this.#operands[i] as number }]],
    );
    for (let i = 0; i < finite.length; i += 2) {
      const [first, second] = [finite[i] as [JacobianWords, FixedPair], finite[i + 1] ?? finite[i]] as [
        [JacobianWords, FixedPair],
        [JacobianWords, FixedPair],
      ];
      putFixedPoints(this.memory, [first[0], second[0]], [first[1].point, second[1].point], this.work);
    }
    return finite.map(([, pair]) => pair);
  }

  preparePair(pair: MovingPair): void {
    preparePair(this.memory, pair, this.prepared.twistConstants);
  }

  /** Miller's loop, whose value is kept for `isPairingProduct`; moving points have then been led round. */
  millerLoop(moving: readonly MovingPair[], fixed: readonly FixedPair[]): void {
    millerLoop(this.tower, moving, fixed, this.prepared.twistConstants, this.#f, this.#g, this.work);
  }

  /** Whether what `millerLoop` left is, after the final exponentiation, the element at `expected`. */
  isPairingProduct(expected: number): boolean {
    const { memory } = this;
    const value = this.#g;
    this.#final.compute(value, this.#f);
    return [0, 1, 2, 3, 4, 5].every((i) => {
      const c = value + i * memory.packBytes;
      memory.exports.f2_sub(c, c, expected + i * memory.packBytes);
      return memory.isZero(c);
    });
  }
}
