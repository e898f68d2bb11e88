import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  type Affine,
  areAllInG2,
  type Curve,
  createFixedBase,
  Fq,
  Fq2,
  Fr,
  G1,
  type G1Point,
  G2,
  type G2Point,
  isInG2,
  windowBitsFor,
} from '../../src/prover/reference/index.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { loadSnarkjs } from '../support/snarkjs-oracle.ts';
import { strayTwistPoint } from '../support/stray-twist-point.ts';

const random = new SeededRandom(2);
const scalar = () => random.bigintBelow(Fr.modulus);
const point = (x: string, y: string): G1Point => ({ x: BigInt(`0x${x}`), y: BigInt(`0x${y}`) });

/** Every pair of these in every way of adding must give the sum of the multipliers. */
function addsCompletely<T>(curve: Curve<T>): void {
  const g = curve.generator;
  const multiples = [0n, 1n, 1n, Fr.modulus - 1n, 2n, Fr.modulus - 2n, 5n];
  const points = multiples.map((k) => curve.multiply(g, k));
  const left: Affine<T>[] = [];
  const right: Affine<T>[] = [];
  const sums: Affine<T>[] = [];
  points.forEach((p, i) => {
    points.forEach((q, j) => {
      const expected = curve.multiply(g, Fr.add(multiples[i] as bigint, multiples[j] as bigint));
      // Jacobian operands with Z != 1, so that equal points look different.
      const scaled = curve.addJacobian(
        curve.addMixed(curve.toJacobian(p), curve.generator),
        curve.toJacobian(curve.neg(g)),
      );
      const said = `${multiples[i]} + ${multiples[j]}`;
      assert.ok(curve.equals(curve.add(p, q), expected), `affine ${said}`);
      assert.ok(
        curve.equals(curve.toAffine(curve.addJacobian(scaled, curve.toJacobian(q))), expected),
        `Jacobian ${said}`,
      );
      assert.ok(curve.equals(curve.toAffine(curve.addMixed(scaled, q)), expected), `mixed ${said}`);
      left.push(p);
      right.push(q);
      sums.push(expected);
    });
  });
  curve.addAffineBatch(left, right).forEach((sum, i) => {
    assert.ok(curve.equals(sum, sums[i] as Affine<T>), `batch ${i}`);
  });
}

describe('groups', () => {
  it('G1 adds and multiplies as the EIP-196 precompiles do', () => {
    assert.deepEqual(
      G1.double(G1.generator),
      point(
        '030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3',
        '15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4',
      ),
    );
    const sum = G1.add(
      point(
        '18b18acfb4c2c30276db5411368e7185b311dd124691610c5d3b74034e093dc9',
        '063c909c4720840cb5134cb9f59fa749755796819658d32efc0d288198f37266',
      ),
      point(
        '07c2b7f58a84bd6145f00c9c2bc0bb1a187f20ff2c92963a88019e7c6a014eed',
        '06614e20c147e940f2d70da3f74c9a17df361706a4485c742bd6788478fa17d7',
      ),
    );
    assert.deepEqual(
      sum,
      point(
        '2243525c5efd4b9c3d3c45ac0ca3fe4dd85e830a4ce6b65fa1eeaee202839703',
        '301d1d33be6da8e509df21cc35964723180eed7532537db9ae5e7d48f195c915',
      ),
    );
    const product = G1.multiply(
      point(
        '2bd3e6d0f3b142924f5ca7b49ce5b9d54c4703d7ae5648e61d02268b1a0a9fb7',
        '21611ce0a6af85915e2f1d70300909ce2e49dfad4a4619c8390cae66cefdb204',
      ),
      0x11138ce750fa15c2n,
    );
    assert.deepEqual(
      product,
      point(
        '070a8d6a982153cae4be29d434e8faef8a47b274a053f5a4ee2a6c9c13c31e5c',
        '031b8ce914eba3a9ffb989f9cdd5b0f01943074bf4f0f315690ec3cec6981afc',
      ),
    );
  });

  it('addition is right for equal, opposite and infinite points, however they are held', () => {
    addsCompletely(G1);
    addsCompletely(G2);
  });

  it('r times any point of a group is infinity, and r + 1 times is the point', () => {
    for (const k of [1n, scalar()]) {
      const p = G1.multiply(G1.generator, k);
      assert.equal(G1.multiply(p, Fr.modulus), null);
      assert.ok(G1.equals(G1.multiply(p, Fr.modulus + 1n), p));
    }
    assert.equal(G2.multiply(G2.generator, Fr.modulus), null);
  });

  it('multiples agree with snarkjs on one thread', async () => {
    const { curves } = await loadSnarkjs();
    const oracle = await curves.getCurveFromName('bn128', { singleThread: true });
    for (const k of [1n, 2n, Fr.modulus - 1n, scalar(), scalar()]) {
      const p = G1.multiply(G1.generator, k);
      assert.deepEqual(oracle.G1.toObject(oracle.G1.toAffine(oracle.G1.timesScalar(oracle.G1.g, k))), [p?.x, p?.y, 1n]);
      const q = G2.multiply(G2.generator, k);
      assert.deepEqual(oracle.G2.toObject(oracle.G2.toAffine(oracle.G2.timesScalar(oracle.G2.g, k))), [
        [q?.x.c0, q?.x.c1],
        [q?.y.c0, q?.y.c1],
        [1n, 0n],
      ]);
    }
  });

  it('a negative scalar is refused, and a sum needs as many scalars as points', () => {
    assert.throws(() => G1.multiply(G1.generator, -1n), RangeError);
    assert.throws(() => G1.multiplySum([G1.generator], []), RangeError);
    assert.ok(
      G1.equals(G1.multiplySum([G1.generator, null, G1.generator], [3n, 9n, 4n]), G1.multiply(G1.generator, 7n)),
    );
  });

  it('a point off the curve is seen', () => {
    assert.ok(G1.isOnCurve(G1.generator) && G2.isOnCurve(G2.generator) && G1.isOnCurve(null));
    assert.ok(!G1.isOnCurve({ x: 1n, y: 3n }));
    assert.ok(!G1.isOnCurve({ x: 0n, y: 0n }));
    assert.ok(!isInG2({ x: Fq2.one, y: Fq2.one }));
  });
});

