/**
 * From a witness to the scalars of a proving key's H points.
 *
 * Groth16 (eprint 2016/260) needs h = (A B - C) / Z with A, B, C the polynomials whose values on the domain are the
 * rows' values, and Z = X^N - 1. snarkjs's H points are [L'_i(tau) / delta] for the Lagrange basis L' of the odd points
 * of the doubled domain, where Z is -2: its scalars are the values of A B - C there, and the factor is in the points.
 *
 *   evaluate A w and B w; C is their product, row by row, as the key has no C
 *   each of the three: inverse transform, forward transform to the odd points
 *   A' B' - N C' and 1 / N^2, where A', B', C' are N times too large as no transform divided by N
 *
 * Six transforms: C is the remainder of A B by Z, and on the odd points that is not to be had from A and B alone.
 * With the r1cs at hand C is linear in the witness, and its two transforms could be folded into the C points.
 */
import type { ZkeyHeader } from '../../formats/index.ts';
import type { Kernels } from '../../kernels/index.ts';
import { Fr } from '../../reference/index.ts';
import { arrayBytes, DOMAIN_WORK_PACKS, type Domain, type DomainOptions, layOutDomain, writeDomain } from './domain.ts';
import {
  AddressCounter,
  aligned,
  copyBytes,
  type PackShape,
  WORDS_BYTES,
  writePack,
  writePlainPack,
} from './kernel-memory.ts';
import {
  type CoefficientChunks,
  evaluateRows,
  type SparseRows,
  SparseRowsDraft,
  wireCellsBytes,
  writeWireCells,
} from './sparse-rows.ts';
import { cosetTransform, inverseTransform, transformWorkPacks } from './transform.ts';

/** What is read-only and in shared memory, as plain data: it crosses to threads by structured clone. */
export interface QuotientPlan {
  readonly domain: Domain;
  readonly rows: SparseRows;
  /** Packs of N, in Montgomery form, and of 1 / N^2, plain. */
  readonly joinScale: number;
  readonly joinFactor: number;
  /** The work area that `computeHScalars` and its steps need. */
  readonly workBytes: number;
}

/** Packs of scratch that each vector has for itself, so that threads may share the work. */
const scratchPacks = (lanes: number): number => Math.max(transformWorkPacks(lanes), 3);

/** Sizes first, then, once there is memory, the plan itself. */
export class QuotientDraft {
  readonly #shape: PackShape;
  readonly #domainSize: number;
  readonly #options: DomainOptions;
  readonly #rows: SparseRowsDraft;
  readonly #domainBytes: number;
  readonly #wires: number;

  /** `coefficients`: entries of the key's section, without its count. Throws `zkey_invalid` where one is out of range. */
  constructor(
    shape: PackShape,
    header: Pick<ZkeyHeader, 'domainSize' | 'wires'>,
    coefficients: CoefficientChunks,
    options: DomainOptions = {},
  ) {
    this.#shape = shape;
    this.#domainSize = header.domainSize;
    this.#wires = header.wires;
    this.#options = options;
    const { domain, bytes } = layOutDomain(shape, header.domainSize, 0, options);
    this.#domainBytes = bytes;
    this.#rows = new SparseRowsDraft(domain, shape.lanes, header.wires, coefficients);
  }

  /** Read-only memory for the plan. */
  get planBytes(): number {
    return this.#domainBytes + this.#rows.bytes + 2 * aligned(this.#shape.packBytes);
  }

