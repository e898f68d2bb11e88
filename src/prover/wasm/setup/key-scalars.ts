/**
 * From constraints and trapdoor to the scalars of a proving key, on the kernels: the quadratic arithmetic program at tau.
 *
 * The layout is snarkjs's (formats/zkey.ts); the same in BigInt, and the oracle of this, is setup/qap.ts. The kernels'
 * memory is the caller's alone while this runs: it grows as it must, and everything that it holds afterwards is as
 * secret as the trapdoor. No BigInt is made of a secret.
 */
import { invariant } from '../../../common/index.ts';
import { type R1cs, SCALAR_BYTES } from '../../formats/index.ts';
import { FIELD_CELL_STRIDE, type Kernels, RESERVED_BYTES } from '../../kernels/index.ts';
import { Fr, rootOfUnity } from '../../reference/index.ts';
import { MemoryRegions } from '../memory-regions.ts';
import { clearBytes, WORDS_BYTES, writePack } from '../quotient/kernel-memory.ts';
import { type Column, ColumnsDraft, columnBytes, evaluateColumn, wirePlaces } from './columns.ts';
import { type Coset, LAGRANGE_WORK_PACKS, lagrangePacks, writeLagrange } from './lagrange.ts';

/** 3 GiB: a circuit that needs more is beyond a one-party set-up long before. */
const MEMORY_BYTES_MAX = 3 * 1024 ** 3;

/** In the order in which they stand in memory, 32 bytes little-endian each. */
export const TRAPDOOR_FIELDS = ['tau', 'alpha', 'beta', 'gamma', 'delta'] as const;
export type TrapdoorField = (typeof TRAPDOOR_FIELDS)[number];

export interface KeyCounts {
  /** alpha, beta, delta, then IC, A, B1, C, H. */
  readonly g1: number;
  /** beta, gamma, delta, then B2. */
  readonly g2: number;
}

export function keyCounts(r1cs: Pick<R1cs, 'wires'>, domainSize: number): KeyCounts {
  // IC and C together have one a wire.
  return { g1: 3 + 3 * r1cs.wires + domainSize, g2: 3 + r1cs.wires };
}

export interface KeyCircuit {
  readonly r1cs: R1cs;
  readonly domainSize: number;
  /** The key's section of that name, its count included: A's and B's terms, and the rows of the public wires. */
  readonly coefficients: Uint8Array;
}

/** Where the scalars go, 32 bytes little-endian each, in the order of `KeyCounts`. */
export interface KeyScalars {
  readonly g1: Uint8Array;
  readonly g2: Uint8Array;
}

/** `trapdoor`: TRAPDOOR_FIELDS. Throws `overloaded` when the system has not enough memory. */
export function computeKeyScalars(kernels: Kernels, circuit: KeyCircuit, trapdoor: Uint8Array, out: KeyScalars): void {
  const counts = keyCounts(circuit.r1cs, circuit.domainSize);
  invariant(
    out.g1.length === counts.g1 * SCALAR_BYTES && out.g2.length === counts.g2 * SCALAR_BYTES,
    'the scalars of a key have as many places as it has points',
  );
  new ScalarMaker(kernels, circuit, trapdoor).write(out);
}

class ScalarMaker {
  readonly #kernels: Kernels;
  readonly #circuit: KeyCircuit;
  readonly #regions: MemoryRegions;
  readonly #trapdoor: Uint8Array;
  readonly #secrets: Readonly<Record<TrapdoorField, number>>;
  readonly #work: number;
  /** Words of as many elements as the longest list has, in whole packs. */
  readonly #words: number;

