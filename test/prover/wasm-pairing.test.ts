import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verificationKeyFromZkey } from '../../src/prover/formats/index.ts';
import {
  createKernelMemory,
  instantiateKernels,
  loadKernelModule,
  pairingExports,
} from '../../src/prover/kernels/index.ts';
import {
  BN_X,
  Fq,
  Fq2,
  type Fq2Element,
  Fq12,
  type Fq12Element,
  FROBENIUS_GAMMA,
  Fr,
  finalExponentiation,
  G1,
  type G1Point,
  G2,
  type G2Point,
  pairing,
  pairingValueToJson,
} from '../../src/prover/reference/index.ts';
import { singlePartySetup } from '../../src/prover/setup/index.ts';
import { FinalExponentiation } from '../../src/prover/wasm/verify/final-exponentiation.ts';
import { LaneMemory } from '../../src/prover/wasm/verify/lane-memory.ts';
import {
  FIXED_LINE_PACKS,
  isInSubgroup,
  LINES,
  MILLER_WORK_PACKS,
  MOVING_PAIR_PACKS,
  millerLoop,
  movingPairAt,
  preparePair,
  TWIST_CONSTANT_PACKS,
  writeFixedLines,
  writeTwistConstants,
} from '../../src/prover/wasm/verify/miller-loop.ts';
import { putMovingPoint } from '../../src/prover/wasm/verify/proof-points.ts';
import { nonAdjacentForm, windowForm } from '../../src/prover/wasm/verify/signed-digits.ts';
import {
  Fq12Lanes,
  TOWER_CONSTANT_PACKS,
  TOWER_WORK_PACKS,
  writeTowerConstants,
} from '../../src/prover/wasm/verify/tower.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { FREE_AT, laneKernels } from '../support/lane-kernels.ts';
import { COFACTOR, finite, pointOfOrder, SMALL_ORDERS } from '../support/mutated-proofs.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { strayTwistPoint } from '../support/stray-twist-point.ts';

const random = new SeededRandom(41);
const q = Fq.modulus;
const EDGES = [
  0n,
  1n,
  2n,
  q - 1n,
  q - 2n,
  (q - 1n) / 2n,
  (q + 1n) / 2n,
  (1n << 51n) - 1n,
  1n << 51n,
  1n << 50n,
  (1n << 204n) - 1n,
  1n << 253n,
];
const edge = () => EDGES[random.below(EDGES.length)] as bigint;
const any = () => random.bigintBelow(q);
const fq2 = (draw: () => bigint): Fq2Element => ({ c0: draw(), c1: draw() });
const fq12 = (draw: () => bigint): Fq12Element => {
  const half = () => ({ c0: fq2(draw), c1: fq2(draw), c2: fq2(draw) });
  return { c0: half(), c1: half() };
};
const scalar = () => random.bigintBelow(Fr.modulus - 1n) + 1n;
const kernels = await laneKernels(16);
const memory = new LaneMemory(kernels, FREE_AT);
const room = memory.room(FREE_AT + 64);
const constants = room.packs(TOWER_CONSTANT_PACKS);
writeTowerConstants(memory, constants);
const tower = new Fq12Lanes(memory, constants, room.packs(TOWER_WORK_PACKS));
const final = new FinalExponentiation(tower, room);
const twist = room.packs(TWIST_CONSTANT_PACKS);
writeTwistConstants(memory, twist, FROBENIUS_GAMMA);
const pairs = [0, 1].map(() => movingPairAt(memory, room.packs(MOVING_PAIR_PACKS)));
const work = room.packs(MILLER_WORK_PACKS);
const lines = room.packs(LINES * FIXED_LINE_PACKS);
const fixedPoint = room.packs(2);
const words = room.bytes(64);
const [A, B, C] = [room.packs(6), room.packs(6), room.packs(6)];

function putPair(i: number, p: G1Point, point: G2Point): void {
  const pair = pairs[i] as (typeof pairs)[number];
  memory.putFq2(pair.q, finite(point).x);
  memory.putFq2(pair.q + memory.packBytes, finite(point).y);
  preparePair(memory, pair, twist);
  memory.putWords(words, finite(p).x);
  memory.putWords(words + 32, finite(p).y);
  putMovingPoint(memory, pair.point, words, words + 32);
}

function movingPairing(...of: readonly (readonly [G1Point, G2Point])[]): Fq12Element {
  of.forEach(([p, point], i) => {
    putPair(i, p, point);
  });
  millerLoop(tower, pairs.slice(0, of.length), [], twist, A, B, work);
  final.compute(C, A);
  return memory.getFq12(C);
}

