/**
 * Keys of known trapdoor, and proofs simulated with it: as many valid proofs, for any public signals, as a test wants,
 * without a circuit. With A = a G1 and B = b G2 drawn at will,
 *   C = (a b - alpha beta - (IC_0 + sum of s_i IC_i) gamma) / delta   as multiples of the generators
 */
import type { Groth16Proof, VerificationKey } from '../../src/prover/formats/index.ts';
import { Fr, G1, G2, g1ToJson, g2ToJson } from '../../src/prover/reference/index.ts';
import { finite } from './mutated-proofs.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface SimulatedKey {
  readonly key: VerificationKey;
  /** `publics` are below r. `multiples`: a and b, where a test wants peculiar ones; 0 is the point at infinity. */
  prove(
    random: SeededRandom,
    publics: readonly bigint[],
    multiples?: readonly [bigint, bigint],
  ): { proof: Groth16Proof; publicSignals: string[] };
}

/** As snarkjs writes infinity. */
const INFINITY = {
  g1: ['0', '1', '0'],
  g2: [
    ['0', '0'],
    ['1', '0'],
    ['0', '0'],
  ],
} as const;
export const timesG1 = (k: bigint) => (k === 0n ? INFINITY.g1 : g1ToJson(finite(G1.multiply(G1.generator, k))));
export const timesG2 = (k: bigint) => (k === 0n ? INFINITY.g2 : g2ToJson(finite(G2.multiply(G2.generator, k))));

/** `inputs`: the IC's multiples of the generator, where a test wants peculiar ones. */
export function simulatedKey(random: SeededRandom, nPublic: number, inputs?: readonly bigint[]): SimulatedKey {
  const draw = () => random.bigintBelow(Fr.modulus - 1n) + 1n;
  const [alpha, beta, gamma, delta] = [draw(), draw(), draw(), draw()];
  const ic = inputs ?? Array.from({ length: nPublic + 1 }, draw);
  return {
    key: {
      protocol: 'groth16',
      curve: 'bn128',
      nPublic,
      vk_alpha_1: timesG1(alpha),
      vk_beta_2: timesG2(beta),
      vk_gamma_2: timesG2(gamma),
      vk_delta_2: timesG2(delta),
      IC: ic.map(timesG1),
    },
    prove(from, publics, multiples) {
      const drawn = [from, from].map((r) => r.bigintBelow(Fr.modulus - 1n) + 1n) as [bigint, bigint];
      const [a, b] = multiples ?? drawn;
      const input = publics.reduce((sum, s, i) => Fr.add(sum, Fr.mul(s, ic[i + 1] as bigint)), ic[0] as bigint);
      const c = Fr.sub(Fr.sub(Fr.mul(a, b), Fr.mul(alpha, beta)), Fr.mul(input, gamma));
      return {
        proof: {
          pi_a: timesG1(a),
          pi_b: timesG2(b),
          pi_c: timesG1(Fr.mul(c, Fr.inverse(delta))),
          protocol: 'groth16',
          curve: 'bn128',
        },
        publicSignals: publics.map(String),
      };
    },
  };
}
