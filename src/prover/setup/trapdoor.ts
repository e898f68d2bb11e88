/**
 * The secret of a one-party set-up: tau, alpha, beta, gamma, delta, drawn from the given generator.
 *
 * Whoever knows these can forge proofs, so they live in one buffer that is overwritten when the key is made. What
 * that does not cover: BigInts computed from them stay in the heap until they are collected and overwritten by
 * chance, and the system may have paged or dumped memory. A one-party key is marked as such for that reason.
 *
 * gamma is random, as in the paper (eprint 2016/260, section 3.2), although snarkjs's own set-up takes gamma = 1:
 * verifiers read gamma from the key, so both work, and the published proof of security then applies as it stands.
 */
import { invariant } from '../../common/index.ts';
import { readInteger, SCALAR_BYTES, viewOf, writeInteger } from '../formats/index.ts';
import { Fr, TWO_ADICITY } from '../reference/index.ts';

export interface Trapdoor {
  readonly tau: bigint;
  readonly alpha: bigint;
  readonly beta: bigint;
  readonly gamma: bigint;
  readonly delta: bigint;
}

/** Fresh bytes, which the caller overwrites after use. */
export type RandomBytes = (count: number) => Uint8Array;

const FIELDS = ['tau', 'alpha', 'beta', 'gamma', 'delta'] as const;
export const TRAPDOOR_BYTES = FIELDS.length * SCALAR_BYTES;

/** A sound generator needs 1.3 draws on average; this many in a row are refused only if it is stuck. */
const DRAWS_MAX = 256;

/** Uniform in [0, r) by rejection of 254-bit integers, until `accept` is content. */
function draw(randomBytes: RandomBytes, accept: (value: bigint) => boolean): bigint {
  for (let i = 0; i < DRAWS_MAX; i++) {
    const bytes = randomBytes(SCALAR_BYTES);
    invariant(bytes.length === SCALAR_BYTES, 'the random generator returned another number of bytes than asked');
    bytes[SCALAR_BYTES - 1] = (bytes[SCALAR_BYTES - 1] ?? 0) & 0x3f;
    const value = readInteger(viewOf(bytes), 0);
    bytes.fill(0);
    if (value < Fr.modulus && accept(value)) return value;
  }
  invariant(false, `the random generator gave ${DRAWS_MAX} unusable values in a row`);
}

const isPlusMinus = (a: bigint, b: bigint): boolean => a === b || a === Fr.neg(b);

/**
 * Draws a trapdoor into `into`, TRAPDOOR_BYTES long.
 *
 * Refused: any zero, one or minus one; a tau whose order is a power of two (it could lie in the domain or on its odd
 * coset, where Lagrange polynomials vanish); delta = +-gamma, by which anybody could forge.
 */
export function drawTrapdoor(into: Uint8Array, randomBytes: RandomBytes): void {
  invariant(into.length === TRAPDOOR_BYTES, 'the buffer for the trapdoor has the wrong size');
  const isUsual = (value: bigint): boolean => value > 1n && value !== Fr.modulus - 1n;
  const tau = draw(randomBytes, (value) => isUsual(value) && Fr.pow(value, 1n << BigInt(TWO_ADICITY)) !== 1n);
  const alpha = draw(randomBytes, isUsual);
  const beta = draw(randomBytes, isUsual);
  const gamma = draw(randomBytes, isUsual);
  const delta = draw(randomBytes, (value) => isUsual(value) && !isPlusMinus(value, gamma));
  const view = viewOf(into);
  [tau, alpha, beta, gamma, delta].forEach((value, i) => {
    writeInteger(view, i * SCALAR_BYTES, value);
  });
}

export function readTrapdoor(bytes: Uint8Array): Trapdoor {
  const view = viewOf(bytes);
  const at = (field: (typeof FIELDS)[number]) => readInteger(view, FIELDS.indexOf(field) * SCALAR_BYTES);
  return { tau: at('tau'), alpha: at('alpha'), beta: at('beta'), gamma: at('gamma'), delta: at('delta') };
}
