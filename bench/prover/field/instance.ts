/**
 * What both sides of `bench field` compute: z_i = x_i y_i, or z_i = x_i + y_i on the curve, over and over.
 *
 * Everything is given and compared in plain form; how a side keeps numbers in between is its own affair.
 */
import { sha256Hex } from '../../../src/common/index.ts';
import { SCALAR_BYTES, viewOf, writeInteger } from '../../../src/prover/formats/index.ts';
import { type Affine, G1 } from '../../../src/prover/reference/index.ts';
import { scalarBytes } from '../scalars.ts';

/** Divisible by 2 and 4 lanes: numbers of which three arrays fit the first-level cache; points as sums batch them. */
const NUMBERS = 96;
const POINTS = 1024;

export interface FieldInstance {
  readonly operation: 'fq-mul' | 'g1-add';
  readonly count: number;
  /** `count` numbers, or points as x then y: plain form, little-endian, 32 bytes a number, below q. */
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

export function fieldInstance(operation: string | number | undefined): FieldInstance {
  if (operation === 'g1-add') return { operation, count: POINTS, x: multiplesFrom(2n), y: multiplesFrom(10_000n) };
  const [x, y] = [scalarBytes('field x', NUMBERS), scalarBytes('field y', NUMBERS)];
  return { operation: 'fq-mul', count: NUMBERS, x, y };
}

/** k G, (k + 1) G and so on: no two of the two lists are equal or opposite. */
function multiplesFrom(k: bigint): Uint8Array {
  const out = new Uint8Array(POINTS * 2 * SCALAR_BYTES);
  const view = viewOf(out);
  let point: Affine<bigint> = G1.multiply(G1.generator, k);
  for (let i = 0; i < POINTS; i++) {
    writeInteger(view, i * 2 * SCALAR_BYTES, point?.x ?? 0n);
    writeInteger(view, (i * 2 + 1) * SCALAR_BYTES, point?.y ?? 0n);
    point = G1.add(point, G1.generator);
  }
  return out;
}

/** Of all z, in the encoding of x and y; points affine. */
export const outcomeText = (z: Uint8Array): string => sha256Hex(z);