describe('the subgroup of the twist', () => {
  const stray = strayTwistPoint();
  const cofactor = 2n * Fq.modulus - Fr.modulus;

  it('is told from the rest of the twist', () => {
    assert.ok(isInG2(G2.generator) && isInG2(null));
    assert.ok(G2.isOnCurve(stray) && !isInG2(stray));
    assert.ok(isInG2(G2.multiply(stray, cofactor)), 'times the cofactor it is inside');
  });

  it('is told for many points at once, also when the stray part has the least order there is', () => {
    const many: G2Point[] = createFixedBase(G2, G2.generator, 4).multiplyMany(Array.from({ length: 60 }, scalar));
    assert.ok(areAllInG2(many, randomBytes));
    assert.ok(areAllInG2([...many, null], randomBytes));
    const ofSmallOrder = G2.multiply(stray, (cofactor / 10069n) * Fr.modulus);
    assert.equal(cofactor % 10069n, 0n);
    assert.ok(ofSmallOrder !== null && G2.multiply(ofSmallOrder, 10069n) === null);
    for (const bad of [stray, ofSmallOrder, G2.add(G2.generator, ofSmallOrder)]) {
      assert.ok(!areAllInG2([...many, bad], randomBytes));
      assert.ok(!areAllInG2([bad], randomBytes));
    }
    // Two stray parts that cancel in a plain sum.
    assert.ok(!areAllInG2([...many, ofSmallOrder, G2.neg(ofSmallOrder)], randomBytes));
  });
});

describe('fixed-base products', () => {
  it('equal plain products, for every window and at the edges', () => {
    const scalars = [0n, 1n, 2n, Fr.modulus - 1n, Fr.modulus, (1n << 254n) - 1n, 255n, 256n, scalar(), scalar()];
    for (const windowBits of [1, 4, 7, 8]) {
      const products = createFixedBase(G1, G1.generator, windowBits).multiplyMany(scalars);
      products.forEach((product, i) => {
        assert.ok(G1.equals(product, G1.multiply(G1.generator, scalars[i] as bigint)), `${windowBits} ${scalars[i]}`);
      });
    }
    const products = createFixedBase(G2, G2.generator, windowBitsFor(scalars.length)).multiplyMany(scalars);
    products.forEach((product, i) => {
      assert.ok(G2.equals(product, G2.multiply(G2.generator, scalars[i] as bigint)));
    });
  });

  it('work across batches, for no scalars, and refuse scalars out of range', () => {
    const base = createFixedBase(G1, G1.generator, 6);
    const scalars = Array.from({ length: 1030 }, (_, i) => BigInt(i));
    const products = base.multiplyMany(scalars);
    assert.equal(products.length, 1030);
    assert.ok(G1.equals(products[1029] ?? null, G1.multiply(G1.generator, 1029n)));
    assert.deepEqual(base.multiplyMany([]), []);
    assert.throws(() => base.multiplyMany([-1n]), RangeError);
    assert.throws(() => base.multiplyMany([1n << 254n]), RangeError);
    assert.throws(() => createFixedBase(G1, G1.generator, 0), RangeError);
  });
});
