/**
 * Preparing a key, in pieces that threads do: the first reading, the plan of the quotient, slices of the tables.
 *
 * The caller owns the memory: it lays the circuit out (circuit.ts), takes a region for it and a work area for each
 * piece, and has every piece done, in any order, before the first proof.
 */
import { readContainer, requireSection } from '../../formats/container.ts';
import { parseZkey, ZKEY_FORMAT } from '../../formats/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { buildTableSlice, buildWorkBytes, type PointTable, placeTable } from '../msm/index.ts';
import { coefficientEntries, QuotientDraft, type QuotientPlan } from '../quotient/index.ts';
import {
  type CircuitLayout,
  type KeyScan,
  type PreparedCircuit,
  proofArea,
  shapeOfTable,
  TABLE_NAMES,
  type TableName,
} from './circuit.ts';
import { keySections, scanKey } from './key-sections.ts';

/** Points that one piece of work covers: some tens of milliseconds. */
const SLICE_POINTS = 1024;

const headerOf = (zkey: Uint8Array): Uint8Array => requireSection(readContainer(zkey, ZKEY_FORMAT), 2, ZKEY_FORMAT);

export const scanZkey = (kernels: Kernels, zkey: Uint8Array): KeyScan => scanKey(kernels, zkey, headerOf(zkey));

/** The tables' places, with their lists of indices written. */
export function placeTables(
  kernels: Kernels,
  scan: KeyScan,
  layout: CircuitLayout,
  at: number,
): PreparedCircuit['tables'] {
  const place = (name: TableName): PointTable =>
    placeTable(kernels, shapeOfTable(layout.shapes, name), scan.finite[name], at + layout.tables[name]);
  return { a: place('a'), b1: place('b1'), b2: place('b2'), c: place('c'), h: place('h') };
}

export interface TableSlice {
  readonly name: TableName;
  readonly table: PointTable;
  readonly from: number;
  readonly to: number;
}

export function tableSlices(tables: PreparedCircuit['tables']): TableSlice[] {
  // G2's slices are the longest: they go first.
  const names = [...TABLE_NAMES].sort((a, b) => Number(b === 'b2') - Number(a === 'b2'));
  return names.flatMap((name) => {
    const table = tables[name];
    const slices = Math.ceil(table.points / SLICE_POINTS);
    return Array.from({ length: slices }, (_, i) => ({
      name,
      table,
      from: i * SLICE_POINTS,
      to: Math.min(table.points, (i + 1) * SLICE_POINTS),
    }));
  });
}

export function buildSlice(kernels: Kernels, zkey: Uint8Array, slice: TableSlice, workAt: number): void {
  const sections = keySections(parseZkey(zkey, { level: 'header' }), headerOf(zkey));
  buildTableSlice(kernels, slice.table, sections.section(slice.name), slice.from, slice.to, workAt);
}

export const sliceWorkBytes = (kernels: Kernels): number =>
  Math.max(buildWorkBytes(kernels, 'g1'), buildWorkBytes(kernels, 'g2'));

/** `at`: `scan.quotientBytes`; `workAt`: `scan.quotientWorkBytes`. */
export function writeQuotient(kernels: Kernels, zkey: Uint8Array, at: number, workAt: number): QuotientPlan {
  const { header, sections } = parseZkey(zkey, { level: 'header' });
  const draft = new QuotientDraft(kernels, header, coefficientEntries(sections.coefficients));
  return draft.write(kernels, at, workAt);
}

export function assembleCircuit(
  kernels: Kernels,
  scan: KeyScan,
  layout: CircuitLayout,
  tables: PreparedCircuit['tables'],
  quotient: QuotientPlan,
): PreparedCircuit {
  const { wires, publics, domainSize, points } = scan;
  const counts = Object.fromEntries(TABLE_NAMES.map((name) => [name, tables[name].points])) as Record<
    TableName,
    number
  >;
  return {
    wires,
    publics,
    domainSize,
    points,
    shapes: layout.shapes,
    tables,
    quotient,
    proof: proofArea(kernels, scan, layout.shapes, counts),
  };
}
