/**
 * Groth16's verification equation (eprint 2016/260), the second opinion when a fast verifier says no.
 *
 *   e(A, B) = e(alpha, beta) e(IC_0 + sum of s_i IC_i, gamma) e(C, delta)
 *
 * Shares no code with snarkjs. It takes nothing on trust: numbers, points, subgroup and counts are read strictly
 * first, so what snarkjs refuses is refused, and more (see decimal-points.ts).
 */
import type { ErrorCode } from '../../common/core.ts';
import type { Groth16Proof, VerificationKey } from '../formats/snarkjs-json.ts';
import { G1 } from './bn254.ts';
import { readDecimal, readG1, readG2, readList, refuse } from './decimal-points.ts';
import { pairingProductIsOne } from './pairing.ts';
import { Fr } from './prime-field.ts';

function requireGroth16(of: { protocol: string; curve: string }, what: string, code: ErrorCode): void {
  if (of.protocol !== 'groth16') refuse(code, `${what}.protocol`, 'is not "groth16"');
  if (of.curve !== 'bn128') refuse(code, `${what}.curve`, 'is not "bn128"');
}

/**
 * Whether the proof holds for these public signals under this key.
 * Malformed parts are no answer: they throw `vkey_invalid`, `proof_malformed` or `public_signals_malformed`.
 */
export function verifyGroth16Reference(
  verificationKey: VerificationKey,
  proof: Groth16Proof,
  publicSignals: readonly string[],
): boolean {
  requireGroth16(verificationKey, 'verification key', 'vkey_invalid');
  requireGroth16(proof, 'proof', 'proof_malformed');
  const count = verificationKey.nPublic;
  const alpha = readG1(verificationKey.vk_alpha_1, 'vk_alpha_1', 'vkey_invalid');
  const beta = readG2(verificationKey.vk_beta_2, 'vk_beta_2', 'vkey_invalid');
  const gamma = readG2(verificationKey.vk_gamma_2, 'vk_gamma_2', 'vkey_invalid');
  const delta = readG2(verificationKey.vk_delta_2, 'vk_delta_2', 'vkey_invalid');
  const ic = readList(verificationKey.IC, count + 1, 'IC', 'vkey_invalid').map((point, i) =>
    readG1(point, `IC[${i}]`, 'vkey_invalid'),
  );
  const signals = readList(publicSignals, count, 'public signals', 'public_signals_malformed').map((signal, i) =>
    readDecimal(signal, Fr, `public signals[${i}]`, 'public_signals_malformed'),
  );
  const a = readG1(proof.pi_a, 'pi_a', 'proof_malformed');
  const b = readG2(proof.pi_b, 'pi_b', 'proof_malformed');
  const c = readG1(proof.pi_c, 'pi_c', 'proof_malformed');

  const inputs = G1.multiplySum(ic, [1n, ...signals]);
  return pairingProductIsOne([
    [G1.neg(a), b],
    [alpha, beta],
    [inputs, gamma],
    [c, delta],
  ]);
}
