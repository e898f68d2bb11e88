/**
 * The columns of A, B and C at tau: for each wire, the sum over its terms of coefficient times L_row(tau).
 *
 * That is a sparse matrix times a vector, as a proof's rows times wires are (../quotient/sparse-rows.ts), with rows and
 * wires exchanged: what was a row's place is a wire's, and in place of the witness stand the Lagrange values. A and B
 * are read off the key's coefficient section, which has the rows of the public wires; C off the constraints.
 */
import {
  COEFFICIENT_BYTES,
  coefficientToStored,
  type R1cs,
  readInteger,
  SCALAR_BYTES,
  viewOf,
  writeInteger,
} from '../../formats/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { aligned, type PackShape } from '../quotient/kernel-memory.ts';
import {
  type CoefficientChunks,
  evaluateRows,
  type RowPlaces,
  type SparseRows,
  SparseRowsDraft,
} from '../quotient/sparse-rows.ts';

/** Entries exchanged at a time: what bounds the copy. */
const CHUNK_ENTRIES = 4096;
/** Values that are remembered in the form of files: a circuit has few that differ. */
const DISTINCT_MAX = 65_536;
const TERM_BYTES = 4 + SCALAR_BYTES;

export type Column = 'a' | 'b' | 'c';

export interface Columns {
  readonly places: RowPlaces;
  readonly ab: SparseRows;
  readonly c: SparseRows;
}

/** Wire i in lane i mod lanes of pack floor(i / lanes). */
export function wirePlaces({ lanes, packBytes }: PackShape, wires: number): RowPlaces {
  const rows = Math.ceil(wires / lanes);
  return { size: rows * lanes, rows, rowSize: lanes, rowPacks: 1, packBytes };
}

/** What a column's array takes; a pack behind it takes what lanes without a wire yield. */
export const columnBytes = (shape: PackShape, wires: number): number =>
  aligned((wirePlaces(shape, wires).rows + 1) * shape.packBytes);

/** Sizes first, then, once there is memory, the programs. */
export class ColumnsDraft {
  readonly #places: RowPlaces;
  readonly #ab: SparseRowsDraft;
  readonly #c: SparseRowsDraft;

  /** `coefficients`: the key's section without its count. */
  constructor(shape: PackShape, r1cs: R1cs, domainSize: number, coefficients: Uint8Array) {
    this.#places = wirePlaces(shape, r1cs.wires);
    this.#ab = new SparseRowsDraft(this.#places, shape.lanes, domainSize, () => exchanged(coefficients));
    this.#c = new SparseRowsDraft(this.#places, shape.lanes, domainSize, termsOfC(r1cs));
  }

  get bytes(): number {
    return this.#ab.bytes + this.#c.bytes;
  }

  /** `at`: `bytes`, a multiple of 64; `work`: three packs. */
  write(kernels: Kernels, at: number, work: number): Columns {
    return {
      places: this.#places,
      ab: this.#ab.write(kernels, at, work),
      c: this.#c.write(kernels, at + this.#ab.bytes, work),
    };
  }
}

/** One column of every wire to `target` (`columnBytes`), from the cells of the Lagrange values. `work`: three packs. */
export function evaluateColumn(
  kernels: Kernels,
  columns: Columns,
  column: Column,
  cells: number,
  target: number,
  work: number,
): void {
  const rows = column === 'c' ? columns.c : columns.ab;
  const { places } = columns;
  evaluateRows(kernels, rows, column === 'b' ? 1 : 0, cells, target, places.rows * places.packBytes, work);
}

/** Entries with row and wire exchanged. */
function* exchanged(entries: Uint8Array): Generator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_ENTRIES * COEFFICIENT_BYTES);
  const view = viewOf(chunk);
  for (let at = 0; at < entries.length; at += chunk.length) {
    const part = entries.subarray(at, at + chunk.length);
    chunk.set(part);
    for (let entry = 0; entry < part.length; entry += COEFFICIENT_BYTES) {
      const row = view.getUint32(entry + 4, true);
      view.setUint32(entry + 4, view.getUint32(entry + 8, true), true);
      view.setUint32(entry + 8, row, true);
    }
    yield chunk.subarray(0, part.length);
  }
}

/** C's terms as such entries, of matrix 0. */
function termsOfC(r1cs: R1cs): CoefficientChunks {
  const stored = new Map<bigint, bigint>();
  return function* () {
    const chunk = new Uint8Array(CHUNK_ENTRIES * COEFFICIENT_BYTES);
    const [rows, entries] = [viewOf(r1cs.rows), viewOf(chunk)];
    let to = 0;
    for (let row = 0, at = 0; row < r1cs.constraints; row++) {
      for (const _ of ['a', 'b']) at += 4 + rows.getUint32(at, true) * TERM_BYTES;
      const end = at + 4 + rows.getUint32(at, true) * TERM_BYTES;
      for (at += 4; at < end; at += TERM_BYTES) {
        const value = readInteger(rows, at + 4);
        let product = stored.get(value);
        if (product === undefined) {
          product = coefficientToStored(value);
          if (stored.size < DISTINCT_MAX) stored.set(value, product);
        }
        entries.setUint32(to + 4, rows.getUint32(at, true), true);
        entries.setUint32(to + 8, row, true);
        writeInteger(entries, to + 12, product);
        to += COEFFICIENT_BYTES;
        if (to < chunk.length) continue;
        yield chunk;
        to = 0;
      }
    }
    if (to > 0) yield chunk.subarray(0, to);
  };
}
