/**
 * A proving key in the form that proofs are made from: tables of its points, the plan of its quotient, and where in the
 * kernels' memory all of it stands. Plain data, so that it crosses to threads and, with its addresses moved, to disk.
 *
 * Three sums make a proof (eprint 2016/260, with snarkjs's key):
 *   a   A = alpha + sum of w_i A_i + r delta                              in G1
 *   b   B = beta + sum of w_i B2_i + s delta                              in G2
 *   c   C = sum of w_i C_i + sum of h_i H_i + r B1 - r s delta + s A      in G1
 * With B1 = beta + sum of w_i B1_i + s delta, r B1 - r s delta is r beta + sum of (r w_i) B1_i: so beta stands behind the
 * B1 points, delta behind the A and B2 points, each with its scalar, and only s A is left to do by itself. Nothing here
 * depends on a witness.
 */
import type { Kernels } from '../../kernels/index.ts';
import {
  GROUPS,
  type GroupName,
  type PointTable,
  planTable,
  type SumShape,
  sumWorkBytes,
  tableBytes,
} from '../msm/index.ts';
import type { QuotientPlan } from '../quotient/index.ts';

export const WORDS_BYTES = 32;
const ALIGNMENT = 128;
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

export const TABLE_NAMES = ['a', 'b1', 'b2', 'c', 'h'] as const;
export type TableName = (typeof TABLE_NAMES)[number];
export const groupOf = (name: TableName): GroupName => (name === 'b2' ? 'g2' : 'g1');

/** Decimal strings, as in snarkjs's JSON: they cross to disk. */
export interface KeyPoints {
  readonly alpha1: readonly [string, string];
  readonly beta2: readonly [readonly [string, string], readonly [string, string]];
}

/** What a first reading of the key tells. */
export interface KeyScan {
  readonly wires: number;
  readonly publics: number;
  readonly domainSize: number;
  readonly points: KeyPoints;
  /** Of each section with what stands behind it: which points are finite. */
  readonly finite: Readonly<Record<TableName, Uint32Array>>;
  readonly quotientBytes: number;
  readonly quotientWorkBytes: number;
}

export interface PreparedCircuit {
  readonly wires: number;
  readonly publics: number;
  readonly domainSize: number;
  readonly points: KeyPoints;
  readonly shapes: { readonly a: SumShape; readonly b: SumShape; readonly c: SumShape };
  readonly tables: Readonly<Record<TableName, PointTable>>;
  readonly quotient: QuotientPlan;
  /** What a proof needs to work in. */
  readonly proof: ProofArea;
}

/** Offsets within a proof's own area: words of the witness with r and s behind it; of r w with r behind it; of H. */
export interface ProofArea {
  readonly witness: number;
  readonly scaled: number;
  readonly quotient: number;
  readonly work: number;
  readonly bytes: number;
}

/** Sizes of everything for a key, before there is memory for it. */
export interface CircuitLayout {
  readonly shapes: PreparedCircuit['shapes'];
  /** Offsets from the circuit's region. */
  readonly tables: Readonly<Record<TableName, number>>;
  readonly quotientAt: number;
  readonly bytes: number;
}

export function layOutCircuit(kernels: Kernels, scan: KeyScan, tableBytesMax: number): CircuitLayout {
  const count = (name: TableName): number => scan.finite[name].length;
  const sizes = { a: count('a'), b: 2 * count('b2'), c: count('b1') + count('c') + count('h') };
  const all = Math.max(1, sizes.a + sizes.b + sizes.c);
  // Each sum's share is its share of the coordinates.
  const shapeOf = (group: GroupName, points: number, share: number): SumShape =>
    planTable(kernels, group, Math.max(1, points), (tableBytesMax * share) / all);
  const shapes = {
    a: shapeOf('g1', sizes.a, sizes.a),
    b: shapeOf('g2', count('b2'), sizes.b),
    c: shapeOf('g1', sizes.c, sizes.c),
  };
  let end = 0;
  const take = (bytes: number): number => {
    const at = end;
    end += aligned(bytes);
    return at;
  };
  const table = (name: TableName, shape: SumShape): number => take(tableBytes(kernels, shape, count(name)));
  return {
    shapes,
    tables: {
      a: table('a', shapes.a),
      b1: table('b1', shapes.c),
      b2: table('b2', shapes.b),
      c: table('c', shapes.c),
      h: table('h', shapes.c),
    },
    quotientAt: take(scan.quotientBytes),
    bytes: end,
  };
}

export const shapeOfTable = (shapes: PreparedCircuit['shapes'], name: TableName): SumShape =>
  name === 'a' ? shapes.a : name === 'b2' ? shapes.b : shapes.c;

/** Where a proof works: the three sums and the quotient take turns in one work area. */
export function proofArea(
  kernels: Kernels,
  scan: Pick<KeyScan, 'wires' | 'domainSize' | 'quotientWorkBytes'>,
  shapes: PreparedCircuit['shapes'],
  points: Readonly<Record<TableName, number>>,
): ProofArea {
  let end = 0;
  const take = (bytes: number): number => {
    const at = end;
    end += aligned(bytes);
    return at;
  };
  const witness = take((scan.wires + 2) * WORDS_BYTES);
  const scaled = take((scan.wires + 1) * WORDS_BYTES);
  const quotient = take(scan.domainSize * WORDS_BYTES);
  const works = [
    scan.quotientWorkBytes,
    sumWorkBytes(kernels, shapes.a, points.a),
    sumWorkBytes(kernels, shapes.b, points.b2),
    sumWorkBytes(kernels, shapes.c, points.b1 + points.c + points.h),
  ];
  const work = take(Math.max(...works));
  return { witness, scaled, quotient, work, bytes: end };
}

/** The same circuit, its region standing elsewhere. */
export function moved(circuit: PreparedCircuit, by: number): PreparedCircuit {
  const table = (name: TableName): PointTable => ({
    ...circuit.tables[name],
    at: circuit.tables[name].at + by,
    indicesAt: circuit.tables[name].indicesAt + by,
  });
  const { domain, rows } = circuit.quotient;
  return {
    ...circuit,
    tables: { a: table('a'), b1: table('b1'), b2: table('b2'), c: table('c'), h: table('h') },
    quotient: {
      ...circuit.quotient,
      domain: {
        ...domain,
        inverse: domain.inverse + by,
        coset: domain.coset + by,
        betweenRows: domain.betweenRows + by,
        inverseScales: domain.inverseScales + by,
        cosetScales: domain.cosetScales + by,
      },
      rows: {
        ...rows,
        coefficients: rows.coefficients + by,
        matrices: rows.matrices.map((matrix) => ({
          ...matrix,
          program: matrix.program + by,
        })) as unknown as typeof rows.matrices,
      },
      joinScale: circuit.quotient.joinScale + by,
      joinFactor: circuit.quotient.joinFactor + by,
    },
  };
}

export const fileBytesOf = (name: TableName): number => GROUPS[groupOf(name)].fileBytes;
