/** The verification key that a proving key contains. */
import { ZkraftError } from '../../common/index.ts';
import {
  type G1Point,
  type G2Point,
  g1ToJson,
  g2ToJson,
  pairing,
  pairingValueToJson,
  refuse,
} from '../reference/index.ts';
import { viewOf } from './container.ts';
import { G1_BYTES, readG1Montgomery } from './field-bytes.ts';
import type { G1Json, VerificationKey } from './snarkjs-json.ts';
import { parseVerificationKey } from './verification-key.ts';
import { parseZkey, type ZkeySections } from './zkey.ts';
import type { ZkeyHeader } from './zkey-header.ts';

/**
 * The verification key that a proving key contains, as `snarkjs zkey export verificationkey` prints it.
 * `zkey_invalid` when the file is malformed, or a point of it is infinite or off its curve.
 */
export function verificationKeyFromZkey(bytes: Uint8Array): VerificationKey {
  return verificationKeyOf(parseZkey(bytes, { level: 'header' }));
}

/** As `verificationKeyFromZkey`, of a zkey that was parsed already, or as much of it as this needs. */
export function verificationKeyOf(zkey: { header: ZkeyHeader; sections: Pick<ZkeySections, 'ic'> }): VerificationKey {
  const { header, sections } = zkey;
  const view = viewOf(sections.ic);
  const ic: G1Json[] = [];
  for (let at = 0; at < sections.ic.length; at += G1_BYTES) {
    ic.push(g1Of(readG1Montgomery(view, at), `IC[${at / G1_BYTES}]`));
  }
  // Decoding to JSON and reading it back applies every check that a verification key from outside passes.
  try {
    const key = parseVerificationKey({
      protocol: 'groth16',
      curve: 'bn128',
      nPublic: header.publics,
      vk_alpha_1: g1Of(header.alpha1, 'alpha1'),
      vk_beta_2: g2Of(header.beta2, 'beta2'),
      vk_gamma_2: g2Of(header.gamma2, 'gamma2'),
      vk_delta_2: g2Of(header.delta2, 'delta2'),
      IC: ic,
    });
    const { IC, ...rest } = key;
    // In snarkjs's order of fields, so that the two files are equal as text.
    return { ...rest, vk_alphabeta_12: pairingValueToJson(pairing(header.alpha1, header.beta2)), IC };
  } catch (thrown) {
    const error = ZkraftError.from(thrown);
    if (error.code !== 'vkey_invalid') throw error;
    throw new ZkraftError('zkey_invalid', `the proving key's ${error.message}`, {
      ...(error.field === undefined ? {} : { field: error.field }),
      cause: error,
    });
  }
}

function finite<T>(point: T | null | undefined, field: string): T {
  if (point === undefined) return refuse('zkey_invalid', field, 'has a coordinate that is not below q');
  return point === null ? refuse('zkey_invalid', field, 'is the point at infinity') : point;
}

const g1Of = (point: G1Point | undefined, field: string) => g1ToJson(finite(point, field));
const g2Of = (point: G2Point | undefined, field: string) => g2ToJson(finite(point, field));