function fixedPairing(p: G1Point, point: G2Point): Fq12Element {
  writeFixedLines(memory, lines, finite(point));
  const { x, y } = finite(p);
  memory.putFq(fixedPoint, Fq.mul(x, Fq.inverse(y)));
  memory.putFq(fixedPoint + memory.packBytes, Fq.inverse(y));
  millerLoop(tower, [], [{ lines, point: fixedPoint }], twist, A, B, work);
  final.compute(C, A);
  return memory.getFq12(C);
}

describe('Fq2 in the lanes of a pack', () => {
  const k = pairingExports(kernels);
  const cases: readonly (readonly [
    string,
    (z: number, x: number, y: number) => void,
    (a: Fq2Element, b: Fq2Element) => Fq2Element,
  ])[] = [
    ['product', k.f2_mul, Fq2.mul],
    ['square', (z, x) => k.f2_sqr(z, x), (a) => Fq2.square(a)],
    ['sum', k.f2_add, Fq2.add],
    ['difference', k.f2_sub, Fq2.sub],
    ['negative', (z, x) => k.f2_neg(z, x), (a) => Fq2.neg(a)],
    ['double', (z, x) => k.f2_double(z, x), (a) => Fq2.add(a, a)],
    ['conjugate', (z, x) => k.f2_conjugate(z, x), (a) => Fq2.conjugate(a)],
    ['product by xi', (z, x) => k.f2_xi(z, x), (a) => Fq2.mulByXi(a)],
    [
      'norm',
      (z, x) => k.f2_norm(z, x),
      (a) => {
        const { c0 } = Fq2.mul(a, Fq2.conjugate(a));
        return { c0, c1: c0 };
      },
    ],
    ['inverse', (z, x) => tower.inverseFq2(z, x), (a) => (Fq2.isZero(a) ? a : Fq2.inverse(a))],
  ];
  for (const [name, kernel, oracle] of cases) {
    it(`has the ${name} of the reference, of random elements and at the edges, in place too`, () => {
      for (let i = 0; i < 60; i++) {
        const [a, b] = i % 2 === 0 ? [fq2(any), fq2(any)] : [fq2(edge), fq2(edge)];
        memory.putFq2(A, a);
        memory.putFq2(B, b);
        kernel(C, A, B);
        assert.deepEqual(memory.getFq2(C), oracle(a, b));
        kernel(A, A, B);
        assert.deepEqual(memory.getFq2(A), oracle(a, b));
      }
    });
  }

  it('is not offered by modules of four lanes, which are told so', async () => {
    const four = await instantiateKernels(await loadKernelModule('fma4-memory'), createKernelMemory());
    assert.throws(() => pairingExports(four), /two lanes/);
  });
});

describe('Fq12 in lanes', () => {
  const cyclotomic = (f: Fq12Element): Fq12Element => {
    const easy = Fq12.mul(Fq12.conjugate(f), Fq12.inverse(f));
    return Fq12.mul(Fq12.frobenius(Fq12.frobenius(easy)), easy);
  };
  const frobenius = (f: Fq12Element, e: number): Fq12Element => (e === 0 ? f : frobenius(Fq12.frobenius(f), e - 1));

  it('has product, square, conjugate, inverse and Frobenius maps of the reference', () => {
    for (let i = 0; i < 40; i++) {
      const [x, y] = i % 2 === 0 ? [fq12(any), fq12(any)] : [fq12(edge), fq12(edge)];
      memory.putFq12(A, x);
      memory.putFq12(B, y);
      assert.deepEqual(memory.getFq12(A), x);
      tower.mul(C, A, B);
      assert.deepEqual(memory.getFq12(C), Fq12.mul(x, y));
      tower.square(C, A);
      assert.deepEqual(memory.getFq12(C), Fq12.square(x));
      tower.conjugate(C, A);
      assert.deepEqual(memory.getFq12(C), Fq12.conjugate(x));
      tower.inverse(C, A);
      assert.deepEqual(memory.getFq12(C), Fq12.inverse(x));
      for (const e of [1, 2, 3] as const) {
        tower.frobenius(C, A, e);
        assert.deepEqual(memory.getFq12(C), frobenius(x, e));
      }
    }
  });

  it('squares faster in the cyclotomic subgroup, to the same result', () => {
    for (let i = 0; i < 10; i++) {
      const g = i === 0 ? Fq12.one : cyclotomic(fq12(any));
      memory.putFq12(A, g);
      tower.cyclotomicSquare(C, A);
      assert.deepEqual(memory.getFq12(C), Fq12.square(g));
    }
  });

  it("ends in the reference's power, not in another multiple of it", () => {
    const f = fq12(any);
    memory.putFq12(A, f);
    final.compute(C, A);
    assert.deepEqual(memory.getFq12(C), finalExponentiation(f));
  });
});

