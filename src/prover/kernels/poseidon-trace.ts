/**
 * Where `poseidon2_trace` leaves what: one pack for each value, the S-boxes in the order of their rounds.
 *
 * Of an S-box there are its input x, x^2 and x^4; in full rounds also what comes out of it, x^5, with the constants that
 * circomlib's optimized form adds there (it has them before the matrix, not after). These values are the same in the
 * sparse form of the kernels, in circomlib's and in the paper's: only the elements that pass a partial round without an
 * S-box differ between them.
 *
 *   full round      x, x^2, x^4 of elements 0, 1, 2; then the three x^5 + c
 *   partial round   x, x^2, x^4 of element 0
 */
import { POSEIDON_FULL_ROUNDS, POSEIDON_PARTIAL_ROUNDS, POSEIDON_WIDTH } from '../reference/index.ts';

const HALF = POSEIDON_FULL_ROUNDS / 2;
export const BOX_PACKS = 3;
/** From the first pack of a full round to the first x^5 + c of it. */
export const AFTER_BOXES = BOX_PACKS * POSEIDON_WIDTH;
export const FULL_ROUND_PACKS = AFTER_BOXES + POSEIDON_WIDTH;

/** Parameters of the hash itself; those that only a trace adds follow them, three a full round. */
export const PARAMETERS_AFTER_AT =
  POSEIDON_WIDTH ** 2 + POSEIDON_FULL_ROUNDS * POSEIDON_WIDTH + 6 * POSEIDON_PARTIAL_ROUNDS + 4;

export const POSEIDON_TRACE_PACKS = FULL_ROUND_PACKS * POSEIDON_FULL_ROUNDS + BOX_PACKS * POSEIDON_PARTIAL_ROUNDS;

/** The first pack of a full round, 0 to 7: the last four come after the partial ones. */
const fullRound = (round: number): number =>
  FULL_ROUND_PACKS * round + (round < HALF ? 0 : BOX_PACKS * POSEIDON_PARTIAL_ROUNDS);

/** The pack of x^power of an S-box in a full round. */
export const fullBoxPack = (round: number, element: number, power: 1 | 2 | 4): number =>
  fullRound(round) + BOX_PACKS * element + Math.log2(power);

/** The pack of x^5 + c of an S-box in a full round; c is zero in the last. */
export const afterBoxPack = (round: number, element: number): number => fullRound(round) + AFTER_BOXES + element;

/** The pack of x^power of the S-box in a partial round, 0 to 56. */
export const partialBoxPack = (round: number, power: 1 | 2 | 4): number =>
  FULL_ROUND_PACKS * HALF + BOX_PACKS * round + Math.log2(power);
