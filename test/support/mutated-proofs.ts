/** Proofs and public signals damaged in every way that a verifier must notice, and some changes that it must not mind. */
import type { ErrorCode } from '../../src/common/index.ts';
import {
  type Groth16Proof,
  parseProof,
  parsePublicSignals,
  type VerificationKey,
} from '../../src/prover/formats/index.ts';
import {
  Fq,
  Fr,
  G1,
  type G1Point,
  G2,
  type G2Point,
  g1ToJson,
  g2ToJson,
  verifyGroth16Reference,
} from '../../src/prover/reference/index.ts';
import { refusalCode } from './refusals.ts';
import type { SeededRandom } from './seeded-random.ts';
import { strayTwistPoint } from './stray-twist-point.ts';

export interface Claim {
  readonly proof: Groth16Proof;
  readonly publicSignals: readonly string[];
}

/** What the strict parsers and the reference say: true, false, or the code of the refusal. */
export function referenceAnswer(key: VerificationKey, { proof, publicSignals }: Claim): boolean | ErrorCode {
  let holds = false;
  const code = refusalCode(() => {
    holds = verifyGroth16Reference(key, parseProof(proof), parsePublicSignals(publicSignals, key.nPublic));
  });
  return code ?? holds;
}

/** 2q - r, the twist's points over r: 10069 * 5864401 * 1875725156269 * a prime of 178 bits. */
export const COFACTOR = 2n * Fq.modulus - Fr.modulus;
export const SMALL_ORDERS = [10069n, 5864401n, 1875725156269n] as const;

export const finite = <T>(point: T | null): T => {
  if (point === null) throw new RangeError('infinity where there should be a point');
  return point;
};

export const pointG1 = ([x, y]: Groth16Proof['pi_a']): NonNullable<G1Point> => ({ x: BigInt(x), y: BigInt(y) });
export const pointG2 = ([x, y]: Groth16Proof['pi_b']): NonNullable<G2Point> => ({
  x: { c0: BigInt(x[0]), c1: BigInt(x[1]) },
  y: { c0: BigInt(y[0]), c1: BigInt(y[1]) },
});

/** A point of the twist of exactly this order, a divisor of the cofactor; it is in no way in G2. */
export function pointOfOrder(order: bigint): NonNullable<G2Point> {
  if (COFACTOR % order !== 0n) throw new RangeError(`${order} does not divide the cofactor`);
  return finite(G2.multiply(strayTwistPoint(), (Fr.modulus * COFACTOR) / order));
}

const STRAY = [strayTwistPoint(), ...SMALL_ORDERS.map(pointOfOrder)];

type Mutation = (claim: Claim, random: SeededRandom, other: Claim) => unknown;

const withProof = ({ proof, publicSignals }: Claim, change: object) => ({
  proof: { ...proof, ...change },
  publicSignals,
});
const flip = (text: string, random: SeededRandom) => (BigInt(text) ^ (1n << BigInt(random.below(254)))).toString();
const plus = (text: string, k: bigint) => (BigInt(text) + k).toString();
const negated = ([x, y, z]: Groth16Proof['pi_a']) => [x, (Fq.modulus - BigInt(y)).toString(), z];
const signalAt = (claim: Claim, random: SeededRandom, change: (signal: string) => unknown) => {
  const at = random.below(claim.publicSignals.length);
  return { proof: claim.proof, publicSignals: claim.publicSignals.map((s, i) => (i === at ? change(s) : s)) };
};
const pick = <T>(list: readonly T[], random: SeededRandom): T => list[random.below(list.length)] as T;

