/**
 * .r1cs, version 1: the constraints that circom compiled a circuit to. (iden3/r1csfile, doc/r1cs_bin_format.md)
 *
 * Every row says A(w) B(w) = C(w) for the wires w. Wire 0 is the constant one; then come the outputs, the public
 * inputs, the private inputs and the inner wires, in that order. Parsing walks every row, so that what it returns can
 * be read without further checks; rows stay in the file's bytes and are visited, since large circuits have millions.
 */
import { R } from '../../common/index.ts';
import { type ContainerFormat, readContainer, SectionReader, viewOf } from './container.ts';
import { readInteger, SCALAR_BYTES } from './field-bytes.ts';

export const R1CS_FORMAT: ContainerFormat = {
  magic: 'r1cs',
  version: 1,
  sections: {
    1: 'header',
    2: 'constraints',
    3: 'wire labels',
    4: 'custom gate list',
    5: 'custom gate uses',
  },
  code: 'r1cs_invalid',
};

export interface R1cs {
  readonly wires: number;
  readonly outputs: number;
  readonly publicInputs: number;
  readonly privateInputs: number;
  /** Outputs and public inputs: what a proof of it shows, without the constant. */
  readonly publics: number;
  readonly constraints: number;
  /** Terms of A, B and C over all rows. */
  readonly terms: readonly [a: number, b: number, c: number];
  /** The constraint section, checked. */
  readonly rows: Uint8Array;
}

/** 0, 1, 2 for A, B, C. */
export type Matrix = 0 | 1 | 2;
export type TermVisitor = (matrix: Matrix, row: number, wire: number, coefficient: bigint) => void;

const TERM_BYTES = 4 + SCALAR_BYTES;
const MATRICES: readonly Matrix[] = [0, 1, 2];

export function parseR1cs(bytes: Uint8Array): R1cs {
  const sections = readContainer(bytes, R1CS_FORMAT);
  const header = new SectionReader(sections, 1, R1CS_FORMAT);
  const scalarBytes = header.u32();
  if (scalarBytes !== SCALAR_BYTES) header.refuse(`has field elements of ${scalarBytes} bytes; BN254 has 32`);
  if (readInteger(viewOf(header.take(SCALAR_BYTES)), 0) !== R) {
    header.refuse('names another prime than BN254: compile with --prime bn128');
  }
  const wires = header.u32();
  const outputs = header.u32();
  const publicInputs = header.u32();
  const privateInputs = header.u32();
  header.u64(); // the number of labels, which nothing here uses
  const constraints = header.u32();
  header.end();
  if (1 + outputs + publicInputs + privateInputs > wires) {
    header.refuse(`has ${wires} wires, fewer than the constant, outputs and inputs together`);
  }
  if (sections.has(3) && (sections.get(3)?.length ?? 0) !== 8 * wires) {
    new SectionReader(sections, 3, R1CS_FORMAT).refuse(`are not 8 bytes for each of the ${wires} wires`);
  }
  for (const id of [4, 5]) {
    if (!sections.has(id)) continue;
    if (new SectionReader(sections, id, R1CS_FORMAT).u32() !== 0) {
      new SectionReader(sections, id, R1CS_FORMAT).refuse('is not empty, but Groth16 knows no custom gates');
    }
  }
  const reader = new SectionReader(sections, 2, R1CS_FORMAT);
  const terms = checkRows(reader, constraints, wires);
  return {
    wires,
    outputs,
    publicInputs,
    privateInputs,
    publics: outputs + publicInputs,
    constraints,
    terms,
    rows: reader.bytes,
  };
}

/** Walks all rows; counts the terms. Time and memory are bounded by the section's bytes, whatever it claims. */
function checkRows(reader: SectionReader, constraints: number, wires: number): [number, number, number] {
  const counts: [number, number, number] = [0, 0, 0];
  const view = viewOf(reader.bytes);
  for (let row = 0; row < constraints; row++) {
    for (const matrix of MATRICES) {
      const count = reader.u32();
      if (count > reader.left / TERM_BYTES) reader.refuse(`claim ${count} terms in row ${row}, more than fit`);
      counts[matrix] += count;
      for (let i = 0; i < count; i++) {
        const wire = reader.u32();
        if (wire >= wires) reader.refuse(`name wire ${wire} in row ${row}, but there are ${wires}`);
        if (readInteger(view, reader.offset) >= R)
          reader.refuse(`hold a coefficient in row ${row} that is not below r`);
        reader.take(SCALAR_BYTES);
      }
    }
  }
  reader.end();
  return counts;
}

/** Calls `visit` for every term, row by row, A before B before C, in the file's order. A wire may occur twice. */
export function visitTerms(r1cs: R1cs, visit: TermVisitor): void {
  const view = viewOf(r1cs.rows);
  let at = 0;
  for (let row = 0; row < r1cs.constraints; row++) {
    for (const matrix of MATRICES) {
      const end = at + 4 + view.getUint32(at, true) * TERM_BYTES;
      for (at += 4; at < end; at += TERM_BYTES) {
        visit(matrix, row, view.getUint32(at, true), readInteger(view, at + 4));
      }
    }
  }
}
