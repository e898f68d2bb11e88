/** What both sides of `bench hash` hash, and how they write the outcome down to be compared. */
import { sha256Hex } from '../../../src/common/index.ts';
import { SCALAR_BYTES } from '../../../src/prover/formats/index.ts';
import { scalarBytes } from '../scalars.ts';

/** Two calls of the kernel. */
export const PAIRS = 512;

/** Left and right of one pair after another: 32 bytes each, little-endian, below r. */
export const pairBytes = (): Uint8Array => scalarBytes('hash', 2 * PAIRS);

/** Of the hashes of all pairs, in the same encoding. */
export const hashesText = (hashes: Uint8Array): string => {
  if (hashes.length !== PAIRS * SCALAR_BYTES) throw new RangeError(`${PAIRS} hashes were to be made`);
  return sha256Hex(hashes);
};