/** By name. `other` is another valid claim under the same key. Claims need one public signal at least. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a bit of A': (c, random) => withProof(c, { pi_a: [flip(c.proof.pi_a[0], random), c.proof.pi_a[1], '1'] }),
  'a bit of B': (c, random) => {
    const [[x0, x1], y, z] = c.proof.pi_b;
    return withProof(c, { pi_b: [[x0, flip(x1, random)], y, z] });
  },
  'a bit of C': (c, random) => withProof(c, { pi_c: [c.proof.pi_c[0], flip(c.proof.pi_c[1], random), '1'] }),
  'a bit of a signal': (c, random) => signalAt(c, random, (s) => flip(s, random)),
  'a signal beyond r': (c, random) => signalAt(c, random, (s) => plus(s, Fr.modulus)),
  'a signal that is a number': (c, random) => signalAt(c, random, Number),
  'a signal left out': (c) => ({ proof: c.proof, publicSignals: c.publicSignals.slice(1) }),
  'a signal too many': (c) => ({ proof: c.proof, publicSignals: [...c.publicSignals, '0'] }),
  'the signals of another': (c, _, other) => ({ proof: c.proof, publicSignals: other.publicSignals }),
  'signals that are zero': (c) => ({ proof: c.proof, publicSignals: c.publicSignals.map(() => '0') }),
  'A.x + q': (c) => withProof(c, { pi_a: [plus(c.proof.pi_a[0], Fq.modulus), c.proof.pi_a[1], '1'] }),
  'C.y + q': (c) => withProof(c, { pi_c: [c.proof.pi_c[0], plus(c.proof.pi_c[1], Fq.modulus), '1'] }),
  'B.y + q': (c) => {
    const [x, [y0, y1], z] = c.proof.pi_b;
    return withProof(c, { pi_b: [x, [plus(y0, Fq.modulus), y1], z] });
  },
  'A negated': (c) => withProof(c, { pi_a: negated(c.proof.pi_a) }),
  'C negated': (c) => withProof(c, { pi_c: negated(c.proof.pi_c) }),
  'B negated': (c) => withProof(c, { pi_b: g2ToJson(finite(G2.neg(pointG2(c.proof.pi_b)))) }),
  'A and C exchanged': (c) => withProof(c, { pi_a: c.proof.pi_c, pi_c: c.proof.pi_a }),
  'A of another': (c, _, other) => withProof(c, { pi_a: other.proof.pi_a }),
  'B of another': (c, _, other) => withProof(c, { pi_b: other.proof.pi_b }),
  'C of another': (c, _, other) => withProof(c, { pi_c: other.proof.pi_c }),
  'B with its parts exchanged': (c) => {
    const [[x0, x1], [y0, y1], z] = c.proof.pi_b;
    return withProof(c, { pi_b: [[x1, x0], [y1, y0], z] });
  },
  'A at infinity': (c) => withProof(c, { pi_a: ['0', '1', '0'] }),
  'A all zeros': (c) => withProof(c, { pi_a: ['0', '0', '1'] }),
  'B at infinity': (c) =>
    withProof(c, {
      pi_b: [
        ['0', '0'],
        ['1', '0'],
        ['0', '0'],
      ],
    }),
  'B all zeros': (c) =>
    withProof(c, {
      pi_b: [
        ['0', '0'],
        ['0', '0'],
        ['1', '0'],
      ],
    }),
  'A and B at infinity': (c) =>
    withProof(c, {
      pi_a: ['0', '1', '0'],
      pi_b: [
        ['0', '0'],
        ['1', '0'],
        ['0', '0'],
      ],
    }),
  'C at infinity': (c) => withProof(c, { pi_c: ['0', '1', '0'] }),
  'B of small or of no order in G2': (c, random) => withProof(c, { pi_b: g2ToJson(pick(STRAY, random)) }),
  'B plus a point of small order': (c, random) =>
    withProof(c, { pi_b: g2ToJson(finite(G2.add(pointG2(c.proof.pi_b), pick(STRAY, random)))) }),
  'another z': (c) => withProof(c, { pi_a: [c.proof.pi_a[0], c.proof.pi_a[1], '2'] }),
  hexadecimal: (c) => withProof(c, { pi_a: [`0x${BigInt(c.proof.pi_a[0]).toString(16)}`, c.proof.pi_a[1], '1'] }),
  'a hole in a list': (c) => {
    const pi_a = [...c.proof.pi_a];
    delete pi_a[1];
    return withProof(c, { pi_a });
  },
  'another protocol': (c) => withProof(c, { protocol: 'plonk' }),
  'a field too many': (c) => withProof(c, { extra: '1' }),
  'no proof': (c) => ({ proof: null, publicSignals: c.publicSignals }),
};

/**
 * Another proof of the same claim, as anyone can make it who knows one: A / k, k (B + s delta), C + s A.
 */
export function rerandomised(claim: Claim, delta: Groth16Proof['pi_b'], random: SeededRandom): Claim {
  const [k, s] = [random, random].map((r) => r.bigintBelow(Fr.modulus - 1n) + 1n) as [bigint, bigint];
  const a = pointG1(claim.proof.pi_a);
  const b = G2.add(pointG2(claim.proof.pi_b), G2.multiply(pointG2(delta), s));
  return {
    proof: {
      ...claim.proof,
      pi_a: g1ToJson(finite(G1.multiply(a, Fr.inverse(k)))),
      pi_b: g2ToJson(finite(G2.multiply(b, k))),
      pi_c: g1ToJson(finite(G1.add(pointG1(claim.proof.pi_c), G1.multiply(a, s)))),
    },
    publicSignals: claim.publicSignals,
  };
}
