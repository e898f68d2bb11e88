/**
 * What a snapshot's bytes are: `format u8 | length of members u32 | length of sessions u32 | members | sessions | state`.
 *
 * The snapshot store has the checksum, the configuration and the place in the log; here is only what the state machine
 * of the host does not know of.
 */
import { ZkraftError } from '../../common/index.ts';

const FORMAT = 1;
const PREFIX_BYTES = 9;

interface Sections {
  readonly members: Uint8Array;
  readonly sessions: Uint8Array;
}

export function imageHeader({ members, sessions }: Sections): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + members.length + sessions.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, FORMAT);
  view.setUint32(1, members.length);
  view.setUint32(5, sessions.length);
  bytes.set(members, PREFIX_BYTES);
  bytes.set(sessions, PREFIX_BYTES + members.length);
  return bytes;
}

/** Throws `log_corrupt` for what this version did not write. */
export function decodeImage(bytes: Uint8Array): Sections & { readonly state: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = bytes.length < PREFIX_BYTES ? undefined : view.getUint8(0);
  if (format !== FORMAT) {
    throw new ZkraftError('log_corrupt', `the snapshot has format ${format ?? 'none'}; this version reads ${FORMAT}`);
  }
  const sessionsFrom = PREFIX_BYTES + view.getUint32(1);
  const stateFrom = sessionsFrom + view.getUint32(5);
  if (stateFrom > bytes.length) throw new ZkraftError('log_corrupt', 'the snapshot is shorter than it says');
  return {
    members: bytes.subarray(PREFIX_BYTES, sessionsFrom),
    sessions: bytes.subarray(sessionsFrom, stateFrom),
    state: bytes.subarray(stateFrom),
  };
}