  /** Memory for each one that computes; writing the plan needs less. */
  get workBytes(): number {
    const { domain } = layOutDomain(this.#shape, this.#domainSize, 0, this.#options);
    const writing = DOMAIN_WORK_PACKS * this.#shape.packBytes;
    return Math.max(layOutWork(domain, this.#shape, this.#wires, 0).end, writing);
  }

  /** `at`: `planBytes`, a multiple of 64; `work`: `workBytes`. */
  write(kernels: Kernels, at: number, work: number): QuotientPlan {
    const { domain, bytes } = layOutDomain(this.#shape, this.#domainSize, at, this.#options);
    writeDomain(kernels, domain, work);
    const addresses = new AddressCounter(at + bytes);
    const rows = this.#rows.write(kernels, addresses.take(this.#rows.bytes), work);
    const plan: QuotientPlan = {
      domain,
      rows,
      joinScale: addresses.take(this.#shape.packBytes),
      joinFactor: addresses.take(this.#shape.packBytes),
      workBytes: this.workBytes,
    };
    const n = BigInt(domain.size);
    writePack(kernels, plan.joinScale, [n], work);
    writePlainPack(kernels, plan.joinFactor, [Fr.inverse(n * n)], work);
    return plan;
  }
}

/** The entries of a key's coefficient section, as a view. */
export const coefficientEntries =
  (section: Uint8Array): CoefficientChunks =>
  () => [section.subarray(4)];

type QuotientVector = 'a' | 'b' | 'c';

interface Work {
  readonly vectors: Readonly<Record<QuotientVector, number>>;
  readonly scratch: Readonly<Record<QuotientVector, number>>;
  /** The witness, until C takes its place. */
  readonly cells: number;
  readonly end: number;
}

function layOutWork(domain: Domain, shape: PackShape, wires: number, at: number): Work {
  const addresses = new AddressCounter(at);
  // A pack behind each array takes what lanes without a row yield.
  const array = arrayBytes(domain) + shape.packBytes;
  const scratch = scratchPacks(shape.lanes) * shape.packBytes;
  const [a, b] = [addresses.take(array), addresses.take(array)];
  const c = addresses.take(Math.max(array, wireCellsBytes(wires, shape.lanes)));
  return {
    vectors: { a, b, c },
    cells: c,
    scratch: { a: addresses.take(scratch), b: addresses.take(scratch), c: addresses.take(scratch) },
    end: addresses.end,
  };
}

const workOf = (kernels: Kernels, plan: QuotientPlan, at: number): Work =>
  layOutWork(plan.domain, kernels, plan.rows.wires, at);

/** `witness`: words of all wires, each below r. `out`: words, one for each of N scalars. `work`: `plan.workBytes`. */
export function computeHScalars(
  kernels: Kernels,
  plan: QuotientPlan,
  witness: number,
  out: number,
  work: number,
): void {
  loadWitness(kernels, plan, witness, work);
  evaluateMatrix(kernels, plan, 'a', work);
  evaluateMatrix(kernels, plan, 'b', work);
  multiplyMatrices(kernels, plan, work);
  for (const vector of ['a', 'b', 'c'] as const) moveToOddPoints(kernels, plan, vector, work);
  joinHScalars(kernels, plan, out, work);
}

function loadWitness(kernels: Kernels, plan: QuotientPlan, witness: number, work: number): void {
  const { cells, scratch } = workOf(kernels, plan, work);
  writeWireCells(kernels, plan.rows.wires, witness, cells, scratch.a);
}

function evaluateMatrix(kernels: Kernels, plan: QuotientPlan, matrix: 'a' | 'b', work: number): void {
  const { cells, scratch, vectors } = workOf(kernels, plan, work);
  const bytes = arrayBytes(plan.domain);
  evaluateRows(kernels, plan.rows, matrix === 'a' ? 0 : 1, cells, vectors[matrix], bytes, scratch[matrix]);
}

function multiplyMatrices(kernels: Kernels, plan: QuotientPlan, work: number): void {
  const { a, b, c } = workOf(kernels, plan, work).vectors;
  kernels.exports.fr_mul_n(c, a, b, plan.domain.rows * plan.domain.rowPacks);
}

function moveToOddPoints(kernels: Kernels, plan: QuotientPlan, vector: QuotientVector, work: number): void {
  const { vectors, scratch } = workOf(kernels, plan, work);
  inverseTransform(kernels, plan.domain, vectors[vector], scratch[vector]);
  cosetTransform(kernels, plan.domain, vectors[vector], scratch[vector]);
}

function joinHScalars(kernels: Kernels, plan: QuotientPlan, out: number, work: number): void {
  const { domain, joinScale, joinFactor } = plan;
  const { vectors, scratch } = workOf(kernels, plan, work);
  const join = (target: number, stride: number, pack: number, count: number): void => {
    const [a, b, c] = [vectors.a, vectors.b, vectors.c].map((vector) => vector + pack * domain.packBytes) as [
      number,
      number,
      number,
    ];
    kernels.exports.fr_ntt_join_row(target, stride, a, b, c, joinScale, joinFactor, count);
  };
  if (domain.lanes === 1) {
    for (let i = 0; i < domain.size; i++) {
      join(scratch.a, WORDS_BYTES, i, 1);
      copyBytes(kernels.memory, out + i * WORDS_BYTES, scratch.a, WORDS_BYTES);
    }
    return;
  }
  for (let row = 0; row < domain.rows; row++) {
    const target = out + row * domain.rowSize * WORDS_BYTES;
    join(target, domain.rowPacks * WORDS_BYTES, row * domain.rowPacks, domain.rowPacks);
  }
}
