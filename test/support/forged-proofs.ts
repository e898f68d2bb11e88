/** What anybody can forge under a key to which nobody has contributed. */
import assert from 'node:assert/strict';
import type { Groth16Proof, VerificationKey } from '../../src/prover/formats/index.ts';
import { G1, g1ToJson, g2ToJson, readG1, readG2 } from '../../src/prover/reference/index.ts';

/** A proof of anything, without a witness, for a key whose delta is gamma (sign 1) or its opposite (sign -1). */
export function forge(key: VerificationKey, signals: readonly string[], sign: 1 | -1): Groth16Proof {
  const ic = key.IC.map((point) => readG1(point, 'IC', 'vkey_invalid'));
  const inputs = G1.multiplySum(ic, [1n, ...signals.map(BigInt)]);
  const c = sign === 1 ? G1.neg(inputs) : inputs;
  assert.ok(c);
  const [a, b] = [readG1(key.vk_alpha_1, 'alpha', 'vkey_invalid'), readG2(key.vk_beta_2, 'beta', 'vkey_invalid')];
  return { pi_a: g1ToJson(a), pi_b: g2ToJson(b), pi_c: g1ToJson(c), protocol: 'groth16', curve: 'bn128' };
}
