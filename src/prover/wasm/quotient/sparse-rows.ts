/**
 * A proving key's coefficients, arranged so that kernels evaluate A w and B w: the program of generator/qap-kernels.ts.
 *
 * A coefficient v is stored by snarkjs as v 2^512 mod r: its Montgomery factor 2^256 twice, so that one Montgomery
 * product with a plain witness value gives the product in Montgomery form. Ours become cells in our own form; equal ones
 * share a cell (270 for the 19,327 of a depth-20 Merkle key), as long as there are at most DISTINCT_MAX. A coefficient
 * of one or minus one has no cell and costs an addition only; a zero costs nothing.
 *
 * Rows of a matrix are sorted by their numbers of terms, and taken as many at a time as there are lanes, so that little
 * is padded. The rows after the constraints, which bind the public wires, stand among the coefficients like any other.
 *
 * The section is read twice, once to count and once to place, from chunks that may be views of the file: there is no
 * copy of it. In between stand four 32-bit counts for each row of the domain.
 */
import { ZkraftError } from '../../../common/index.ts';
import { COEFFICIENT_BYTES, coefficientToStored, viewOf, writeInteger } from '../../formats/index.ts';
import { FIELD_CELL_STRIDE, type Kernels } from '../../kernels/index.ts';
import { Fr } from '../../reference/index.ts';
import { type Domain, placeOf } from './domain.ts';
import { AddressCounter, aligned, clearBytes, WORDS_BYTES, writeWords } from './kernel-memory.ts';

/** Whole entries of 44 bytes each, in any portions; asked for twice. */
export type CoefficientChunks = () => Iterable<Uint8Array>;

/** Beyond this many values no more equal ones are looked for: what bounds the search's memory. */
const DISTINCT_MAX = 65_536;
/** References count in units of 16 bytes. */
const REFERENCE_SHIFT = FIELD_CELL_STRIDE / 16;
const SIGN = 0x8000_0000;

/** One matrix as written. */
export interface SparseMatrix {
  readonly program: number;
  readonly groups: number;
}

export interface SparseRows {
  readonly matrices: readonly [SparseMatrix, SparseMatrix];
  /** Cells of the coefficients. */
  readonly coefficients: number;
  readonly wires: number;
}

/** Where a row's value goes (`placeOf`): of a domain's order, that is all that counts here. */
export type RowPlaces = Pick<Domain, 'size' | 'rows' | 'rowSize' | 'rowPacks' | 'packBytes'>;

type Kind = 'zero' | 'one' | 'minusOne' | 'product';

const storedBytes = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(WORDS_BYTES);
  writeInteger(viewOf(bytes), 0, coefficientToStored(value));
  return bytes;
};
/** By their first word, which tells them apart from nearly all others at once. */
const SPECIAL: ReadonlyMap<number, readonly [Kind, Buffer]> = new Map(
  (
    [
      ['one', 1n],
      ['minusOne', Fr.modulus - 1n],
      ['zero', 0n],
    ] as const
  ).map(([kind, value]) => {
    const bytes = storedBytes(value);
    return [viewOf(bytes).getUint32(0, true), [kind, Buffer.from(bytes)]];
  }),
);
const NO_VALUE = Buffer.alloc(0);

interface Entry {
  matrix: number;
  row: number;
  wire: number;
  kind: Kind;
  /** As stored, 32 bytes; of products alone. */
  value: Buffer;
}

/** The first pass: how many terms each row has, and where it will stand. */
export class SparseRowsDraft {
  readonly #domain: RowPlaces;
  readonly #wires: number;
  readonly #lanes: number;
  readonly #chunks: CoefficientChunks;
  /** By matrix and row: terms of either kind. */
  readonly #products: Uint32Array;
  readonly #units: Uint32Array;
  #cells = 1;
  /** By matrix: rows in the order in which they will stand. */
  readonly #orders: readonly Uint32Array[];
  readonly #programWords: readonly number[];

