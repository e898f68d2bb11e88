/**
 * Poseidon over Fr as circomlib's Poseidon(2) has it: the permutation of width 3, S-box x^5, 8 full and 57 partial rounds.
 * Paper: eprint 2019/458; parameters by its Grain generator (appendix F), rounds constants first, then the Cauchy matrix.
 *
 * The hash of (left, right) is the first element of the permutation of (0, left, right).
 */
import { R } from '../../common/index.ts';
import { Fr } from './prime-field.ts';

export const POSEIDON_WIDTH = 3;
export const POSEIDON_FULL_ROUNDS = 8;
export const POSEIDON_PARTIAL_ROUNDS = 57;
const FIELD_BITS = 254;

export interface PoseidonParameters {
  /** One vector a round. */
  readonly roundConstants: readonly (readonly bigint[])[];
  readonly matrix: readonly (readonly bigint[])[];
}

/** The Grain LFSR in self-shrinking mode: of each two bits the second counts if the first is 1. */
class Grain {
  readonly #state: number[];

  constructor() {
    const fields: readonly (readonly [value: number, bits: number])[] = [
      [1, 2], // a prime field
      [0, 4], // S-box x^alpha
      [FIELD_BITS, 12],
      [POSEIDON_WIDTH, 12],
      [POSEIDON_FULL_ROUNDS, 10],
      [POSEIDON_PARTIAL_ROUNDS, 10],
      [2 ** 30 - 1, 30],
    ];
    this.#state = fields.flatMap(([value, bits]) =>
      Array.from({ length: bits }, (_, i) => Math.floor(value / 2 ** (bits - 1 - i)) % 2),
    );
    for (let i = 0; i < 160; i++) this.#step();
  }

  #step(): number {
    const bit = [0, 13, 23, 38, 51, 62].reduce((sum, tap) => sum ^ (this.#state[tap] as number), 0);
    this.#state.shift();
    this.#state.push(bit);
    return bit;
  }

  #bit(): number {
    while (this.#step() === 0) this.#step();
    return this.#step();
  }

  bits(count: number): bigint {
    let value = 0n;
    for (let i = 0; i < count; i++) value = (value << 1n) | BigInt(this.#bit());
    return value;
  }

  elementByRejection(): bigint {
    for (;;) {
      const value = this.bits(FIELD_BITS);
      if (value < R) return value;
    }
  }
}

let parameters: PoseidonParameters | undefined;

export function poseidonParameters(): PoseidonParameters {
  if (parameters !== undefined) return parameters;
  const grain = new Grain();
  const vector = <T>(make: (i: number) => T): T[] => Array.from({ length: POSEIDON_WIDTH }, (_, i) => make(i));
  const rounds = POSEIDON_FULL_ROUNDS + POSEIDON_PARTIAL_ROUNDS;
  const roundConstants = Array.from({ length: rounds }, () => vector(() => grain.elementByRejection()));
  // Here values at or above r are reduced, not rejected; all six differ.
  const points = Array.from({ length: 2 * POSEIDON_WIDTH }, () => Fr.create(grain.bits(FIELD_BITS)));
  const matrix = vector((i) =>
    vector((j) => Fr.inverse(Fr.add(points[i] as bigint, points[POSEIDON_WIDTH + j] as bigint))),
  );
  parameters = { roundConstants, matrix };
  return parameters;
}

const pow5 = (x: bigint): bigint => Fr.mul(x, Fr.square(Fr.square(x)));

export const applyMatrix = (matrix: readonly (readonly bigint[])[], x: readonly bigint[]): bigint[] =>
  matrix.map((row) => row.reduce((sum, entry, j) => Fr.add(sum, Fr.mul(entry, x[j] as bigint)), 0n));

export function poseidonPermutation(input: readonly bigint[]): bigint[] {
  const { roundConstants, matrix } = poseidonParameters();
  const lastPartial = POSEIDON_FULL_ROUNDS / 2 + POSEIDON_PARTIAL_ROUNDS;
  return roundConstants.reduce<bigint[]>(
    (state, constants, round) => {
      const added = state.map((x, i) => Fr.add(x, constants[i] as bigint));
      const full = round < POSEIDON_FULL_ROUNDS / 2 || round >= lastPartial;
      return applyMatrix(
        matrix,
        added.map((x, i) => (full || i === 0 ? pow5(x) : x)),
      );
    },
    [...input],
  );
}

/** circomlib's Poseidon([left, right]). */
export const poseidon2Reference = (left: bigint, right: bigint): bigint =>
  poseidonPermutation([0n, left, right])[0] as bigint;
