/**
 * Verification keys: a strict reader of snarkjs's JSON, and the key that a zkey contains.
 *
 * The reader checks what a verifier relies on: numbers, curves, subgroups, counts. `vk_alphabeta_12` is e(alpha, beta)
 * for verifiers that cannot compute it; ours can, so its shape is checked here and its value only against a zkey.
 */

import { ZkraftError } from '../../common/index.ts';
import {
  describe,
  Fq,
  type G1Point,
  type G2Point,
  g1ToJson,
  g2ToJson,
  pairing,
  pairingValueToJson,
  readDecimal,
  readG1,
  readG2,
  readList,
  refuse,
} from '../reference/index.ts';
import { viewOf } from './container.ts';
import { G1_BYTES, readG1Montgomery } from './field-bytes.ts';
import { requireGroth16, requireObject } from './groth16-json.ts';
import { PUBLIC_SIGNALS_MAX } from './proof.ts';
import type { G1Json, VerificationKey } from './snarkjs-json.ts';
import { parseZkey, type ZkeySections } from './zkey.ts';
import type { ZkeyHeader } from './zkey-header.ts';

/** A caller that reads files should read no more: 65,536 points of IC, and the rest. */
export const VERIFICATION_KEY_JSON_BYTES_MAX = 16 * 1024 * 1024;

const CODE = 'vkey_invalid';
const KEYS = ['protocol', 'curve', 'nPublic', 'vk_alpha_1', 'vk_beta_2', 'vk_gamma_2', 'vk_delta_2', 'IC'] as const;

/** The key, if `json` is a sound one: `vkey_invalid` names the field that is not. */
export function parseVerificationKey(json: unknown): VerificationKey {
  const object = requireObject(json, 'verification key', KEYS, ['vk_alphabeta_12'], CODE);
  requireGroth16(object, CODE);
  const nPublic = object.nPublic;
  if (typeof nPublic !== 'number' || !Number.isInteger(nPublic) || nPublic < 0 || nPublic > PUBLIC_SIGNALS_MAX) {
    return refuse(
      CODE,
      'nPublic',
      `is ${describe(nPublic)}; it must be a whole number from 0 to ${PUBLIC_SIGNALS_MAX}`,
    );
  }
  const ic = readList(object.IC, nPublic + 1, 'IC', CODE);
  return {
    protocol: 'groth16',
    curve: 'bn128',
    nPublic,
    vk_alpha_1: g1ToJson(readG1(object.vk_alpha_1, 'vk_alpha_1', CODE)),
    vk_beta_2: g2ToJson(readG2(object.vk_beta_2, 'vk_beta_2', CODE)),
    vk_gamma_2: g2ToJson(readG2(object.vk_gamma_2, 'vk_gamma_2', CODE)),
    vk_delta_2: g2ToJson(readG2(object.vk_delta_2, 'vk_delta_2', CODE)),
    ...(object.vk_alphabeta_12 === undefined ? {} : { vk_alphabeta_12: readPairingValue(object.vk_alphabeta_12) }),
    IC: Array.from(ic, (point, i) => g1ToJson(readG1(point, `IC[${i}]`, CODE))),
  };
}

/** Two lists of three pairs of coordinates. */
function readPairingValue(json: unknown): readonly (readonly (readonly string[])[])[] {
  const field = 'vk_alphabeta_12';
  return readList(json, 2, field, CODE).map((half, i) =>
    readList(half, 3, `${field}[${i}]`, CODE).map((pair, j) =>
      readList(pair, 2, `${field}[${i}][${j}]`, CODE).map((c, k) =>
        readDecimal(c, Fq, `${field}[${i}][${j}][${k}]`, CODE).toString(),
      ),
    ),
  );
}

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
    if (error.code !== CODE) throw error;
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
