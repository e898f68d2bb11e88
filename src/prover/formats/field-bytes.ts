/**
 * Field elements and points as iden3's binary files hold them: 32 bytes little-endian.
 *
 * Points and a zkey's coefficients are in Montgomery form, with the factor 2^256: coordinates hold x 2^256 mod q, and
 * coefficients (a surprise of snarkjs) v 2^512 mod r. A point is x || y, infinity is all zeros, as (0, 0) is on
 * neither curve; a G2 coordinate is c0 || c1. R1cs and witness values are plain.
 */

import { Q, R } from '../../common/index.ts';
import type { G1Point, G2Point } from '../reference/bn254.ts';
// Not the folder's index: the reference prover there reads keys with what is here.
import { Fq, Fr } from '../reference/prime-field.ts';
import { viewOf } from './container.ts';

export const SCALAR_BYTES = 32;
export const G1_BYTES = 64;
export const G2_BYTES = 128;
/** An entry of a zkey's coefficients: matrix, row, wire (u32 each), value. */
export const COEFFICIENT_BYTES = 12 + SCALAR_BYTES;

const MONTGOMERY = 1n << 256n;
const Q_FACTOR = MONTGOMERY % Q;
const Q_FACTOR_INVERSE = Fq.inverse(Q_FACTOR);
const R_FACTOR_SQUARED = (MONTGOMERY * MONTGOMERY) % R;
const R_FACTOR_SQUARED_INVERSE = Fr.inverse(R_FACTOR_SQUARED);
const WORD = 0xffffffffffffffffn;

/** The 256-bit integer at `at`, which must be within the bytes. */
export function readInteger(view: DataView, at: number): bigint {
  return (
    (view.getBigUint64(at + 24, true) << 192n) |
    (view.getBigUint64(at + 16, true) << 128n) |
    (view.getBigUint64(at + 8, true) << 64n) |
    view.getBigUint64(at, true)
  );
}

export function writeInteger(view: DataView, at: number, value: bigint): void {
  view.setBigUint64(at, value & WORD, true);
  view.setBigUint64(at + 8, (value >> 64n) & WORD, true);
  view.setBigUint64(at + 16, (value >> 128n) & WORD, true);
  view.setBigUint64(at + 24, value >> 192n, true);
}

/** The coefficient of a zkey as it is stored. */
export function coefficientToStored(value: bigint): bigint {
  return Fr.mul(value, R_FACTOR_SQUARED);
}

/** The inverse of `coefficientToStored`. `stored` must be below r. */
export function coefficientFromStored(stored: bigint): bigint {
  return Fr.mul(stored, R_FACTOR_SQUARED_INVERSE);
}

/** A coordinate, or undefined when the stored value is not below q: then it is no Montgomery form of anything. */
function readCoordinate(view: DataView, at: number): bigint | undefined {
  const stored = readInteger(view, at);
  return stored < Q ? Fq.mul(stored, Q_FACTOR_INVERSE) : undefined;
}

function writeCoordinate(view: DataView, at: number, value: bigint): void {
  writeInteger(view, at, Fq.mul(value, Q_FACTOR));
}

/** The point at `at`, `undefined` where a coordinate is not canonical. Whether it is on the curve is not asked. */
export function readG1Montgomery(view: DataView, at: number): G1Point | undefined {
  const x = readCoordinate(view, at);
  const y = readCoordinate(view, at + 32);
  if (x === undefined || y === undefined) return undefined;
  return x === 0n && y === 0n ? null : { x, y };
}

/** As `readG1Montgomery`, for the twist. */
export function readG2Montgomery(view: DataView, at: number): G2Point | undefined {
  const x0 = readCoordinate(view, at);
  const x1 = readCoordinate(view, at + 32);
  const y0 = readCoordinate(view, at + 64);
  const y1 = readCoordinate(view, at + 96);
  if (x0 === undefined || x1 === undefined || y0 === undefined || y1 === undefined) return undefined;
  if (x0 === 0n && x1 === 0n && y0 === 0n && y1 === 0n) return null;
  return { x: { c0: x0, c1: x1 }, y: { c0: y0, c1: y1 } };
}

export function g1ToMontgomery(points: readonly G1Point[]): Uint8Array {
  const bytes = new Uint8Array(points.length * G1_BYTES);
  const view = viewOf(bytes);
  points.forEach((p, i) => {
    if (p === null) return;
    writeCoordinate(view, i * G1_BYTES, p.x);
    writeCoordinate(view, i * G1_BYTES + 32, p.y);
  });
  return bytes;
}

export function g2ToMontgomery(points: readonly G2Point[]): Uint8Array {
  const bytes = new Uint8Array(points.length * G2_BYTES);
  const view = viewOf(bytes);
  points.forEach((p, i) => {
    if (p === null) return;
    [p.x.c0, p.x.c1, p.y.c0, p.y.c1].forEach((c, k) => {
      writeCoordinate(view, i * G2_BYTES + 32 * k, c);
    });
  });
  return bytes;
}
