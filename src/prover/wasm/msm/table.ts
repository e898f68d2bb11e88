/**
 * Tables of a key's points and their multiples: entry i holds 2^(spacingBits j) P_i for j = 0 .. stored - 1, one behind
 * the other, as the digits of a scalar are read in that order. Points at infinity have no entry; the index of each
 * entry's scalar stands behind the cells. Everything is an address in the kernels' memory, so a table built by several
 * threads, slice by slice, is the same to all.
 */
import { ZkraftError } from '../../../common/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { align, batchFunctions, GROUPS, type GroupName, pointBytes, referenceTo } from './groups.ts';
import { type TableShape, tableBytes } from './plan.ts';
import { BATCH, kernelWorkBytes } from './slot-batch.ts';

export interface PointTable extends TableShape {
  /** Entries: finite points. */
  readonly points: number;
  readonly at: number;
  readonly indicesAt: number;
}

/** Which points of a zkey's section are finite. */
export function finitePoints(group: GroupName, section: Uint8Array): Uint32Array {
  const { fileBytes } = GROUPS[group];
  const count = Math.floor(section.length / fileBytes);
  const finite = new Uint32Array(count);
  let n = 0;
  for (let i = 0; i < count; i++) {
    let at = i * fileBytes;
    const end = at + fileBytes;
    while (at < end && section[at] === 0) at++;
    if (at < end) finite[n++] = i;
  }
  return finite.slice(0, n);
}

/** Takes `tableBytes` at `at`, a multiple of 16, and notes the indices there. The cells are filled by slices. */
export function placeTable(kernels: Kernels, shape: TableShape, indices: Uint32Array, at: number): PointTable {
  const { group, spacingBits, stored } = shape;
  const points = indices.length;
  const end = at + tableBytes(kernels, shape, points);
  if (end > kernels.memory.buffer.byteLength) throw new RangeError('the memory is too small for the table');
  const indicesAt = at + points * stored * pointBytes(GROUPS[group], kernels.cellBytes);
  new Uint32Array(kernels.memory.buffer, indicesAt, points).set(indices);
  return { group, spacingBits, stored, points, at, indicesAt };
}

/** Entries `from` to `to` - 1, from the section that the table's indices are of. `workAt`: `buildWorkBytes`. */
export function buildTableSlice(
  kernels: Kernels,
  table: PointTable,
  section: Uint8Array,
  from: number,
  to: number,
  workAt: number,
): void {
  const builder = new SliceBuilder(kernels, table, workAt);
  for (let first = from; first < to; first += BATCH) builder.build(section, first, Math.min(BATCH, to - first));
}

class SliceBuilder {
  readonly #kernels: Kernels;
  readonly #table: PointTable;
  readonly #bytes: Uint8Array;
  readonly #staged: number;
  readonly #list: Uint32Array;
  readonly #nextList: Uint32Array;
  readonly #work: number;
  readonly #filler: Float64Array;
  readonly #freshFiller: Float64Array;
  readonly #indices: Uint32Array;

  constructor(kernels: Kernels, table: PointTable, workAt: number) {
    const { buffer } = kernels.memory;
    const group = GROUPS[table.group];
    this.#kernels = kernels;
    this.#table = table;
    this.#bytes = new Uint8Array(buffer);
    this.#staged = workAt;
    const listAt = workAt + align(BATCH * group.fileBytes);
    this.#list = new Uint32Array(buffer, listAt, BATCH + 4);
    this.#nextList = new Uint32Array(buffer, listAt + align(4 * (BATCH + 4)), BATCH + 4);
    this.#work = listAt + 2 * align(4 * (BATCH + 4));
    const point = pointBytes(group, kernels.cellBytes);
    this.#filler = new Float64Array(buffer, this.#work + kernelWorkBytes(kernels, group), (kernels.lanes * point) / 8);
    this.#freshFiller = this.#filler.slice().fill(0);
    for (let i = 0; i < this.#freshFiller.length; i += (group.parts * kernels.cellBytes) / 8) this.#freshFiller[i] = 1;
    this.#indices = new Uint32Array(buffer, table.indicesAt, table.points);
  }

  build(section: Uint8Array, first: number, n: number): void {
    const { stored, spacingBits, at } = this.#table;
    const group = GROUPS[this.#table.group];
    const { cellBytes, lanes } = this.#kernels;
    const step = pointBytes(group, cellBytes) / 16;
    const functions = batchFunctions(this.#kernels, group);
    for (let i = 0; i < n; i++) {
      this.#list[i] = referenceTo(at) + (first + i) * stored * step;
      const source = (this.#indices[first + i] as number) * group.fileBytes;
      this.#bytes.set(section.subarray(source, source + group.fileBytes), this.#staged + i * group.fileBytes);
    }
    const filled = Math.ceil(n / lanes) * lanes;
    for (let i = n; i < filled; i++) {
      this.#list[i] = referenceTo(this.#filler.byteOffset) + (i - n) * step;
    }
    this.#read(filled);
    for (let j = 1; j < stored; j++) {
      for (let i = 0; i < filled; i++) {
        this.#nextList[i] = (this.#list[i] as number) + (i < n ? step : 0);
      }
      this.#filler.set(this.#freshFiller);
      functions.copy(this.#nextList.byteOffset, this.#list.byteOffset, filled, this.#work);
      this.#list.set(this.#nextList);
      for (let bit = 0; bit < spacingBits; bit++) {
        if (functions.double(this.#list.byteOffset, filled, this.#work) !== 0) {
          throw new ZkraftError('zkey_invalid', 'the zkey has a point outside its group: one of order two', {
            field: 'zkey',
          });
        }
      }
    }
  }

  /** Staged points into the cells of the list; fillers read what lies behind, and are set afterwards. */
  #read(filled: number): void {
    const { lanes, cellBytes, exports } = this.#kernels;
    const { fileBytes, parts } = GROUPS[this.#table.group];
    const factor = this.#kernels.element('fq_snarkjs');
    for (let part = 0; part < 2 * parts; part++) {
      for (let i = 0; i < filled; i += lanes) {
        exports.fq_read(this.#work, this.#staged + i * fileBytes + 32 * part, fileBytes, factor);
        exports.fq_scatter(this.#list.byteOffset + 4 * i, part * cellBytes, this.#work);
      }
    }
  }
}
