/**
 * What every batch writes besides its entries: the head of the log, and its own link in the chain of batches.
 *
 * The engine may silently drop a damaged tail, or a damaged middle, of its own write-ahead log. So each batch has a
 * sequence number and a digest over the digest before it and all that it changes. The head says which batch was last and
 * what the log must look like after it; the links of the last `LINKS_KEPT` batches show that none between is missing;
 * the end mark (end-mark.ts), kept outside the engine, says which batch was acknowledged. A record is
 * `crc u32 | format u8 | JSON`: it is small, and can be read in an emergency.
 */
import { crc32 } from 'node:zlib';
import { invariant, sha256, ZkraftError } from '../../common/index.ts';
import type { HardState, LogIndex, SnapshotMetadata, Term } from '../types.ts';
import type { LogIdentity } from './log-storage.ts';

export const RECORD_VERSION = 1;
/** The chain is held against a mark that is a few seconds old at most, and a link is but 80 bytes. */
export const LINKS_KEPT = 1024;
export const HEAD_KEY = 'head';
export const linkKey = (sequence: number): string => `link${String(sequence % LINKS_KEPT).padStart(4, '0')}`;
export const LINK_RANGE = { gte: 'link', lt: 'linl' };
/** 16 digits hold every safe integer, and sort as the numbers do. */
export const entryKey = (index: LogIndex): string => `e${String(index).padStart(16, '0')}`;
export const ENTRY_RANGE = { gte: 'e0', lt: 'e:' };
const PREFIX_BYTES = 5;
/** Of the SHA-256: it guards against chance, not against an attacker who can write to our disk. */
const DIGEST_HEX_DIGITS = 32;
export const FIRST_DIGEST = '0'.repeat(DIGEST_HEX_DIGITS);

/** The state of the log after a batch. */
export interface LogHead {
  readonly sequence: number;
  readonly digest: string;
  /** Whose log: a database that was moved into another node's folder is found out. */
  readonly clusterId: string;
  readonly nodeId: number;
  readonly hardState: HardState;
  /** The last entry that is not there any more: firstIndex is `baseIndex + 1`. */
  readonly baseIndex: LogIndex;
  readonly baseTerm: Term;
  readonly baseCrc: number;
  readonly lastIndex: LogIndex;
  readonly lastCrc: number;
  /** Oldest first, two at most; the first may stand for the configuration that the cluster began with, at index 0. */
  readonly snapshots: readonly SnapshotMetadata[];
}

export interface BatchLink {
  readonly sequence: number;
  readonly previous: string;
  readonly digest: string;
}

/** The head after a batch, without what is computed from the rest. */
export type HeadChange = Omit<LogHead, 'sequence' | 'digest' | 'clusterId' | 'nodeId'>;

/** Head and link of the batch that follows `before`. The entries are bound by the CRC of the last of them. */
export function nextHead(
  before: Pick<LogHead, 'sequence' | 'digest'>,
  identity: LogIdentity,
  change: HeadChange,
): { readonly head: LogHead; readonly link: BatchLink } {
  const sequence = before.sequence + 1;
  const { hardState, baseIndex, baseTerm, baseCrc, lastIndex, lastCrc, snapshots } = change;
  const body = { clusterId: identity.clusterId, nodeId: identity.nodeId, hardState, baseIndex, baseTerm, baseCrc };
  const rest = { lastIndex, lastCrc, snapshots };
  const digest = Buffer.from(sha256(`${before.digest} ${sequence} ${JSON.stringify({ ...body, ...rest })}`))
    .toString('hex')
    .slice(0, DIGEST_HEX_DIGITS);
  return {
    head: { sequence, digest, ...body, ...rest },
    link: { sequence, previous: before.digest, digest },
  };
}

export function encodeRecord(record: object): Uint8Array {
  const text = JSON.stringify(record);
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + Buffer.byteLength(text));
  bytes.writeUInt8(RECORD_VERSION, 4);
  bytes.write(text, PREFIX_BYTES);
  bytes.writeUInt32BE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

function decodeRecord(bytes: Uint8Array, what: string): unknown {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length <= PREFIX_BYTES || crc32(view.subarray(4)) !== view.readUInt32BE(0)) {
    throw new ZkraftError('log_corrupt', `${what} fails its checksum`);
  }
  const version = view.readUInt8(4);
  if (version !== RECORD_VERSION) {
    throw new ZkraftError('log_corrupt', `${what} has format ${version}; this version reads ${RECORD_VERSION}`);
  }
  return JSON.parse(view.toString('utf8', PREFIX_BYTES));
}

// The checksum vouches for the rest of the shape: nobody but `encodeRecord` wrote it.
export const decodeHead = (bytes: Uint8Array): LogHead => decodeRecord(bytes, 'the head record') as LogHead;

export const decodeLink = (bytes: Uint8Array, key: string): BatchLink =>
  decodeRecord(bytes, `the batch record ${key}`) as BatchLink;

/** Throws `log_corrupt` unless `links` are the last ones up to `head`, each following the one before. */
export function checkChain(links: readonly BatchLink[], head: LogHead): void {
  invariant(head.sequence >= 1, 'a log has at least the batch that made it');
  const sorted = links.toSorted((a, b) => a.sequence - b.sequence);
  const expected = Math.min(head.sequence, LINKS_KEPT);
  let sequence = head.sequence - expected;
  let previous: string | undefined = sequence === 0 ? FIRST_DIGEST : undefined;
  for (const link of sorted) {
    sequence += 1;
    if (link.sequence !== sequence) throw new ZkraftError('log_corrupt', `batch ${sequence} is missing`);
    if (previous !== undefined && link.previous !== previous) {
      throw new ZkraftError('log_corrupt', `batch ${sequence} does not follow the one before it`);
    }
    previous = link.digest;
  }
  if (sorted.length !== expected) throw new ZkraftError('log_corrupt', `batch ${sequence + 1} is missing`);
  if (previous !== head.digest) {
    throw new ZkraftError('log_corrupt', `batch ${head.sequence} is not the one that wrote the head record`);
  }
}
