/**
 * DER, as much of it as an X.509 certificate is made of (ITU-T X.690): writing values, and walking through them.
 *
 * A value is tag, length, content; a length below 128 is one byte, a longer one is preceded by how many bytes it takes.
 * Integers are two's complement and as short as can be, hence the zero before a set top bit.
 */
import { ZkraftError } from '../common/index.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Constructed and primitive values whose meaning their place gives: [0], [3], ... */
export const explicit = (number: number, ...content: readonly Uint8Array[]): Buffer => der(0xa0 | number, ...content);
export const implicit = (number: number, content: Uint8Array): Buffer => der(0x80 | number, content);

export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body]);
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => der(TAG.sequence, ...items);
export const octets = (content: Uint8Array): Buffer => der(TAG.octetString, content);
export const bits = (content: Uint8Array, unused = 0): Buffer => der(TAG.bitString, Buffer.from([unused]), content);
export const utf8 = (text: string): Buffer => der(TAG.utf8String, Buffer.from(text, 'utf8'));
export const TRUE = der(TAG.boolean, Buffer.from([0xff]));

/** Not negative, big-endian. */
export function integer(bytes: Uint8Array): Buffer {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const shortest = Buffer.from(bytes.subarray(from));
  const needsZero = shortest.length === 0 || ((shortest[0] ?? 0) & 0x80) !== 0;
  return der(TAG.integer, needsZero ? Buffer.concat([Buffer.from([0]), shortest]) : shortest);
}

/** Dotted decimal. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(TAG.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const groups = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) groups.unshift((rest % 128) + 128);
  return groups;
}

/** To the second. RFC 5280 4.1.2.5: years to 2049 with two digits, later ones with four. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const isLate = date.getUTCFullYear() >= 2050;
  return der(isLate ? TAG.generalizedTime : TAG.utcTime, Buffer.from(isLate ? digits : digits.slice(2), 'ascii'));
}

function lengthOf(length: number): Buffer {
  if (length < 128) return Buffer.from([length]);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag and length too, as it stands. */
  readonly whole: Buffer;
}

/** The values that stand one after the other in `bytes`. Throws `config_invalid`. */
export function valuesIn(bytes: Buffer): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const short = bytes[at + 1] ?? broken();
    const lengthBytes = short < 128 ? 0 : short - 128;
    if (lengthBytes > 4 || short === 128 || at + 2 + lengthBytes > bytes.length) broken();
    const length = lengthBytes === 0 ? short : bytes.readUIntBE(at + 2, lengthBytes);
    const from = at + 2 + lengthBytes;
    if (from + length > bytes.length) broken();
    values.push({
      tag: bytes[at] ?? 0,
      content: bytes.subarray(from, from + length),
      whole: bytes.subarray(at, from + length),
    });
    at = from + length;
  }
  return values;
}

function broken(): never {
  throw new ZkraftError('config_invalid', 'the certificate of the authority is no DER; make the authority anew');
}
