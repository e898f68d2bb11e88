import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { R } from '../../src/common/index.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import { Fr, rootOfUnity } from '../../src/prover/reference/index.ts';
import {
  arrayBytes,
  DOMAIN_WORK_PACKS,
  type Domain,
  layOutDomain,
  placeOf,
  reversedBits,
  writeDomain,
} from '../../src/prover/wasm/quotient/domain.ts';
import { cosetTransform, inverseTransform } from '../../src/prover/wasm/quotient/transform.ts';
import { allKernels, TestMemory } from '../support/kernels.ts';
import { SeededRandom } from '../support/seeded-random.ts';

let modules: readonly Kernels[];
before(async () => {
  modules = await allKernels();
});

/** The sum of x_i w^(i j) for each j, by definition. */
function naive(x: readonly bigint[], w: bigint): bigint[] {
  return x.map((_, j) => {
    const wj = Fr.pow(w, BigInt(j));
    let [sum, power] = [0n, 1n];
    for (const value of x) {
      sum += value * power;
      power = Fr.mul(power, wj);
    }
    return Fr.create(sum);
  });
}

/** The same by halves, for what the definition takes too long for. */
function fast(x: readonly bigint[], w: bigint): bigint[] {
  if (x.length === 1) return [...x];
  const half = (parity: number): bigint[] =>
    fast(
      x.filter((_, i) => i % 2 === parity),
      Fr.mul(w, w),
    );
  const [even, odd] = [half(0), half(1)];
  const result: bigint[] = new Array(x.length);
  let power = 1n;
  even.forEach((value, i) => {
    const term = Fr.mul(power, odd[i] as bigint);
    result[i] = Fr.add(value, term);
    result[i + even.length] = Fr.sub(value, term);
    power = Fr.mul(power, w);
  });
  return result;
}

class Transforms {
  readonly domain: Domain;
  readonly #kernels: Kernels;
  readonly #memory: TestMemory;
  readonly #array: number;
  readonly #work: number;
  readonly #words: number;

