import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  batchInverse,
  type Field,
  Fq,
  Fq2,
  type Fq2Element,
  Fq6,
  type Fq6Element,
  Fq12,
  type Fq12Element,
  Fr,
  lagrangeAt,
  power,
  rootOfUnity,
} from '../../src/prover/reference/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const random = new SeededRandom(1);
const fq = () => random.bigintBelow(Fq.modulus);
const fq2 = (): Fq2Element => ({ c0: fq(), c1: fq() });
const fq6 = (): Fq6Element => ({ c0: fq2(), c1: fq2(), c2: fq2() });
const fq12 = (): Fq12Element => ({ c0: fq6(), c1: fq6() });
const edge = (p: bigint) => [0n, 1n, 2n, p - 1n, p - 2n, (p - 1n) / 2n, (p + 1n) / 2n, (1n << 128n) - 1n, 1n << 253n];

function holdsFieldLaws<T>(F: Field<T>, samples: readonly T[]): void {
  for (const a of samples) {
    assert.ok(F.equals(F.add(a, F.neg(a)), F.zero), 'a + (-a) = 0');
    assert.ok(F.equals(F.square(a), F.mul(a, a)), 'square is a product with itself');
    assert.ok(F.equals(F.mul(a, F.one), a), 'one is neutral');
    if (F.isZero(a)) assert.throws(() => F.inverse(a), RangeError);
    else assert.ok(F.equals(F.mul(a, F.inverse(a)), F.one), 'a times its inverse is one');
    for (const b of samples) {
      assert.ok(F.equals(F.mul(a, b), F.mul(b, a)), 'products commute');
      assert.ok(F.equals(F.sub(a, b), F.add(a, F.neg(b))), 'subtraction adds the negative');
      const c = samples[0] as T;
      assert.ok(F.equals(F.mul(F.add(a, b), c), F.add(F.mul(a, c), F.mul(b, c))), 'products distribute');
      assert.ok(F.equals(F.mul(F.mul(a, b), c), F.mul(a, F.mul(b, c))), 'products associate');
    }
  }
}

describe('fields', () => {
  it('the prime fields hold the field laws at their edges and at random', () => {
    for (const F of [Fq, Fr]) {
      const samples = [random.bigintBelow(F.modulus), ...edge(F.modulus), random.bigintBelow(F.modulus)];
      holdsFieldLaws(F, samples);
      for (const a of samples) {
        for (const b of samples) assert.equal(F.mul(a, b), F.create(a * b));
        if (a !== 0n) assert.equal(F.inverse(a), F.pow(a, F.modulus - 2n), 'Euclid agrees with Fermat');
      }
      assert.equal(F.pow(3n, -5n), F.inverse(F.pow(3n, 5n)));
      assert.equal(F.pow(0n, 0n), 1n);
    }
  });

  it('every storey of the tower holds the field laws', () => {
    holdsFieldLaws(Fq2, [
      fq2(),
      fq2(),
      Fq2.zero,
      Fq2.one,
      { c0: 0n, c1: 1n },
      { c0: Fq.modulus - 1n, c1: Fq.modulus - 1n },
    ]);
    holdsFieldLaws(Fq6, [fq6(), fq6(), Fq6.zero, Fq6.one]);
    holdsFieldLaws(Fq12, [fq12(), fq12(), Fq12.zero, Fq12.one]);
  });

  it('the Frobenius maps are q-th powers', () => {
    const a = fq12();
    assert.ok(Fq12.equals(Fq12.frobenius(a), power(Fq12, a, Fq.modulus)));
    const b = fq2();
    assert.ok(Fq2.equals(Fq2.conjugate(b), power(Fq2, b, Fq.modulus)));
    let sixth = a;
    for (let i = 0; i < 6; i++) sixth = Fq12.frobenius(sixth);
    assert.ok(Fq12.equals(sixth, Fq12.conjugate(a)), 'conjugation is the sixth power of Frobenius');
  });

  it('a batch is inverted as if one by one, and its zeros stay zero', () => {
    const values = [0n, ...Array.from({ length: 20 }, fq), 0n, 1n, Fq.modulus - 1n, 0n];
    const inverses = batchInverse(Fq, values);
    values.forEach((value, i) => {
      assert.equal(inverses[i], value === 0n ? 0n : Fq.inverse(value));
    });
    assert.deepEqual(batchInverse(Fq, []), []);
  });
});

describe('Lagrange polynomials', () => {
  it('interpolate: the sum of f(w^i) L_i(tau) is f(tau) for every polynomial below the degree', () => {
    for (const size of [2, 4, 16]) {
      const coefficients = Array.from({ length: size }, () => random.bigintBelow(Fr.modulus));
      const evaluate = (x: bigint) => coefficients.reduceRight((sum, c) => Fr.add(Fr.mul(sum, x), c), 0n);
      const tau = random.bigintBelow(Fr.modulus);
      const w = rootOfUnity(size);
      const sum = lagrangeAt(size, tau).reduce((s, l, i) => Fr.add(s, Fr.mul(l, evaluate(Fr.pow(w, BigInt(i))))), 0n);
      assert.equal(sum, evaluate(tau));
    }
  });

  it('refuse a point of the domain', () => {
    assert.throws(() => lagrangeAt(8, Fr.pow(rootOfUnity(8), 3n)), /lies in the domain/);
  });

  it('stand on roots of unity of exactly the order asked for', () => {
    for (const bits of [1, 2, 13, 28]) {
      const w = rootOfUnity(2 ** bits);
      assert.equal(Fr.pow(w, 2n ** BigInt(bits - 1)), Fr.modulus - 1n);
    }
    for (const size of [0, 3, 2 ** 29, 1.5]) assert.throws(() => rootOfUnity(size), RangeError);
  });
});
