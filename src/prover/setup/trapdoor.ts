/**
 * The secret of a one-party set-up: tau, alpha, beta, gamma, delta, drawn from the given generator.
 *
 * Whoever knows these can forge proofs, so they live in one piece of memory that is overwritten when the key is made,
 * and are drawn, compared and computed with there alone: no BigInt is made of them, as BigInts stay in the heap until
 * they are collected and overwritten by chance. What that does not cover: the system may have paged or dumped memory.
 * A one-party key is marked as such for that reason.
 *
 * gamma is random, as in the paper (eprint 2016/260, section 3.2), although snarkjs's own set-up takes gamma = 1:
 * verifiers read gamma from the key, so both work, and the published proof of security then applies as it stands.
 */
import { invariant, R } from '../../common/index.ts';
import { readInteger, SCALAR_BYTES, viewOf, writeInteger } from '../formats/index.ts';
import { Fr, TWO_ADICITY } from '../reference/index.ts';
import { TRAPDOOR_FIELDS } from '../wasm/index.ts';

/** In BigInt, for the reference alone. */
export type Trapdoor = Readonly<Record<(typeof TRAPDOOR_FIELDS)[number], bigint>>;

/** Fresh bytes, which the caller overwrites after use. */
export type RandomBytes = (count: number) => Uint8Array;

export const TRAPDOOR_BYTES = TRAPDOOR_FIELDS.length * SCALAR_BYTES;

/** A sound generator needs 1.3 draws on average; this many in a row are refused only if it is stuck. */
const DRAWS_MAX = 256;
/** r is below 2^254. */
const TOP_BITS = 0x3f;

const bytesOf = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(SCALAR_BYTES);
  writeInteger(viewOf(bytes), 0, value);
  return bytes;
};
const ZERO = bytesOf(0n);
const ONE = bytesOf(1n);
const MINUS_ONE = bytesOf(R - 1n);
const MODULUS = bytesOf(R);

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = SCALAR_BYTES - 1; i >= 0; i--) {
    if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number);
  }
  return false;
}

/** Whether a = -b, for both in 1 .. r - 1: then they add up to r. */
function isOpposite(a: Uint8Array, b: Uint8Array): boolean {
  let carry = 0;
  for (let i = 0; i < SCALAR_BYTES; i++) {
    const sum = (a[i] as number) + (b[i] as number) + carry;
    if ((sum & 0xff) !== MODULUS[i]) return false;
    carry = sum >> 8;
  }
  return true;
}

const isUsual = (value: Uint8Array): boolean => ![ZERO, ONE, MINUS_ONE].some((other) => isEqual(value, other));

/** Uniform in [0, r) by rejection of 254-bit integers, until `accept` is content. */
function draw(into: Uint8Array, randomBytes: RandomBytes, accept: () => boolean): void {
  for (let i = 0; i < DRAWS_MAX; i++) {
    const bytes = randomBytes(SCALAR_BYTES);
    invariant(bytes.length === SCALAR_BYTES, 'the random generator returned another number of bytes than asked');
    bytes[SCALAR_BYTES - 1] = (bytes[SCALAR_BYTES - 1] ?? 0) & TOP_BITS;
    into.set(bytes);
    bytes.fill(0);
    if (isBelow(into, MODULUS) && accept()) return;
  }
  invariant(false, `the random generator gave ${DRAWS_MAX} unusable values in a row`);
}

/**
 * Draws a trapdoor into `into`, TRAPDOOR_BYTES long. `hasTwoPowerOrder`: whether the first scalar there, below r, has an
 * order that divides 2^28.
 *
 * Refused: any zero, one or minus one; a tau whose order is a power of two (it could lie in the domain or on its odd
 * coset, where Lagrange polynomials vanish); delta = +-gamma, by which anybody could forge.
 */
export function drawTrapdoor(into: Uint8Array, randomBytes: RandomBytes, hasTwoPowerOrder: () => boolean): void {
  invariant(into.length === TRAPDOOR_BYTES, 'the memory for the trapdoor has the wrong size');
  const of = (field: (typeof TRAPDOOR_FIELDS)[number]): Uint8Array => {
    const at = TRAPDOOR_FIELDS.indexOf(field) * SCALAR_BYTES;
    return into.subarray(at, at + SCALAR_BYTES);
  };
  const [tau, gamma, delta] = [of('tau'), of('gamma'), of('delta')];
  draw(tau, randomBytes, () => isUsual(tau) && !hasTwoPowerOrder());
  for (const field of ['alpha', 'beta', 'gamma'] as const) {
    const value = of(field);
    draw(value, randomBytes, () => isUsual(value));
  }
  draw(delta, randomBytes, () => isUsual(delta) && !isEqual(delta, gamma) && !isOpposite(delta, gamma));
}

/** As BigInts, which cannot be wiped: for the reference alone. */
export function readTrapdoor(bytes: Uint8Array): Trapdoor {
  const view = viewOf(bytes);
  const at = (field: (typeof TRAPDOOR_FIELDS)[number]) =>
    readInteger(view, TRAPDOOR_FIELDS.indexOf(field) * SCALAR_BYTES);
  return { tau: at('tau'), alpha: at('alpha'), beta: at('beta'), gamma: at('gamma'), delta: at('delta') };
}

/** `hasTwoPowerOrder` for the reference: of the first scalar in `bytes`. */
export const firstHasTwoPowerOrder = (bytes: Uint8Array): boolean =>
  Fr.pow(readInteger(viewOf(bytes), 0), 1n << BigInt(TWO_ADICITY)) === 1n;