  constructor(domain: RowPlaces, lanes: number, wires: number, chunks: CoefficientChunks) {
    this.#domain = domain;
    this.#wires = wires;
    this.#lanes = lanes;
    this.#chunks = chunks;
    this.#products = new Uint32Array(2 * domain.size);
    this.#units = new Uint32Array(2 * domain.size);
    const cells = new CoefficientCells();
    for (const { matrix, row, kind, value } of this.#entries()) {
      const at = matrix * domain.size + row;
      if (kind === 'product') {
        this.#products[at] = (this.#products[at] as number) + 1;
        cells.indexOf(value);
      } else if (kind !== 'zero') {
        this.#units[at] = (this.#units[at] as number) + 1;
      }
    }
    this.#cells = cells.count;
    this.#orders = [this.#order(0), this.#order(1)];
    this.#programWords = this.#orders.map((order, matrix) => {
      let words = 0;
      for (let i = 0; i < order.length; i += lanes) words += this.#groupWords(this.#groupAt(matrix, order, i));
      return words;
    });
  }

  /** Including what rounding costs. */
  get bytes(): number {
    return this.#programWords.reduce((sum, words) => sum + aligned(4 * words), 0) + aligned(this.#cellsBytes);
  }

  /** Coefficients are converted in packs, and the last one may be begun only. */
  get #cellsBytes(): number {
    return (this.#cells + this.#lanes) * FIELD_CELL_STRIDE;
  }

  /** The second pass. `work`: three packs. */
  write(kernels: Kernels, at: number, work: number): SparseRows {
    const addresses = new AddressCounter(at);
    const { size } = this.#domain;
    const coefficients = addresses.take(this.#cellsBytes);
    clearBytes(kernels.memory, coefficients, this.#cellsBytes);
    const programs = this.#programWords.map((words) => addresses.take(4 * words));
    const words = new Uint32Array(kernels.memory.buffer);

    // By matrix and row: where its next product and its next unit go, as indices of `words`.
    const nextProduct = new Uint32Array(2 * size);
    const nextUnit = new Uint32Array(2 * size);
    const nowhere = this.#wires * REFERENCE_SHIFT;
    this.#orders.forEach((order, matrix) => {
      let group = (programs[matrix] as number) / 4;
      for (let i = 0; i < order.length; i += this.#lanes) {
        const { products, units } = this.#groupAt(matrix, order, i);
        words[group] = products;
        words[group + 1] = units;
        const targets = group + 2;
        const first = targets + this.#lanes;
        const end = group + this.#groupWords({ products, units });
        words.fill(nowhere, first, end);
        for (let step = 0; step < products; step++) {
          const wires = first + 2 * this.#lanes * step;
          words.fill(0, wires + this.#lanes, wires + 2 * this.#lanes);
        }
        for (let lane = 0; lane < this.#lanes; lane++) {
          const row = order[i + lane];
          words[targets + lane] = (row === undefined ? this.#spareTarget : placeOf(this.#domain, row)) / 8;
          if (row === undefined) continue;
          nextProduct[matrix * size + row] = first + lane;
          nextUnit[matrix * size + row] = first + 2 * this.#lanes * products + lane;
        }
        group = end;
      }
    });

    const cells = new CoefficientCells();
    const bytes = new Uint8Array(kernels.memory.buffer);
    for (const { matrix, row, wire, kind, value } of this.#entries()) {
      const place = matrix * size + row;
      if (kind === 'product') {
        const cell = cells.indexOf(value);
        // As words for now: a cell has room for them.
        bytes.set(value, coefficients + cell * FIELD_CELL_STRIDE);
        const next = nextProduct[place] as number;
        words[next] = wire * REFERENCE_SHIFT;
        words[next + this.#lanes] = cell * REFERENCE_SHIFT;
        nextProduct[place] = next + 2 * this.#lanes;
      } else if (kind !== 'zero') {
        const next = nextUnit[place] as number;
        words[next] = ((wire * REFERENCE_SHIFT) | (kind === 'minusOne' ? SIGN : 0)) >>> 0;
        nextUnit[place] = next + this.#lanes;
      }
    }
    this.#convert(kernels, coefficients, work);
    const groups = this.#orders.map((order) => Math.ceil(order.length / this.#lanes)) as [number, number];
    return {
      matrices: [
        { program: programs[0] as number, groups: groups[0] },
        { program: programs[1] as number, groups: groups[1] },
      ],
      coefficients,
      wires: this.#wires,
    };
  }

  /** Words in cells to elements in cells, a pack at a time. */
  #convert(kernels: Kernels, cells: number, work: number): void {
    const { exports: kernel, packBytes, lanes, memory } = kernels;
    const [factor, pack, zero] = [work, work + packBytes, work + 2 * packBytes];
    // The stored v 2^512, times 2^-512 R^2, by Montgomery: v R.
    writeWords(memory, pack, Fr.inverse(Fr.pow(2n, 512n)));
    kernel.fr_read(factor, pack, 0, kernels.element('fr_plain'));
    kernel.fr_mul(factor, factor, kernels.element('fr_plain'));
    clearBytes(memory, zero, packBytes);
    kernel.fr_add(factor, factor, zero);
    for (let i = 0; i < this.#cells; i += lanes) {
      const at = cells + i * FIELD_CELL_STRIDE;
      kernel.fr_read(pack, at, FIELD_CELL_STRIDE, factor);
      kernel.fr_spread(at, pack);
    }
  }

  get #spareTarget(): number {
    return this.#domain.rows * this.#domain.rowPacks * this.#domain.packBytes;
  }

  *#entries(): Generator<Entry> {
    const entry: Entry = { matrix: 0, row: 0, wire: 0, kind: 'zero', value: NO_VALUE };
    for (const chunk of this.#chunks()) {
      if (chunk.length % COEFFICIENT_BYTES !== 0) throw new RangeError('a chunk of coefficients ends within an entry');
      const view = viewOf(chunk);
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let at = 0; at < chunk.length; at += COEFFICIENT_BYTES) {
        entry.matrix = view.getUint32(at, true);
        entry.row = view.getUint32(at + 4, true);
        entry.wire = view.getUint32(at + 8, true);
        // They become addresses: whoever did not check the file must not write outside the plan.
        if (entry.matrix > 1 || entry.row >= this.#domain.size || entry.wire >= this.#wires) {
          throw new ZkraftError('zkey_invalid', 'the zkey has a coefficient outside its matrices', { field: 'zkey' });
        }
        const special = SPECIAL.get(view.getUint32(at + 12, true));
        const same =
          special !== undefined && bytes.compare(special[1], 0, undefined, at + 12, at + COEFFICIENT_BYTES) === 0;
        entry.kind = same ? special[0] : 'product';
        entry.value = same ? NO_VALUE : bytes.subarray(at + 12, at + COEFFICIENT_BYTES);
        yield entry;
      }
    }
  }

  #order(matrix: number): Uint32Array {
    const { size } = this.#domain;
    const products = this.#products.subarray(matrix * size, (matrix + 1) * size);
    const units = this.#units.subarray(matrix * size, (matrix + 1) * size);
    const count = products.reduce((sum, n, row) => sum + (n + (units[row] as number) > 0 ? 1 : 0), 0);
    const order = new Uint32Array(count);
    for (let row = 0, i = 0; row < size; row++) {
      if ((products[row] as number) + (units[row] as number) > 0) order[i++] = row;
    }
    const number = (list: Uint32Array, row: number): number => list[row] as number;
    return order.sort(
      (a, b) => number(products, b) - number(products, a) || number(units, b) - number(units, a) || a - b,
    );
  }

  /** Terms that each lane has in the group beginning with the i-th row of an order. */
  #groupAt(matrix: number, order: Uint32Array, i: number): { products: number; units: number } {
    const size = this.#domain.size;
    let [products, units] = [0, 0];
    for (const row of order.subarray(i, i + this.#lanes)) {
      products = Math.max(products, this.#products[matrix * size + row] as number);
      units = Math.max(units, this.#units[matrix * size + row] as number);
    }
    return { products, units };
  }

  #groupWords({ products, units }: { readonly products: number; readonly units: number }): number {
    return 2 + this.#lanes * (1 + 2 * products + units);
  }
}

