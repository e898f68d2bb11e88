/**
 * From constraints and trapdoor to the scalars of a proving key: the quadratic arithmetic program at tau.
 *
 * The layout is snarkjs's: rows 0 .. m-1 are the circuit's constraints; row m + s, for the constant and each public
 * wire s, is A = wire s with B = C = 0, which keeps the public columns independent (without it, a statement could be
 * altered together with its proof). The domain is the next power of two, at least 2. See formats/zkey.ts for sections.
 */
import {
  COEFFICIENT_BYTES,
  coefficientToStored,
  type R1cs,
  viewOf,
  visitTerms,
  writeInteger,
} from '../formats/index.ts';
import { Fr, lagrangeAt } from '../reference/index.ts';
import type { Trapdoor } from './trapdoor.ts';

/** Scalars by section. A, B1 and B2 have one a wire, in the order of wires. */
export interface QapScalars {
  readonly ic: readonly bigint[];
  readonly a: readonly bigint[];
  readonly b: readonly bigint[];
  readonly c: readonly bigint[];
  readonly h: readonly bigint[];
}

/** Rows of the constraints and of the public wires, rounded up to a power of two. */
export function domainSizeOf(r1cs: Pick<R1cs, 'constraints' | 'publics'>): number {
  const rows = r1cs.constraints + r1cs.publics + 1;
  let size = 2;
  while (size < rows) size *= 2;
  return size;
}

export function qapScalars(r1cs: R1cs, domainSize: number, trapdoor: Trapdoor): QapScalars {
  const { tau, alpha, beta, gamma, delta } = trapdoor;
  const lagrange = lagrangeAt(domainSize, tau);
  const columns = [0, 1, 2].map(() => new Array<bigint>(r1cs.wires).fill(0n));
  const accumulate = (matrix: number, row: number, wire: number, coefficient: bigint): void => {
    const column = columns[matrix] as bigint[];
    column[wire] = Fr.create((column[wire] as bigint) + coefficient * (lagrange[row] as bigint));
  };
  visitTerms(r1cs, accumulate);
  for (let s = 0; s <= r1cs.publics; s++) accumulate(0, r1cs.constraints + s, s, 1n);

  const [u, v, w] = columns as [bigint[], bigint[], bigint[]];
  const inverseGamma = Fr.inverse(gamma);
  const inverseDelta = Fr.inverse(delta);
  const combined = u.map((ui, i) => Fr.create(beta * ui + alpha * (v[i] as bigint) + (w[i] as bigint)));
  return {
    ic: combined.slice(0, r1cs.publics + 1).map((x) => Fr.mul(x, inverseGamma)),
    a: u,
    b: v,
    c: combined.slice(r1cs.publics + 1).map((x) => Fr.mul(x, inverseDelta)),
    h: lagrangeAt(2 * domainSize, tau)
      .filter((_, i) => i % 2 === 1)
      .map((x) => Fr.mul(x, inverseDelta)),
  };
}

/** The coefficient section: a count, then A's and B's terms row by row, then the rows of the public wires. */
export function coefficientSection(r1cs: R1cs): Uint8Array {
  const count = r1cs.terms[0] + r1cs.terms[1] + r1cs.publics + 1;
  const bytes = new Uint8Array(4 + count * COEFFICIENT_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, count, true);
  let at = 4;
  const write = (matrix: number, row: number, wire: number, coefficient: bigint): void => {
    if (matrix === 2) return;
    view.setUint32(at, matrix, true);
    view.setUint32(at + 4, row, true);
    view.setUint32(at + 8, wire, true);
    writeInteger(view, at + 12, coefficientToStored(coefficient));
    at += COEFFICIENT_BYTES;
  };
  visitTerms(r1cs, write);
  for (let s = 0; s <= r1cs.publics; s++) write(0, r1cs.constraints + s, s, 1n);
  return bytes;
}
