/**
 * Groth16 proofs and public signals: strict readers of snarkjs's JSON. What was read is canonical, on the curve, in the
 * subgroup and not infinity. The same as bytes: proof-bytes.ts.
 */
import type { ZkraftError } from '../../common/core.ts';
import {
  describe,
  Fr,
  type G1Point,
  type G2Point,
  g1ToJson,
  g2ToJson,
  readDecimal,
  readG1,
  readG2,
  refuse,
} from '../reference/core.ts';
import { requireGroth16, requireObject } from './groth16-json.ts';
import type { Groth16Proof } from './snarkjs-json.ts';

/** A caller that reads files should read no more; a proof is about 900 bytes. */
export const PROOF_JSON_BYTES_MAX = 16 * 1024;
/** More public signals than any verifier contract could take; bounds IC as well. */
export const PUBLIC_SIGNALS_MAX = 65_536;
/** 65,536 signals of 78 digits, quoted, with room for white space. */
export const PUBLIC_SIGNALS_JSON_BYTES_MAX = 8 * 1024 * 1024;

const PROOF_KEYS = ['pi_a', 'pi_b', 'pi_c', 'protocol', 'curve'] as const;

/** Whether an error speaks of a proof or its public signals, not of the key or of ourselves. */
export const isMalformedClaim = ({ code }: ZkraftError): boolean =>
  code === 'proof_malformed' || code === 'public_signals_malformed';

/** The proof, if `json` is exactly one: `proof_malformed` names the field that is not. */
export function parseProof(json: unknown): Groth16Proof {
  const object = requireObject(json, 'proof', PROOF_KEYS, [], 'proof_malformed');
  requireGroth16(object, 'proof_malformed');
  return proofOf(
    readG1(object.pi_a, 'pi_a', 'proof_malformed'),
    readG2(object.pi_b, 'pi_b', 'proof_malformed'),
    readG1(object.pi_c, 'pi_c', 'proof_malformed'),
  );
}

function proofOf(a: NonNullable<G1Point>, b: NonNullable<G2Point>, c: NonNullable<G1Point>): Groth16Proof {
  return { pi_a: g1ToJson(a), pi_b: g2ToJson(b), pi_c: g1ToJson(c), protocol: 'groth16', curve: 'bn128' };
}

/** Canonical decimal strings below r; exactly `count` of them where it is given. Else `public_signals_malformed`. */
export function parsePublicSignals(json: unknown, count?: number): string[] {
  const code = 'public_signals_malformed';
  if (!Array.isArray(json)) return refuse(code, 'public signals', `are ${describe(json)}, not a list`);
  if (count !== undefined && json.length !== count) {
    refuse(code, 'public signals', `are ${json.length}, but the key has ${count}; none may be left out`);
  }
  if (json.length > PUBLIC_SIGNALS_MAX) {
    refuse(code, 'public signals', `are ${json.length}; at most ${PUBLIC_SIGNALS_MAX} are taken`);
  }
  // Not .map: it would skip holes.
  return Array.from(json, (signal, i) => readDecimal(signal, Fr, `public signals[${i}]`, code).toString());
}
