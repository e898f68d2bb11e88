/**
 * Proofs and public signals from snarkjs's JSON, to canonical numbers: all that the strict parsers of ../../formats ask
 * of the text (fields, counts, spelling, ranges, no infinity), with the same errors. Curves and the subgroup are for the
 * kernels: in BigInt they are nearly all of what those parsers cost.
 */
import { requireGroth16, requireObject } from '../../formats/groth16-json.ts';
import { describe, Fq, Fr, readDecimal, readList, refuse } from '../../reference/core.ts';

const CODE = 'proof_malformed';
const KEYS = ['pi_a', 'pi_b', 'pi_c', 'protocol', 'curve'] as const;

/** A.x, A.y, B.x's and B.y's real and imaginary parts, C.x, C.y: below q. */
export type Coordinates = readonly bigint[];
export const COORDINATES = 8;

export function readProof(json: unknown): Coordinates {
  const object = requireObject(json, 'proof', KEYS, [], CODE);
  requireGroth16(object, CODE);
  return [...readG1(object.pi_a, 'pi_a'), ...readG2(object.pi_b, 'pi_b'), ...readG1(object.pi_c, 'pi_c')];
}

const coordinate = (json: unknown, field: string): bigint => readDecimal(json, Fq, field, CODE);

function readG1(json: unknown, field: string): bigint[] {
  const [x, y, z] = readList(json, 3, field, CODE);
  if (z !== '1') refuse(CODE, `${field}[2]`, `is ${describe(z)}; z must be "1" (infinity is refused too)`);
  return [coordinate(x, `${field}[0]`), coordinate(y, `${field}[1]`)];
}

function readG2(json: unknown, field: string): bigint[] {
  const [x, y, z] = readList(json, 3, field, CODE);
  const [z0, z1] = readList(z, 2, `${field}[2]`, CODE);
  if (z0 !== '1' || z1 !== '0')
    refuse(CODE, `${field}[2]`, 'is not ["1", "0"]; z must be one (infinity is refused too)');
  return [x, y].flatMap((pair, i) => {
    const [c0, c1] = readList(pair, 2, `${field}[${i}]`, CODE);
    return [coordinate(c0, `${field}[${i}][0]`), coordinate(c1, `${field}[${i}][1]`)];
  });
}

/** Exactly `count` canonical signals below r. */
export function readSignals(json: unknown, count: number): bigint[] {
  const code = 'public_signals_malformed';
  // Not .map: it would skip holes.
  return Array.from(readList(json, count, 'public signals', code), (signal, i) =>
    readDecimal(signal, Fr, `public signals[${i}]`, code),
  );
}
