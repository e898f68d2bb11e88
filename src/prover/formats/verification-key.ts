/**
 * Verification keys: a strict reader of snarkjs's JSON. The key that a zkey contains: contained-key.ts.
 *
 * The reader checks what a verifier relies on: numbers, curves, subgroups, counts. `vk_alphabeta_12` is e(alpha, beta)
 * for verifiers that cannot compute it; ours can, so its shape is checked here and its value only against a zkey.
 */
import { describe, Fq, g1ToJson, g2ToJson, readDecimal, readG1, readG2, readList, refuse } from '../reference/core.ts';
import { requireGroth16, requireObject } from './groth16-json.ts';
import { PUBLIC_SIGNALS_MAX } from './proof.ts';
import type { VerificationKey } from './snarkjs-json.ts';

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
