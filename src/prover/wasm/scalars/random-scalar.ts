/** Uniform secrets below r: r and s of a proof. */
import { randomFillSync } from 'node:crypto';
import { R } from '../../../common/index.ts';
import { readInteger, SCALAR_BYTES, viewOf } from '../../formats/index.ts';

/** Fills the bytes; the system's generator by default, a seeded one in tests. */
export type RandomSource = (bytes: Uint8Array) => void;

export const systemRandom: RandomSource = (bytes) => {
  randomFillSync(bytes);
};

/** r is below 2^254: of that many random bits about three in four draws are below it. */
const TOP_BITS = 0x3f;
/** A source of which no draw of so many is below r is broken, not unlucky (2^-256). */
const DRAWS_MAX = 128;

/**
 * A scalar in [0, r) to the 32 bytes of `target`, little-endian, by rejection: reducing would favour small ones. What
 * was drawn before is overwritten. The comparison with r makes a BigInt of each draw, and BigInts cannot be wiped.
 */
export function drawScalar(target: Uint8Array, random: RandomSource = systemRandom): void {
  if (target.length !== SCALAR_BYTES) throw new RangeError(`a scalar has ${SCALAR_BYTES} bytes, not ${target.length}`);
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    random(target);
    target[SCALAR_BYTES - 1] = (target[SCALAR_BYTES - 1] as number) & TOP_BITS;
    if (readInteger(viewOf(target), 0) < R) return;
  }
  target.fill(0);
  throw new Error('the source of random bytes yields none below r');
}
