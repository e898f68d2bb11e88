/** A kernel instance with room to work in, and operands in and out of lanes. */
import { type Kernels, RESERVED_BYTES } from '../../src/prover/kernels/index.ts';
import {
  adversarialLimbs,
  FIELD_CASES,
  FIELDS,
  floatOf,
  inverseOfR,
  keepsTo,
  type Limbs,
  QUADRATIC_CASES,
  type Size,
} from './kernel-cases.ts';

type Call = (...args: readonly number[]) => void;

export class KernelBed {
  readonly kernels: Kernels;
  readonly #view: DataView;

  constructor(kernels: Kernels) {
    this.kernels = kernels;
    this.#view = new DataView(kernels.memory.buffer);
  }

  /** The address of operand i, with room for an element of Fq2. */
  slot(i: number): number {
    return RESERVED_BYTES + 4096 + i * 2 * this.kernels.packBytes;
  }

  putLimbs(at: number, lanes: readonly Limbs[]): void {
    lanes.forEach(({ patterns }, lane) => {
      patterns.forEach((bits, i) => {
        this.#view.setBigUint64(at + 8 * (i * this.kernels.lanes + lane), bits, true);
      });
    });
  }

  /** The limbs in each lane, as they stand in memory. */
  patterns(at: number): bigint[][] {
    const { lanes, tier, packBytes } = this.kernels;
    const count = tier === 'int2' ? 9 : 5;
    if (8 * count * lanes !== packBytes) throw new Error(`a pack of ${packBytes} bytes is not ${count} limbs`);
    return Array.from({ length: lanes }, (_, lane) =>
      Array.from({ length: count }, (_limb, i) => this.#view.getBigUint64(at + 8 * (i * lanes + lane), true)),
    );
  }

  /** The integer values of the limbs in each lane. */
  values(at: number): bigint[] {
    const [bits, read] = this.kernels.tier === 'int2' ? [29n, (limb: bigint) => limb] : [51n, wholeFloat];
    return this.patterns(at).map((limbs) => limbs.reduceRight((value, limb) => (value << bits) + read(limb), 0n));
  }

  call(name: string, ...args: readonly number[]): void {
    const kernel = (this.kernels.exports as unknown as Record<string, Call | undefined>)[name];
    if (!kernel) throw new Error(`there is no kernel ${name}`);
    kernel(...args);
  }
}

const wholeFloat = (bits: bigint): bigint => BigInt(floatOf(bits));

const residue = (x: bigint, p: bigint): bigint => ((x % p) + p) % p;

/** Numbers below 2^32, by multiplication and mixing (Mulberry32): a million operands are drawn, not a few. */
function quickRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export interface FuzzReport {
  /** Elements checked, by kernel. */
  readonly checked: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

/** Operands of each size that one kernel takes at most. */
const HAND = { stored: 2, reduced: 3 } as const;

/**
 * `cases` elements through each kernel of each field, with limbs at the edges of their bounds; results must keep
 * to theirs. What was drawn goes
 * through all kernels of its field: drawing costs more than computing. `wanted`: only kernels of these names.
 */
export function fuzzKernels(
  kernels: Kernels,
  cases: number,
  seed: number,
  wanted: (name: string) => boolean = () => true,
): FuzzReport {
  const random = quickRandom(seed);
  const bed = new KernelBed(kernels);
  const { lanes } = kernels;
  const checked: Record<string, number> = {};
  const wrong: string[] = [];
  const draw = (modulus: bigint, size: Size): Limbs[] =>
    Array.from({ length: lanes }, () => adversarialLimbs(kernels, modulus, size, random));
  const drawSome = (modulus: bigint, size: Size, count: number): Limbs[][] =>
    Array.from({ length: count }, () => draw(modulus, size));
  const compare = (name: string, at: number, expected: readonly bigint[], modulus: bigint, size: Size): void => {
    const limbs = bed.patterns(at);
    bed.values(at).forEach((value, lane) => {
      checked[name] = (checked[name] ?? 0) + 1;
      if (residue(value - (expected[lane] as bigint), modulus) !== 0n) wrong.push(`${name}, lane ${lane}`);
      if (!keepsTo(kernels, modulus, size, limbs[lane] as bigint[])) wrong.push(`${name}, lane ${lane}: too large`);
    });
  };

  for (const [field, modulus] of FIELDS) {
    const inverseR = inverseOfR(kernels, modulus);
    for (let done = 0; done < cases; done += lanes) {
      const hand = {
        stored: drawSome(modulus, 'stored', HAND.stored),
        reduced: drawSome(modulus, 'reduced', HAND.reduced),
      };
      for (const { kernel, operands, result, expected } of FIELD_CASES) {
        const name = `${field}_${kernel}`;
        if (!wanted(name)) continue;
        const taken = { stored: 0, reduced: 0 };
        const drawn = operands.map((size) => hand[size][taken[size]++] as Limbs[]);
        drawn.forEach((limbs, i) => {
          bed.putLimbs(bed.slot(i + 1), limbs);
        });
        bed.call(name, bed.slot(0), ...operands.map((_, i) => bed.slot(i + 1)));
        const byLane = Array.from({ length: lanes }, (_, lane) =>
          expected(
            drawn.map((limbs) => (limbs[lane] as Limbs).value),
            inverseR,
          ),
        );
        compare(name, bed.slot(0), byLane, modulus, result);
      }
    }
  }

  const [, modulus] = FIELDS[0];
  const inverseR = inverseOfR(kernels, modulus);
  for (let done = 0; done < cases; done += lanes) {
    const hand = drawSome(modulus, 'reduced', 8);
    for (const { kernel, operands, expected } of QUADRATIC_CASES) {
      const name = `fq2_${kernel}`;
      if (!wanted(name)) continue;
      const drawn = Array.from(
        { length: operands },
        (_, i) => [hand[2 * i] as Limbs[], hand[2 * i + 1] as Limbs[]] as const,
      );
      drawn.forEach(([real, imaginary], i) => {
        bed.putLimbs(bed.slot(i + 1), real);
        bed.putLimbs(bed.slot(i + 1) + kernels.packBytes, imaginary);
      });
      bed.call(name, bed.slot(0), ...drawn.map((_, i) => bed.slot(i + 1)));
      const byLane = Array.from({ length: lanes }, (_, lane) =>
        expected(
          drawn.map(([real, imaginary]) => [(real[lane] as Limbs).value, (imaginary[lane] as Limbs).value] as const),
          inverseR,
        ),
      );
      compare(
        name,
        bed.slot(0),
        byLane.map(([real]) => real),
        modulus,
        'reduced',
      );
      compare(
        name,
        bed.slot(0) + kernels.packBytes,
        byLane.map(([, imaginary]) => imaginary),
        modulus,
        'reduced',
      );
    }
  }
  return { checked, wrong };
}
