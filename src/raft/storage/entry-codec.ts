/**
 * How an entry lies on the disk: `version u8 | type u8 | term u64 | previous crc u32 | crc u32 | data`, big-endian, under
 * a key that is its index.
 *
 * The CRC-32 covers index, type, term, the previous entry's CRC and the data, so that the entries form a chain: one that
 * was damaged, swapped, or left over from another history of the log does not fit its neighbours.
 */
import { crc32 } from 'node:zlib';
import { ZkraftError } from '../../common/index.ts';
import type { Entry, EntryType, LogIndex } from '../types.ts';

/** 1 is the format of the one-node log, which has no types. */
export const ENTRY_VERSION = 2;
const HEADER_BYTES = 18;
const TYPES: readonly EntryType[] = ['normal', 'conf-change', 'conf-change-v2'];

export interface StoredEntry {
  readonly entry: Entry;
  readonly crc: number;
  readonly previousCrc: number;
}

function crcOf(index: LogIndex, type: number, term: number, previousCrc: number, data: Uint8Array): number {
  const head = Buffer.allocUnsafe(21);
  head.writeBigUInt64BE(BigInt(index), 0);
  head.writeUInt8(type, 8);
  head.writeBigUInt64BE(BigInt(term), 9);
  head.writeUInt32BE(previousCrc, 17);
  const headCrc = crc32(head);
  // Of no bytes, Node 20 answers 0 and not what was given when the empty array has no memory behind it.
  return data.length === 0 ? headCrc : crc32(data, headCrc);
}

export function encodeEntry(entry: Entry, previousCrc: number): { readonly bytes: Uint8Array; readonly crc: number } {
  const type = TYPES.indexOf(entry.type);
  const crc = crcOf(entry.index, type, entry.term, previousCrc, entry.data);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + entry.data.length);
  bytes.writeUInt8(ENTRY_VERSION, 0);
  bytes.writeUInt8(type, 1);
  bytes.writeBigUInt64BE(BigInt(entry.term), 2);
  bytes.writeUInt32BE(previousCrc, 10);
  bytes.writeUInt32BE(crc, 14);
  bytes.set(entry.data, HEADER_BYTES);
  return { bytes, crc };
}

/** The entry, its CRC checked; whether `previousCrc` fits its neighbour is for the reader of the chain to ask. */
export function decodeEntry(index: LogIndex, bytes: Uint8Array): StoredEntry {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < HEADER_BYTES) throw new ZkraftError('log_corrupt', `entry ${index} is cut short`);
  const version = view.readUInt8(0);
  if (version !== ENTRY_VERSION) {
    throw new ZkraftError('log_corrupt', `entry ${index} has format ${version}; this version reads ${ENTRY_VERSION}`);
  }
  const typeCode = view.readUInt8(1);
  const type = TYPES[typeCode];
  const term = Number(view.readBigUInt64BE(2));
  const previousCrc = view.readUInt32BE(10);
  const crc = view.readUInt32BE(14);
  const data = Uint8Array.from(view.subarray(HEADER_BYTES));
  if (type === undefined || crcOf(index, typeCode, term, previousCrc, data) !== crc) {
    throw new ZkraftError('log_corrupt', `entry ${index} fails its checksum`);
  }
  return { entry: { index, term, type, data }, crc, previousCrc };
}
