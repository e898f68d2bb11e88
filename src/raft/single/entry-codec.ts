/**
 * How an entry lies on the disk: `version u8 | term u64 | previous crc u32 | crc u32 | data`, big-endian.
 *
 * The key is the index. The CRC-32 covers index, term, the previous entry's CRC and the data, so that the entries form
 * a chain: one that was damaged, swapped, or left over from another run of the log does not fit its neighbours.
 */
import { crc32 } from 'node:zlib';
import { ZkraftError } from '../../common/index.ts';
import type { LogEntry } from '../replicated-log.ts';

export const ENTRY_VERSION = 1;
const HEADER_BYTES = 17;

export function crcOf(entry: LogEntry, previousCrc: number): number {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(BigInt(entry.index), 0);
  head.writeBigUInt64BE(BigInt(entry.term), 8);
  head.writeUInt32BE(previousCrc, 16);
  return crc32(entry.data, crc32(head));
}

export function encodeEntry(entry: LogEntry, previousCrc: number): { readonly bytes: Buffer; readonly crc: number } {
  const crc = crcOf(entry, previousCrc);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + entry.data.length);
  bytes.writeUInt8(ENTRY_VERSION, 0);
  bytes.writeBigUInt64BE(BigInt(entry.term), 1);
  bytes.writeUInt32BE(previousCrc, 9);
  bytes.writeUInt32BE(crc, 13);
  bytes.set(entry.data, HEADER_BYTES);
  return { bytes, crc };
}

/** The entry, with its CRC checked; whether `previousCrc` fits its neighbour is for the reader of the chain to ask. */
export function decodeEntry(
  index: number,
  bytes: Uint8Array,
): { readonly entry: LogEntry; readonly crc: number; readonly previousCrc: number } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < HEADER_BYTES) throw new ZkraftError('log_corrupt', `entry ${index} is cut short`);
  const version = view.readUInt8(0);
  if (version !== ENTRY_VERSION) {
    throw new ZkraftError('log_corrupt', `entry ${index} has format ${version}; this version reads ${ENTRY_VERSION}`);
  }
  const previousCrc = view.readUInt32BE(9);
  const crc = view.readUInt32BE(13);
  const entry: LogEntry = {
    index,
    term: Number(view.readBigUInt64BE(1)),
    data: Uint8Array.from(view.subarray(HEADER_BYTES)),
  };
  if (crcOf(entry, previousCrc) !== crc) throw new ZkraftError('log_corrupt', `entry ${index} fails its checksum`);
  return { entry, crc, previousCrc };
}