/** Numbers for distinct values, the same ones whenever the same values are asked for in the same order. Cell 0 is zero. */
class CoefficientCells {
  readonly #known = new Map<string, number>();
  count = 1;
  indexOf(value: Buffer): number {
    const key = value.toString('latin1');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const index = this.count++;
    if (this.#known.size < DISTINCT_MAX) this.#known.set(key, index);
    return index;
  }
}

/** Cells that a witness takes: wires, one of zero, and what the last pack may hold beyond. */
export const wireCellsBytes = (wires: number, lanes: number): number => (wires + lanes) * FIELD_CELL_STRIDE;

/** The witness as cells at `cells`, the one after the last wire being zero. `work`: a pack. */
export function writeWireCells(kernels: Kernels, wires: number, witness: number, cells: number, work: number): void {
  const { exports: kernel, lanes, memory } = kernels;
  const plain = kernels.element('fr_plain');
  const whole = Math.floor(wires / lanes);
  kernel.fr_cells_n(cells, witness, plain, whole, work);
  for (let wire = whole * lanes; wire < wires; wire++) {
    kernel.fr_read(work, witness + wire * WORDS_BYTES, 0, plain);
    kernel.fr_spread(cells + wire * FIELD_CELL_STRIDE, work);
  }
  clearBytes(memory, cells + wires * FIELD_CELL_STRIDE, FIELD_CELL_STRIDE);
}

/** The values of a matrix's rows to the array at `target`, zero where there is none; `work`: three packs. */
export function evaluateRows(
  kernels: Kernels,
  rows: SparseRows,
  matrix: 0 | 1,
  cells: number,
  target: number,
  arrayBytes: number,
  work: number,
): void {
  const { program, groups } = rows.matrices[matrix];
  clearBytes(kernels.memory, target, arrayBytes);
  kernels.exports.fr_qap_rows(program, groups, cells, rows.coefficients, target, work);
}
