/**
 * Elements of BN254's scalar field as text: `0|[1-9][0-9]*` or `0x[0-9a-fA-F]{1,64}`. As bytes: element-bytes.ts.
 *
 * Either way an element is canonical: at r or above it is refused, never reduced, because two texts for one element
 * would be two tasks, and a reduced leaf is another leaf than the client meant.
 */

import type { ErrorCode } from './error-table.ts';
import { ZkraftError } from './errors.ts';

/** Order of BN254's groups, r. (EIP-196) */
export const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
/** Modulus of BN254's base field, q. (EIP-196) */
export const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;

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
