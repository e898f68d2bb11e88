/**
 * What a key-value command is in a log entry: `kind u8 | length of the key u32, big endian | key | value`, in UTF-8.
 *
 * Kinds: 1 put, 2 append, 3 delete (without a value). Keys and values are any text that is well-formed Unicode, and may
 * be empty; half a surrogate pair has no UTF-8 and is refused. How long a command may be is the log's affair.
 */
import { ZkraftError } from '../../common/index.ts';

export type KvCommand =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'append'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string };

const KINDS = ['put', 'append', 'delete'] as const;
const PREFIX_BYTES = 5;
const LONE_SURROGATE = /\p{Surrogate}/u;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws `invalid_request` for text that is not well-formed Unicode. */
export function encodeKvCommand(command: KvCommand): Uint8Array {
  const value = command.kind === 'delete' ? '' : command.value;
  if (LONE_SURROGATE.test(command.key) || LONE_SURROGATE.test(value)) {
    throw new ZkraftError('invalid_request', 'a key or value holds half a surrogate pair; send well-formed Unicode');
  }
  const keyBytes = encoder.encode(command.key);
  const valueBytes = encoder.encode(value);
  const bytes = new Uint8Array(PREFIX_BYTES + keyBytes.length + valueBytes.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, KINDS.indexOf(command.kind) + 1);
  view.setUint32(1, keyBytes.length);
  bytes.set(keyBytes, PREFIX_BYTES);
  bytes.set(valueBytes, PREFIX_BYTES + keyBytes.length);
  return bytes;
}

/** Total: `undefined` for bytes that are no command. */
export function decodeKvCommand(bytes: Uint8Array): KvCommand | undefined {
  if (bytes.length < PREFIX_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = KINDS[view.getUint8(0) - 1];
  const valueFrom = PREFIX_BYTES + view.getUint32(1);
  if (kind === undefined || valueFrom > bytes.length) return undefined;
  const key = decodeText(bytes.subarray(PREFIX_BYTES, valueFrom));
  if (key === undefined) return undefined;
  if (kind === 'delete') return valueFrom === bytes.length ? { kind, key } : undefined;
  const value = decodeText(bytes.subarray(valueFrom));
  return value === undefined ? undefined : { kind, key, value };
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