  constructor(kernels: Kernels, size: number, rowMax?: number) {
    this.#kernels = kernels;
    this.#memory = new TestMemory(kernels);
    const options = rowMax === undefined ? {} : { rowMax };
    const at = this.#memory.take(layOutDomain(kernels, size, 0, options).bytes);
    this.domain = layOutDomain(kernels, size, at, options).domain;
    this.#work = this.#memory.take(DOMAIN_WORK_PACKS * kernels.packBytes);
    this.#array = this.#memory.take(arrayBytes(this.domain));
    this.#words = this.#memory.take(32 * kernels.lanes);
    writeDomain(kernels, this.domain, this.#work);
  }

  load(values: readonly bigint[]): void {
    const { exports: kernel, lanes, memory } = this.#kernels;
    new Uint8Array(memory.buffer, this.#array, arrayBytes(this.domain)).fill(0);
    const view = new DataView(memory.buffer);
    values.forEach((value, i) => {
      this.#memory.put([value], this.#words);
      kernel.fr_read(this.#work, this.#words, 0, this.#kernels.element('fr_plain'));
      for (let limb = 0; limb < this.#kernels.packBytes / (8 * lanes); limb++) {
        const bits = view.getBigUint64(this.#work + 8 * lanes * limb, true);
        view.setBigUint64(this.#array + placeOf(this.domain, i) + 8 * lanes * limb, bits, true);
      }
    });
  }

  /** A product and a sum bring wide elements into the range that writing takes. */
  read(): bigint[] {
    const { exports: kernel, packBytes, lanes, memory } = this.#kernels;
    const bytes = new Uint8Array(memory.buffer);
    const one = this.#kernels.element('fr_one');
    const [element, other] = [this.#work, this.#work + packBytes];
    const packs = new Map<number, bigint[]>();
    return Array.from({ length: this.domain.size }, (_, i) => {
      const place = placeOf(this.domain, i);
      const pack = place - (place % packBytes);
      let values = packs.get(pack);
      if (values === undefined) {
        bytes.copyWithin(element, this.#array + pack, this.#array + pack + packBytes);
        bytes.copyWithin(other, one, one + packBytes);
        kernel.fr_ntt_scale_row(element, other, one, 1);
        bytes.fill(0, other, other + packBytes);
        kernel.fr_ntt_sum_row_tight(element, other, 1);
        kernel.fr_write(this.#words, 32, element);
        values = this.#memory.words(this.#words, lanes);
        packs.set(pack, values);
      }
      return values[(place - pack) / 8] as bigint;
    });
  }

  inverse(): void {
    inverseTransform(this.#kernels, this.domain, this.#array, this.#work);
  }

  coset(): void {
    cosetTransform(this.#kernels, this.domain, this.#array, this.#work);
  }
}

const random = new SeededRandom(7);
const randomValues = (n: number): bigint[] => Array.from({ length: n }, () => random.bigintBelow(R));

/** N times the coefficients in bit-reversed order, and the values on the odd points. */
function expected(values: readonly bigint[], transform: typeof fast): { coefficients: bigint[]; odd: bigint[] } {
  const n = values.length;
  const scaled = transform(values, Fr.inverse(rootOfUnity(n)));
  const g = rootOfUnity(2 * n);
  let power = 1n;
  const shifted = scaled.map((value) => {
    const term = Fr.mul(value, power);
    power = Fr.mul(power, g);
    return term;
  });
  const odd = transform(shifted, rootOfUnity(n));
  const bits = Math.log2(n);
  return { coefficients: scaled.map((_, i) => scaled[reversedBits(i, bits)] as bigint), odd };
}

function check(transforms: Transforms, values: readonly bigint[], oracle: typeof fast): void {
  const { coefficients, odd } = expected(values, oracle);
  transforms.load(values);
  transforms.inverse();
  assert.deepEqual(transforms.read(), coefficients);
  transforms.coset();
  assert.deepEqual(transforms.read(), odd);
}

describe('transforms', () => {
  it('are what the definition says, for all small domains', () => {
    for (const kernels of modules) {
      for (let k = 1; k <= 7; k++) check(new Transforms(kernels, 2 ** k), randomValues(2 ** k), naive);
    }
  });

  it('are right for domains of one row, and of many', () => {
    for (const kernels of modules) {
      for (let k = 8; k <= 10; k++) check(new Transforms(kernels, 2 ** k), randomValues(2 ** k), fast);
      for (const rowMax of [2, 4, 16, 64, 128]) check(new Transforms(kernels, 256, rowMax), randomValues(256), fast);
    }
  });

  it('keep to their bounds for values at the ends of the field', () => {
    for (const kernels of modules) {
      for (const rowMax of [64, 16]) {
        const transforms = new Transforms(kernels, 64, rowMax);
        for (const value of [0n, 1n, R - 1n, (R - 1n) / 2n, (R + 1n) / 2n, (1n << 204n) - 1n, 1n << 253n]) {
          check(transforms, new Array<bigint>(64).fill(value), fast);
          check(
            transforms,
            Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? value : Fr.neg(value))),
            fast,
          );
          for (const hot of [0, 31, 63]) {
            check(
              transforms,
              Array.from({ length: 64 }, (_, i) => (i === hot ? value : 0n)),
              fast,
            );
          }
        }
      }
    }
  });

  it('are the inverse of one another: around the domain twice, from even to odd points and on', () => {
    for (const kernels of modules) {
      const n = 512;
      const transforms = new Transforms(kernels, n, 128);
      const values = randomValues(n);
      transforms.load(values);
      for (let turn = 0; turn < 2; turn++) {
        transforms.inverse();
        transforms.coset();
      }
      // g^2 is the next point of the domain.
      assert.deepEqual(
        transforms.read(),
        values.map((_, i) => Fr.mul(BigInt(n) ** 2n, values[(i + 1) % n] as bigint)),
      );
    }
  });

  it('are right for a domain larger than the largest row, at random points', () => {
    const kernels = modules[random.below(modules.length)] as Kernels;
    const n = 2 ** 15;
    const transforms = new Transforms(kernels, n);
    assert.equal(transforms.domain.rows, 4);
    const hot = random.below(n);
    transforms.load(Array.from({ length: n }, (_, i) => (i === hot ? 5n : 0n)));
    transforms.inverse();
    transforms.coset();
    // 5 L_hot(g w^j) = 5 / N sum over i of (g w^(j - hot))^i, a geometric sum: (-1 - 1) / (g w^(j - hot) - 1).
    const read = transforms.read();
    for (let sample = 0; sample < 50; sample++) {
      const j = random.below(n);
      const ratio = Fr.mul(rootOfUnity(2 * n), Fr.pow(rootOfUnity(n), BigInt((j - hot + n) % n)));
      assert.equal(read[j], Fr.mul(Fr.create(-10n), Fr.inverse(Fr.sub(ratio, 1n))));
    }
  });
});
