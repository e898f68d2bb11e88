/**
 * Numbers and points as snarkjs's JSON spells them, read strictly.
 *
 * A number is a decimal string, `0|[1-9][0-9]*`, below its modulus: one value, one spelling. A point is projective
 * with z = 1 exactly, on its curve, and in G2 of order r; the point at infinity is refused. snarkjs itself takes
 * hex, x + q and any z, so two texts could be one proof: that is why this does not.
 */
import { type ErrorCode, ZkraftError } from '../../common/core.ts';
import { G1, type G1Point, G2, type G2Point, isInG2 } from './bn254.ts';
import { Fq, type PrimeField } from './prime-field.ts';
import type { Fq2Element } from './tower.ts';

const DECIMAL = /^(?:0|[1-9][0-9]{0,77})$/;

export function refuse(code: ErrorCode, field: string, why: string): never {
  throw new ZkraftError(code, `${field} ${why}`, { field });
}

/** What a wrong value is, short enough for a message. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `"${value.length > 40 ? `${value.slice(0, 37)}...` : value}"`;
  if (value === null) return 'null';
  return Array.isArray(value)
    ? `a list of ${value.length}`
    : typeof value === 'object'
      ? 'an object'
      : `a ${typeof value}`;
}

export function readDecimal(json: unknown, F: PrimeField, field: string, code: ErrorCode): bigint {
  if (typeof json !== 'string' || !DECIMAL.test(json)) {
    return refuse(code, field, `is ${describe(json)}; it must be a decimal string without sign or leading zeros`);
  }
  const value = BigInt(json);
  if (!F.isCanonical(value)) return refuse(code, field, `is not below the field's modulus, ${F.modulus}`);
  return value;
}

/** A list of exactly `length` entries. */
export function readList(json: unknown, length: number, field: string, code: ErrorCode): readonly unknown[] {
  if (!Array.isArray(json) || json.length !== length) {
    return refuse(code, field, `is ${describe(json)}; it must be a list of ${length}`);
  }
  return json;
}

function readFq2(json: unknown, field: string, code: ErrorCode): Fq2Element {
  const [c0, c1] = readList(json, 2, field, code);
  return { c0: readDecimal(c0, Fq, `${field}[0]`, code), c1: readDecimal(c1, Fq, `${field}[1]`, code) };
}

export function readG1(json: unknown, field: string, code: ErrorCode): NonNullable<G1Point> {
  const [x, y, z] = readList(json, 3, field, code);
  if (z !== '1') return refuse(code, `${field}[2]`, `is ${describe(z)}; z must be "1" (infinity is refused too)`);
  const point = { x: readDecimal(x, Fq, `${field}[0]`, code), y: readDecimal(y, Fq, `${field}[1]`, code) };
  if (!G1.isOnCurve(point)) return refuse(code, field, 'is not a point of the curve');
  return point;
}

export function readG2(json: unknown, field: string, code: ErrorCode): NonNullable<G2Point> {
  const [x, y, z] = readList(json, 3, field, code);
  const [z0, z1] = readList(z, 2, `${field}[2]`, code);
  if (z0 !== '1' || z1 !== '0') {
    return refuse(code, `${field}[2]`, 'is not ["1", "0"]; z must be one (infinity is refused too)');
  }
  const point = { x: readFq2(x, `${field}[0]`, code), y: readFq2(y, `${field}[1]`, code) };
  if (!G2.isOnCurve(point)) return refuse(code, field, 'is not a point of the twisted curve');
  if (!isInG2(point)) return refuse(code, field, 'is on the twisted curve but outside the subgroup of order r');
  return point;
}

export function g1ToJson(p: NonNullable<G1Point>): readonly [string, string, string] {
  return [p.x.toString(), p.y.toString(), '1'];
}

export function g2ToJson(
  p: NonNullable<G2Point>,
): readonly [readonly [string, string], readonly [string, string], readonly [string, string]] {
  return [
    [p.x.c0.toString(), p.x.c1.toString()],
    [p.y.c0.toString(), p.y.c1.toString()],
    ['1', '0'],
  ];
}