  constructor(kernels: Kernels, circuit: KeyCircuit, trapdoor: Uint8Array) {
    this.#kernels = kernels;
    this.#circuit = circuit;
    this.#trapdoor = trapdoor;
    this.#regions = new MemoryRegions(kernels.memory, RESERVED_BYTES, MEMORY_BYTES_MAX);
    this.#work = this.#packs(LAGRANGE_WORK_PACKS);
    const longest = Math.max(circuit.r1cs.wires, circuit.domainSize, TRAPDOOR_FIELDS.length) + kernels.lanes;
    this.#words = this.#take(longest * WORDS_BYTES);
    this.#bytes.set(trapdoor, this.#words);
    const secret = (field: TrapdoorField): number => {
      const pack = this.#packs(1);
      const at = this.#words + TRAPDOOR_FIELDS.indexOf(field) * WORDS_BYTES;
      kernels.exports.fr_read(pack, at, 0, kernels.element('fr_plain'));
      return pack;
    };
    this.#secrets = {
      tau: secret('tau'),
      alpha: secret('alpha'),
      beta: secret('beta'),
      gamma: secret('gamma'),
      delta: secret('delta'),
    };
  }

  write({ g1, g2 }: KeyScalars): void {
    const { r1cs, domainSize } = this.#circuit;
    const { wires, publics } = r1cs;
    const to1 = appender(g1);
    const to2 = appender(g2);
    for (const field of ['alpha', 'beta', 'delta'] as const) to1(this.#plain(field));
    for (const field of ['beta', 'gamma', 'delta'] as const) to2(this.#plain(field));

    const columns = this.#columns();
    const ofWires = (array: number): Uint8Array => this.#wordsOf(array, wires);
    const combined = this.#combine(columns);
    const scaled = this.#take(columnBytes(this.#kernels, wires));
    this.#scale(scaled, combined, this.#inverse('gamma'));
    to1(ofWires(scaled).subarray(0, (publics + 1) * WORDS_BYTES));
    to1(ofWires(columns.a));
    const b = ofWires(columns.b);
    to1(b);
    to2(b);
    const inverseDelta = this.#inverse('delta');
    this.#scale(scaled, combined, inverseDelta);
    to1(ofWires(scaled).subarray((publics + 1) * WORDS_BYTES));

    // snarkjs's H points are over the odd points of the doubled domain, and tau^2n - 1 vanishes on all of it.
    const odd: Coset = { size: domainSize, shift: rootOfUnity(2 * domainSize) };
    const h = this.#packs(lagrangePacks(odd, this.#kernels.lanes));
    const scale = this.#vanishing(2 * domainSize);
    this.#kernels.exports.fr_mul(scale, scale, inverseDelta);
    writeLagrange(this.#kernels, odd, this.#secrets.tau, scale, h, this.#work);
    to1(this.#wordsOf(h, domainSize));
  }

  /** A, B and C of every wire. */
  #columns(): Readonly<Record<Column, number>> {
    const { r1cs, domainSize, coefficients } = this.#circuit;
    const { exports: kernel, lanes, packBytes, memory } = this.#kernels;
    const domain: Coset = { size: domainSize, shift: 1n };
    const values = this.#packs(lagrangePacks(domain, lanes));
    writeLagrange(this.#kernels, domain, this.#secrets.tau, this.#vanishing(domainSize), values, this.#work);
    // And a cell of zero behind them, to which lanes refer that have fewer terms than others.
    const cells = this.#take((domainSize + lanes) * FIELD_CELL_STRIDE);
    for (let i = 0; i * lanes < domainSize; i++) {
      kernel.fr_spread(cells + i * lanes * FIELD_CELL_STRIDE, values + i * packBytes);
    }
    clearBytes(memory, cells + domainSize * FIELD_CELL_STRIDE, FIELD_CELL_STRIDE);

    const draft = new ColumnsDraft(this.#kernels, r1cs, domainSize, coefficients.subarray(4));
    const columns = draft.write(this.#kernels, this.#take(draft.bytes), this.#work);
    const evaluated = (column: Column): number => {
      const target = this.#take(columnBytes(this.#kernels, r1cs.wires));
      evaluateColumn(this.#kernels, columns, column, cells, target, this.#work);
      return target;
    };
    return { a: evaluated('a'), b: evaluated('b'), c: evaluated('c') };
  }

  /** beta u + alpha v + w, in the place of w. */
  #combine({ a, b, c }: Readonly<Record<Column, number>>): number {
    const { exports: kernel, packBytes } = this.#kernels;
    const { alpha, beta } = this.#secrets;
    const [first, second] = [this.#work, this.#work + packBytes];
    const end = this.#wirePacks * packBytes;
    for (let at = 0; at < end; at += packBytes) {
      kernel.fr_mul(first, a + at, beta);
      kernel.fr_mul(second, b + at, alpha);
      kernel.fr_add(first, first, second);
      kernel.fr_add(c + at, c + at, first);
    }
    return c;
  }

  #scale(target: number, source: number, factor: number): void {
    const { exports: kernel, packBytes } = this.#kernels;
    const end = this.#wirePacks * packBytes;
    for (let at = 0; at < end; at += packBytes) kernel.fr_mul(target + at, source + at, factor);
  }

  /** (tau^size - 1) / size; `size`: a power of two. */
  #vanishing(size: number): number {
    const { exports: kernel, packBytes } = this.#kernels;
    const result = this.#packs(1);
    kernel.fr_mul(result, this.#secrets.tau, this.#kernels.element('fr_one'));
    for (let i = 1; i < size; i *= 2) kernel.fr_sqr(result, result);
    kernel.fr_sub(result, result, this.#kernels.element('fr_one'));
    writePack(this.#kernels, this.#work, [Fr.inverse(BigInt(size))], this.#work + packBytes);
    kernel.fr_mul(result, result, this.#work);
    return result;
  }

  #inverse(field: TrapdoorField): number {
    const result = this.#packs(1);
    this.#kernels.exports.fr_inverse(result, this.#secrets[field], this.#work);
    return result;
  }

  #plain(field: TrapdoorField): Uint8Array {
    const at = TRAPDOOR_FIELDS.indexOf(field) * SCALAR_BYTES;
    return this.#trapdoor.subarray(at, at + SCALAR_BYTES);
  }

  /** The words of the first n elements of an array; good until they are asked for again. */
  #wordsOf(array: number, n: number): Uint8Array {
    const { exports: kernel, lanes, packBytes } = this.#kernels;
    for (let i = 0; i * lanes < n; i++) {
      kernel.fr_write(this.#words + i * lanes * WORDS_BYTES, WORDS_BYTES, array + i * packBytes);
    }
    return this.#bytes.subarray(this.#words, this.#words + n * WORDS_BYTES);
  }

  get #wirePacks(): number {
    return wirePlaces(this.#kernels, this.#circuit.r1cs.wires).rows;
  }

  get #bytes(): Uint8Array {
    return new Uint8Array(this.#kernels.memory.buffer);
  }

  #packs(count: number): number {
    return this.#take(count * this.#kernels.packBytes);
  }

  #take(bytes: number): number {
    return this.#regions.take(bytes).at;
  }
}

/** Puts lists one behind the other. */
function appender(into: Uint8Array): (bytes: Uint8Array) => void {
  let at = 0;
  return (bytes) => {
    into.set(bytes, at);
    at += bytes.length;
  };
}