describe('the pairing in lanes', () => {
  const [P, R] = [G1.multiply(G1.generator, scalar()), G1.multiply(G1.generator, scalar())];
  const [Q, S] = [G2.multiply(G2.generator, scalar()), G2.multiply(G2.generator, scalar())];

  it("is the reference's, value for value, for points that move and points that are fixed", () => {
    assert.deepEqual(movingPairing([P, Q]), pairing(P, Q));
    assert.deepEqual(fixedPairing(P, Q), pairing(P, Q));
    assert.deepEqual(movingPairing([G1.generator, G2.generator]), pairing(G1.generator, G2.generator));
  });

  it('is bilinear', () => {
    const [a, b] = [scalar(), scalar()];
    const both = movingPairing([G1.multiply(P, a), G2.multiply(Q, b)]);
    assert.deepEqual(both, movingPairing([G1.multiply(P, Fr.mul(a, b)), Q]));
    assert.deepEqual(both, fixedPairing(P, G2.multiply(Q, Fr.mul(a, b))));
    assert.deepEqual(movingPairing([G1.add(P, R), Q]), movingPairing([P, Q], [R, Q]));
    assert.deepEqual(movingPairing([P, G2.add(Q, S)]), movingPairing([P, Q], [P, S]));
    assert.deepEqual(movingPairing([P, Q], [G1.neg(P), Q]), Fq12.one);
  });

  it('has the value that keys publish', async () => {
    const { zkey } = await singlePartySetup(chainCircuit(3).r1cs, { threads: 1 });
    const key = verificationKeyFromZkey(zkey);
    const { x, y } = { x: key.vk_alpha_1[0], y: key.vk_alpha_1[1] };
    const [[x0, x1], [y0, y1]] = key.vk_beta_2;
    const value = movingPairing([
      { x: BigInt(x), y: BigInt(y) },
      { x: { c0: BigInt(x0), c1: BigInt(x1) }, y: { c0: BigInt(y0), c1: BigInt(y1) } },
    ]);
    assert.deepEqual(pairingValueToJson(value), key.vk_alphabeta_12);
  });
});

describe('the order of a point of the twist', () => {
  const x = BN_X;

  it('is r exactly when the loop closes: gcd(N(6x + 2 + psi - psi^2 + psi^3), r (2q - r)) = r', () => {
    const trace = q + 1n - Fr.modulus;
    assert.equal(trace, 6n * x * x + 1n);
    // Horner in psi, with psi^2 = t psi - q: the element becomes u + v psi, of norm u^2 + u v t + v^2 q.
    const [u, v] = [1n, -1n, 1n, 6n * x + 2n].reduce<[bigint, bigint]>(
      ([a, b], c) => [c - q * b, a + trace * b],
      [0n, 0n],
    );
    const norm = u * u + u * v * trace + v * v * q;
    const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));
    assert.equal(gcd(norm, Fr.modulus * COFACTOR), Fr.modulus);
  });

  const inSubgroup = (point: G2Point): boolean => {
    putPair(0, G1.generator, point);
    millerLoop(tower, pairs.slice(0, 1), [], twist, A, B, work);
    return isInSubgroup(memory, pairs[0] as (typeof pairs)[number], work);
  };

  it('is r for multiples of the generator', () => {
    for (const k of [1n, 2n, 3n, x, 6n * x + 2n, Fr.modulus - 1n, scalar(), scalar()]) {
      assert.ok(inSubgroup(G2.multiply(G2.generator, k)), `${k}`);
    }
  });

  it('is not r for points of small order, of the order of the cofactor, and for sums with points of G2', () => {
    const stray = strayTwistPoint();
    const small = SMALL_ORDERS.map(pointOfOrder);
    SMALL_ORDERS.forEach((order, i) => {
      assert.equal(G2.multiply(small[i] as G2Point, order), null);
    });
    const outside = [stray, G2.multiply(stray, Fr.modulus), ...small, ...small.map((p) => G2.multiply(p, 2n))];
    for (const point of outside) {
      assert.ok(!inSubgroup(point));
      assert.ok(!inSubgroup(G2.add(point, G2.multiply(G2.generator, scalar()))));
    }
  });
});

describe('signed digits', () => {
  it('add up to the number, and keep their distance', () => {
    for (let i = 0; i < 50; i++) {
      const n = random.u64();
      for (const [digits, width] of [
        [nonAdjacentForm(n), 2],
        [windowForm(n, 4), 4],
      ] as const) {
        assert.equal(
          digits.reduceRight((sum, digit) => 2n * sum + BigInt(digit), 0n),
          n,
        );
        digits.forEach((digit, at) => {
          if (digit === 0) return;
          assert.ok(digit % 2 !== 0 && Math.abs(digit) < 2 ** (width - 1));
          assert.ok(digits.slice(at + 1, at + width).every((next) => next === 0));
        });
      }
    }
  });
});
