/** What the JSON of proofs and of verification keys share: known fields only, and the two words that name the scheme. */
import type { ErrorCode } from '../../common/core.ts';
import { describe, refuse } from '../reference/core.ts';

/** `json` as an object with exactly these fields: all of `required`, any of `optional`, no other. */
export function requireObject(
  json: unknown,
  what: string,
  required: readonly string[],
  optional: readonly string[],
  code: ErrorCode,
): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refuse(code, what, `is ${describe(json)}, not an object`);
  }
  for (const key of required) {
    if (!Object.hasOwn(json, key)) refuse(code, key, `is missing from the ${what}`);
  }
  for (const key of Object.keys(json)) {
    if (!required.includes(key) && !optional.includes(key)) {
      refuse(code, key.slice(0, 40), `is not a field of a ${what}`);
    }
  }
  return json as Readonly<Record<string, unknown>>;
}

export function requireGroth16(object: Readonly<Record<string, unknown>>, code: ErrorCode): void {
  if (object.protocol !== 'groth16') refuse(code, 'protocol', `is ${describe(object.protocol)}, not "groth16"`);
  if (object.curve !== 'bn128') refuse(code, 'curve', `is ${describe(object.curve)}, not "bn128"`);
}
