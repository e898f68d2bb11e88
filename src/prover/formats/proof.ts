/**
 * Groth16 proofs and public signals: strict readers of snarkjs's JSON, and the fixed-size bytes of the wire.
 *
 * As bytes a proof is 256: A.x A.y, B.x.c0 B.x.c1 B.y.c0 B.y.c1, C.x C.y, each 32 bytes big-endian. EIP-197's order
 * of c0 and c1 is the other one. Both ways in check the same: canonical, on the curve, in the subgroup, not infinity.
 */
import { ELEMENT_BYTES, fromBytesBE, packElements, toBytesBE, ZkraftError } from '../../common/index.ts';
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
} from '../reference/index.ts';
import { requireGroth16, requireObject } from './groth16-json.ts';
import type { Groth16Proof } from './snarkjs-json.ts';

export const PROOF_BYTES = 8 * ELEMENT_BYTES;
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

/** The 256 bytes of a proof that was parsed. */
export function proofToBytes(proof: Groth16Proof): Uint8Array {
  const [ax, ay] = proof.pi_a;
  const [bx, by] = proof.pi_b;
  const [cx, cy] = proof.pi_c;
  const coordinates = [ax, ay, ...bx, ...by, cx, cy];
  return packElements(coordinates.map((c, i) => readDecimalCoordinate(c, i)));
}

const COORDINATES = ['A.x', 'A.y', 'B.x.c0', 'B.x.c1', 'B.y.c0', 'B.y.c1', 'C.x', 'C.y'] as const;

function readDecimalCoordinate(text: string, index: number): bigint {
  const name = COORDINATES[index] ?? 'coordinate';
  const value = /^[0-9]{1,78}$/.test(text) ? BigInt(text) : undefined;
  if (value === undefined || value >> 256n !== 0n) return refuse('proof_malformed', name, 'is not a coordinate');
  return value;
}

/** The proof that the bytes hold; `proof_malformed` unless all of it is sound. */
export function proofFromBytes(bytes: Uint8Array): Groth16Proof {
  return parseProof(spellProof(bytes));
}

/**
 * The same bytes spelled as JSON, and nothing checked but how many they are: for one who hands the proof to a verifier
 * in another thread, which checks it all. The check of the subgroup takes milliseconds.
 */
export function spellProof(bytes: Uint8Array): Groth16Proof {
  if (bytes.length !== PROOF_BYTES) {
    throw new ZkraftError('proof_malformed', `the proof has ${bytes.length} bytes, not ${PROOF_BYTES}`, {
      field: 'proof',
    });
  }
  const at = (i: number): string => fromBytesBE(bytes.subarray(32 * i, 32 * (i + 1))).toString();
  return {
    pi_a: [at(0), at(1), '1'],
    pi_b: [
      [at(2), at(3)],
      [at(4), at(5)],
      ['1', '0'],
    ],
    pi_c: [at(6), at(7), '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
}

/** 32 bytes big-endian a signal. */
export function signalsToBytes(signals: readonly string[]): Uint8Array[] {
  return parsePublicSignals(signals).map((signal) => toBytesBE(BigInt(signal)));
}

export function signalsFromBytes(list: readonly Uint8Array[], count?: number): string[] {
  return parsePublicSignals(
    list.map((bytes, i) => {
      if (bytes.length === ELEMENT_BYTES) return fromBytesBE(bytes).toString();
      return refuse('public_signals_malformed', `public signals[${i}]`, `has ${bytes.length} bytes, not 32`);
    }),
    count,
  );
}
