/**
 * Elements of BN254's scalar field as bytes: 32, big-endian, canonical (see field.ts).
 *
 * Written with Node's Buffer, whose hexadecimal is what makes long lists quick; so it is apart from what browsers load.
 * snarkjs's files hold little-endian Montgomery form instead; src/prover/formats is where that is converted.
 */
import { ZkraftError } from './errors.ts';
import { R } from './field.ts';

export const ELEMENT_BYTES = 32;

/** 32 bytes, big-endian. `value` must be in [0, 2^256). */
export function toBytesBE(value: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex'));
}

/** The integer that up to 32 big-endian bytes hold; canonical or not is for the caller to ask. */
export function fromBytesBE(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') || '0'}`);
}

/** Concatenates 32-byte big-endian encodings. */
export function packElements(values: readonly bigint[]): Uint8Array {
  const out = new Uint8Array(values.length * ELEMENT_BYTES);
  values.forEach((value, i) => {
    out.set(toBytesBE(value), i * ELEMENT_BYTES);
  });
  return out;
}

/** The inverse of `packElements`. Throws `invalid_input` on a ragged length or a value that is not below r. */
export function unpackElements(bytes: Uint8Array, field: string): bigint[] {
  if (bytes.length % ELEMENT_BYTES !== 0) {
    throw new ZkraftError('invalid_input', `${field} is ${bytes.length} bytes, not a multiple of 32`, { field });
  }
  const out: bigint[] = [];
  for (let at = 0; at < bytes.length; at += ELEMENT_BYTES) {
    const value = fromBytesBE(bytes.subarray(at, at + ELEMENT_BYTES));
    if (value >= R) throw new ZkraftError('invalid_input', `${field}[${at / ELEMENT_BYTES}] is not below r`, { field });
    out.push(value);
  }
  return out;
}
