/**
 * What lies in a normal entry: one byte that says what it is, then the rest.
 *
 * | first byte | then | what it is |
 * |---|---|---|
 * | (no bytes) | | the empty entry of a new leader |
 * | 0 | the command | a command, applied each time it is committed |
 * | 1 | session, sequence (base 128), the command | a command of a session, applied once |
 * | 2 | | opens a session; its id is the entry's index |
 * | 3 | session (base 128) | closes it |
 *
 * Decoding is total: anything else is `unknown`, and changes nothing on any node.
 */
export type Command =
  | { readonly kind: 'empty' }
  | { readonly kind: 'plain'; readonly data: Uint8Array }
  | { readonly kind: 'session'; readonly session: number; readonly sequence: number; readonly data: Uint8Array }
  | { readonly kind: 'open-session' }
  | { readonly kind: 'close-session'; readonly session: number }
  | { readonly kind: 'unknown' };

const PLAIN = 0;
const IN_SESSION = 1;
const OPEN_SESSION = 2;
const CLOSE_SESSION = 3;
const UNKNOWN: Command = { kind: 'unknown' };

export function encodeCommand(command: Exclude<Command, { kind: 'empty' | 'unknown' }>): Uint8Array {
  switch (command.kind) {
    case 'plain':
      return joined([PLAIN], command.data);
    case 'session':
      return joined([IN_SESSION, ...varint(command.session), ...varint(command.sequence)], command.data);
    case 'open-session':
      return Uint8Array.of(OPEN_SESSION);
    case 'close-session':
      return Uint8Array.from([CLOSE_SESSION, ...varint(command.session)]);
  }
}

export function decodeCommand(bytes: Uint8Array): Command {
  if (bytes.length === 0) return { kind: 'empty' };
  if (bytes[0] === PLAIN) return { kind: 'plain', data: bytes.subarray(1) };
  if (bytes[0] === OPEN_SESSION) return bytes.length === 1 ? { kind: 'open-session' } : UNKNOWN;
  const session = readVarint(bytes, 1);
  if (session === undefined) return UNKNOWN;
  if (bytes[0] === CLOSE_SESSION) {
    return session.end === bytes.length ? { kind: 'close-session', session: session.value } : UNKNOWN;
  }
  if (bytes[0] !== IN_SESSION) return UNKNOWN;
  const sequence = readVarint(bytes, session.end);
  if (sequence === undefined) return UNKNOWN;
  return { kind: 'session', session: session.value, sequence: sequence.value, data: bytes.subarray(sequence.end) };
}

function joined(head: readonly number[], tail: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return bytes;
}

/** `undefined` for a number that has no end or is no safe integer. */
function readVarint(bytes: Uint8Array, from: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let at = from, scale = 1; at < bytes.length && scale <= 2 ** 49; at += 1, scale *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte % 128) * scale;
    if (byte < 128) return Number.isSafeInteger(value) ? { value, end: at + 1 } : undefined;
  }
  return undefined;
}
