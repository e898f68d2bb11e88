/** Points with known logarithms, scalars of every awkward kind, and sums over tables of them. */
import { R } from '../../src/common/index.ts';
import { g1ToMontgomery, g2ToMontgomery } from '../../src/prover/formats/field-bytes.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import { RESERVED_BYTES } from '../../src/prover/kernels/index.ts';
import { G1, type G1Point, G2, type G2Point } from '../../src/prover/reference/index.ts';
import {
  buildTableSlice,
  buildWorkBytes,
  finitePoints,
  type GroupName,
  type PlainPoint,
  type PointTable,
  placeTable,
  type TableShape,
  tableBytes,
} from '../../src/prover/wasm/index.ts';

/** The point of logarithm k to the generator, for small k and -k, from a list that grows by additions. */
class Multiples<P> {
  readonly #known: P[];
  readonly #add: (p: P) => P;
  readonly #neg: (p: P) => P;
  constructor(infinity: P, add: (p: P) => P, neg: (p: P) => P) {
    this.#known = [infinity];
    this.#add = add;
    this.#neg = neg;
  }
  of(k: number): P {
    while (this.#known.length <= Math.abs(k)) this.#known.push(this.#add(this.#known.at(-1) as P));
    const point = this.#known[Math.abs(k)] as P;
    return k < 0 ? this.#neg(point) : point;
  }
}

const multiples = {
  g1: new Multiples<G1Point>(null, (p) => G1.add(p, G1.generator), G1.neg),
  g2: new Multiples<G2Point>(null, (p) => G2.add(p, G2.generator), G2.neg),
};

/** A zkey's section of the points with these logarithms; 0 is infinity. */
function section(group: GroupName, logarithms: readonly number[]): Uint8Array {
  return group === 'g1'
    ? g1ToMontgomery(logarithms.map((k) => multiples.g1.of(k)))
    : g2ToMontgomery(logarithms.map((k) => multiples.g2.of(k)));
}

const g1Plain = (p: G1Point): PlainPoint | null => (p === null ? null : { x: [p.x], y: [p.y] });
const g2Plain = (p: G2Point): PlainPoint | null => (p === null ? null : { x: [p.x.c0, p.x.c1], y: [p.y.c0, p.y.c1] });

/** The sum of scalar times point, by logarithms: one product of the reference's. */
export function expectedSum(
  group: GroupName,
  logarithms: readonly number[],
  scalars: readonly bigint[],
): PlainPoint | null {
  const sum = logarithms.reduce((total, k, i) => total + BigInt(k) * (scalars[i] as bigint), 0n);
  const log = ((sum % R) + R) % R;
  return group === 'g1' ? g1Plain(G1.multiply(G1.generator, log)) : g2Plain(G2.multiply(G2.generator, log));
}

/** The same by the definition. */
export function plainSum(
  group: GroupName,
  logarithms: readonly number[],
  scalars: readonly bigint[],
): PlainPoint | null {
  return group === 'g1'
    ? g1Plain(
        G1.multiplySum(
          logarithms.map((k) => multiples.g1.of(k)),
          scalars,
        ),
      )
    : g2Plain(
        G2.multiplySum(
          logarithms.map((k) => multiples.g2.of(k)),
          scalars,
        ),
      );
}

/** Addresses handed out one behind another. */
export class Bump {
  next = RESERVED_BYTES;
  take(bytes: number): number {
    const here = this.next;
    this.next += Math.ceil(bytes / 64) * 64;
    return here;
  }
}

export function writeScalars(kernels: Kernels, at: number, scalars: readonly bigint[]): void {
  const view = new DataView(kernels.memory.buffer);
  scalars.forEach((scalar, i) => {
    for (let word = 0; word < 4; word++) {
      view.setBigUint64(at + 32 * i + 8 * word, BigInt.asUintN(64, scalar >> BigInt(64 * word)), true);
    }
  });
}

/** Built in `slices` parts. */
export function tableOf(
  kernels: Kernels,
  bump: Bump,
  shape: TableShape,
  logarithms: readonly number[],
  slices = 1,
): PointTable {
  const bytes = section(shape.group, logarithms);
  const indices = finitePoints(shape.group, bytes);
  const table = placeTable(kernels, shape, indices, bump.take(tableBytes(kernels, shape, indices.length)));
  const work = bump.take(buildWorkBytes(kernels, shape.group));
  for (let s = 0; s < slices; s++) {
    const [from, to] = [s, s + 1].map((part) => Math.floor((part * indices.length) / slices)) as [number, number];
    buildTableSlice(kernels, table, bytes, from, to, work);
  }
  return table;
}
