/**
 * A snapshot file: `"ZKRS" | format u8 | header length u32 | header, JSON | state | state length u64 | SHA-256 of all before`.
 *
 * Length and digest come last, since the state is written as it streams. The header is the metadata and the cluster, so
 * that a file can be told by itself, and one of another cluster is never restored.
 */
import { ZkraftError } from '../../common/index.ts';
import type { SnapshotMetadata } from '../types.ts';

export const SNAPSHOT_VERSION = 1;
const MAGIC = Buffer.from('ZKRS');
export const PREFIX_BYTES = 9;
export const TRAILER_BYTES = 40;
/** A configuration of thousands of nodes takes less. */
const HEADER_BYTES_MAX = 64 * 1024;
const NAME = /^snapshot-(\d{16})-(\d{16})\.snap$/;
export const isTemporary = (name: string): boolean => /^snapshot-.*\.tmp$/.test(name);

export interface SnapshotHeader {
  readonly clusterId: string;
  readonly metadata: SnapshotMetadata;
}

export const snapshotName = ({ index, term }: Pick<SnapshotMetadata, 'index' | 'term'>): string =>
  `snapshot-${String(index).padStart(16, '0')}-${String(term).padStart(16, '0')}.snap`;

export const isSnapshot = (name: string): boolean => NAME.test(name);

export function encodeHeader(header: SnapshotHeader): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MAGIC.copy(prefix, 0);
  prefix.writeUInt8(SNAPSHOT_VERSION, 4);
  prefix.writeUInt32BE(json.length, 5);
  return Buffer.concat([prefix, json]);
}

/** Length of the header that follows the prefix. Throws `log_corrupt`. */
export function headerLength(prefix: Uint8Array, name: string): number {
  const view = Buffer.from(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  if (view.length < PREFIX_BYTES || !view.subarray(0, 4).equals(MAGIC)) throw damagedFile(name, 'is no snapshot');
  const version = view.readUInt8(4);
  if (version !== SNAPSHOT_VERSION) {
    throw damagedFile(name, `has format ${version}; this version reads ${SNAPSHOT_VERSION}`);
  }
  const length = view.readUInt32BE(5);
  if (length > HEADER_BYTES_MAX) throw damagedFile(name, 'has a header that cannot be');
  return length;
}

export function decodeHeader(json: Uint8Array, name: string): SnapshotHeader {
  try {
    return JSON.parse(Buffer.from(json).toString('utf8')) as SnapshotHeader;
  } catch {
    throw damagedFile(name, 'has a header that is no JSON');
  }
}

export function encodeLength(lengthBytes: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(lengthBytes), 0);
  return bytes;
}

export const damagedFile = (name: string, why: string): ZkraftError => new ZkraftError('log_corrupt', `${name} ${why}`);
