/**
 * Groth16's proof (eprint 2016/260, section 3.2) from snarkjs's zkey, with r and s given: the oracle of fast provers.
 *
 *   A = alpha + sum w_i A_i + r delta                    (G1)
 *   B = beta + sum w_i B_i + s delta                     (G2, and its twin B1 in G1)
 *   C = sum w_i C_i + sum h_j H_j + s A + r B1 - r s delta
 *
 * h is A B - C on the odd points of the doubled domain: snarkjs's H points are the Lagrange basis there over delta, so
 * that the quotient is never divided out. A and B on the domain come from the key's coefficients; C is their product
 * there, which is also why a false witness gives a proof (which does not verify) and no error.
 *
 * Equal to snarkjs's proof byte for byte for the same r and s. A real prover must draw both afresh for each proof, from
 * the system's generator: whoever knows them, or sees them used twice, learns about the witness.
 */
import { invariant, ZkraftError } from '../../common/index.ts';
import { viewOf } from '../formats/container.ts';
import {
  COEFFICIENT_BYTES,
  coefficientFromStored,
  G1_BYTES,
  G2_BYTES,
  readG1Montgomery,
  readG2Montgomery,
  readInteger,
  SCALAR_BYTES,
} from '../formats/field-bytes.ts';
import type { Groth16Proof } from '../formats/snarkjs-json.ts';
import type { Witness } from '../formats/wtns.ts';
import type { Zkey } from '../formats/zkey.ts';
import { G1, type G1Point, G2, type G2Point } from './bn254.ts';
import { g1ToJson, g2ToJson } from './decimal-points.ts';
import { msmReference } from './msm.ts';
import { toOddPointsReference } from './ntt.ts';
import { Fr } from './prime-field.ts';

/** What blinds a proof: elements of Fr, below r. Zero is allowed, for tests; it hides nothing. */
export interface Blinding {
  readonly r: bigint;
  readonly s: bigint;
}

export interface ReferenceProof {
  readonly proof: Groth16Proof;
  readonly publicSignals: readonly string[];
}

/**
 * `zkey` and `witness` as their parsers gave them (`parseZkey` at level 'coefficients' at least, `parseWtns`); the
 * domain is at most 2^27. Throws `wtns_invalid` when they are of two circuits.
 * Some 10 s for a Merkle proof of depth 20, 0.2 s for one of 250 constraints.
 */
export function proveGroth16Reference(zkey: Zkey, witness: Witness, blinding: Blinding): ReferenceProof {
  const { header, sections } = zkey;
  if (witness.wires !== header.wires) {
    throw new ZkraftError(
      'wtns_invalid',
      `the witness has ${witness.wires} wires, the proving key ${header.wires}: they are of two circuits`,
      { field: 'wtns' },
    );
  }
  const { r, s } = blinding;
  if (!Fr.isCanonical(r) || !Fr.isCanonical(s)) throw new RangeError('proveGroth16Reference: r and s are below r');
  const w = wireValues(witness);
  const g1 = (bytes: Uint8Array, scalars: readonly bigint[]): G1Point => msmReference(G1, g1Points(bytes), scalars);

  const a = sumG1(header.alpha1, g1(sections.a, w), G1.multiply(header.delta1, r));
  const b = [msmReference(G2, g2Points(sections.b2), w), G2.multiply(header.delta2, s)].reduce(G2.add, header.beta2);
  const b1 = sumG1(header.beta1, g1(sections.b1, w), G1.multiply(header.delta1, s));
  const c = sumG1(
    g1(sections.c, w.slice(header.publics + 1)),
    g1(sections.h, quotientScalars(zkey, w)),
    G1.multiply(a, s),
    G1.multiply(b1, r),
    G1.neg(G1.multiply(header.delta1, Fr.mul(r, s))),
  );
  // For a sound key each is one chance in r, unless r and s were chosen for it.
  invariant(a !== null && b !== null && c !== null, 'no part of a proof is the point at infinity');
  return {
    proof: { pi_a: g1ToJson(a), pi_b: g2ToJson(b), pi_c: g1ToJson(c), protocol: 'groth16', curve: 'bn128' },
    publicSignals: w.slice(1, header.publics + 1).map(String),
  };
}

const sumG1 = (...points: readonly G1Point[]): G1Point => points.reduce<G1Point>(G1.add, null);

/** A B - C on the odd points, in their order: the scalars of the H points. */
export function quotientScalars(zkey: Zkey, w: readonly bigint[]): bigint[] {
  const { a, b } = rowValues(zkey, w);
  const c = a.map((value, row) => Fr.mul(value, b[row] as bigint));
  const [aOdd, bOdd, cOdd] = [a, b, c].map(toOddPointsReference) as [bigint[], bigint[], bigint[]];
  return aOdd.map((value, i) => Fr.sub(Fr.mul(value, bOdd[i] as bigint), cOdd[i] as bigint));
}

/** A w and B w, row by row over the whole domain. */
function rowValues({ header, sections }: Zkey, w: readonly bigint[]): { a: bigint[]; b: bigint[] } {
  const rows = [0, 1].map(() => new Array<bigint>(header.domainSize).fill(0n)) as [bigint[], bigint[]];
  const view = viewOf(sections.coefficients);
  const count = view.getUint32(0, true);
  for (let i = 0, at = 4; i < count; i++, at += COEFFICIENT_BYTES) {
    const matrix = rows[view.getUint32(at, true)] as bigint[];
    const row = view.getUint32(at + 4, true);
    const wire = w[view.getUint32(at + 8, true)] as bigint;
    const coefficient = coefficientFromStored(readInteger(view, at + 12));
    matrix[row] = Fr.add(matrix[row] as bigint, Fr.mul(coefficient, wire));
  }
  return { a: rows[0], b: rows[1] };
}

function wireValues({ wires, values }: Witness): bigint[] {
  const view = viewOf(values);
  return Array.from({ length: wires }, (_, wire) => readInteger(view, wire * SCALAR_BYTES));
}

function g1Points(bytes: Uint8Array): G1Point[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / G1_BYTES }, (_, i) => canonical(readG1Montgomery(view, i * G1_BYTES)));
}

function g2Points(bytes: Uint8Array): G2Point[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / G2_BYTES }, (_, i) => canonical(readG2Montgomery(view, i * G2_BYTES)));
}

function canonical<T>(point: T | undefined): T {
  if (point !== undefined) return point;
  throw new ZkraftError('zkey_invalid', 'the proving key has a point with a coordinate that is not below q', {
    field: 'zkey',
  });
}
