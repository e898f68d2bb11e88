/**
 * Elements of BN254's scalar field as they travel.
 *
 * As text an element is `0|[1-9][0-9]*` or `0x[0-9a-fA-F]{1,64}`; as bytes it is 32 bytes, big-endian. Either way it
 * is canonical: at r or above it is refused, never reduced, because two texts for one element would be two tasks,
 * and a reduced leaf is another leaf than the client meant. snarkjs's files hold little-endian Montgomery form
 * instead; src/prover/formats is where that is converted.
 */

import type { ErrorCode } from './error-table.ts';
import { ZkraftError } from './errors.ts';

/** Order of BN254's groups, r. (EIP-196) */
export const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
/** Modulus of BN254's base field, q. (EIP-196) */
export const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

export const ELEMENT_BYTES = 32;

const TEXT = /^(?:0|[1-9][0-9]{0,77}|0x[0-9a-fA-F]{1,64})$/;

/** The element that `text` spells. Throws `code`, naming `field`, when it is malformed or not below r. */
export function parseElement(text: unknown, field: string, code: ErrorCode = 'invalid_input'): bigint {
  if (typeof text !== 'string' || !TEXT.test(text)) {
    const shown =
      typeof text === 'string' ? `"${text.length > 80 ? `${text.slice(0, 77)}...` : text}"` : `a ${typeof text}`;
    throw new ZkraftError(
      code,
      `${field} is ${shown}; write a field element as a decimal or 0x string, such as "7" or "0x1f"`,
      {
        field,
      },
    );
  }
  const value = BigInt(text);
  if (value >= R) {
    throw new ZkraftError(
      code,
      `${field} is not below r, the order of BN254's scalar field (${R}); hash it to the field first`,
      {
        field,
      },
    );
  }
  return value;
}

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
