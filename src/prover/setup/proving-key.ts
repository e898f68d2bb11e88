/**
 * Keys that nobody must rely on, although they are well formed: `key_refused`.
 *
 * With delta = +-gamma, which is how snarkjs's `zkey new` leaves a key until somebody contributes, anybody forges any
 * statement: A = alpha, B = beta, C = -+(IC_0 + sum of s_i IC_i). Halves of a secret that differ between G1 and G2,
 * points at infinity or outside their groups, and a verification key that is not the one inside its zkey, are the
 * other ways in which a key can be a trap. What cannot be seen from the key alone: whether it is this circuit's
 * (needs r1cs and ptau, see phase2.ts), and whether its makers forgot their secrets.
 */
import { ZkraftError } from '../../common/index.ts';
import { checkZkeyPoints, parseZkey, type VerificationKey, verificationKeyOf, type Zkey } from '../formats/index.ts';
import { G1, type G1Point, G2, type G2Point, pairingProductIsOne } from '../reference/index.ts';
import { checkVerificationKey } from './verification-key.ts';

function refuse(field: string, why: string): never {
  throw new ZkraftError('key_refused', `${field} ${why}`, { field });
}

/**
 * Checks a proving key in full, and that `verificationKey` is the one it contains, which it returns.
 * `zkey_invalid` when the file is malformed, `key_refused` as told above. A second or so for 25,000 points: run it
 * in a thread where others wait.
 */
export function checkProvingKey(bytes: Uint8Array, verificationKey?: VerificationKey): VerificationKey {
  const zkey = parseZkey(bytes, { level: 'coefficients' });
  checkZkeyPoints(zkey, 'key_refused');
  checkHalvesAgree(zkey);
  const contained = verificationKeyOf(zkey);
  checkVerificationKey(contained);
  if (verificationKey !== undefined) requireEqual(contained, verificationKey);
  return contained;
}

/** beta1 and beta2, delta1 and delta2 must hold the same secret, or proofs neither verify nor hide. */
function checkHalvesAgree({ header }: Zkey): void {
  const agree = (in1: G1Point, in2: G2Point) =>
    pairingProductIsOne([
      [in1, G2.generator],
      [G1.neg(G1.generator), in2],
    ]);
  if (!agree(header.beta1, header.beta2)) refuse('beta2', 'does not match beta1');
  if (!agree(header.delta1, header.delta2)) refuse('delta2', 'does not match delta1');
}

/** Field by field, so that the message names what differs. A missing vk_alphabeta_12 is no difference. */
function requireEqual(contained: VerificationKey, given: VerificationKey): void {
  for (const [field, value] of Object.entries(contained)) {
    const other = (given as unknown as Readonly<Record<string, unknown>>)[field];
    if (field === 'vk_alphabeta_12' && other === undefined) continue;
    if (JSON.stringify(other) !== JSON.stringify(value)) {
      refuse(field, 'of the verification key is not what the proving key contains: they are of different keys');
    }
  }
}
