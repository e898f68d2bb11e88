/**
 * Groth16 proofs and public signals as the fixed-size bytes of the wire.
 *
 * A proof is 256: A.x A.y, B.x.c0 B.x.c1 B.y.c0 B.y.c1, C.x C.y, each 32 bytes big-endian. EIP-197's order of c0 and c1
 * is the other one. What comes in is checked as its JSON is (proof.ts).
 */
import { ELEMENT_BYTES, fromBytesBE, packElements, toBytesBE, ZkraftError } from '../../common/index.ts';
import { refuse } from '../reference/index.ts';
import { parseProof, parsePublicSignals } from './proof.ts';
import type { Groth16Proof } from './snarkjs-json.ts';

export const PROOF_BYTES = 8 * ELEMENT_BYTES;

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
