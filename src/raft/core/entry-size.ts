/**
 * How much an entry counts where a limit is in bytes.
 *
 * Pages of committed entries and append messages count what an entry takes as a protobuf message of etcd's `raftpb`, so
 * that pages break where etcd's break. Flow control and the limit of uncommitted entries count the payload alone, so
 * that an empty entry (a new leader's, or the one that leaves a joint configuration) is never refused.
 */
import type { Entry } from '../types.ts';

/** Bytes of a base-128 varint. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

export function entryBytes(entry: Entry): number {
  const { length } = entry.data;
  const payload = length === 0 ? 0 : 1 + varintBytes(length) + length;
  return 2 + (1 + varintBytes(entry.term)) + (1 + varintBytes(entry.index)) + payload;
}

export const sumOfEntryBytes = (entries: readonly Entry[]): number =>
  entries.reduce((sum, entry) => sum + entryBytes(entry), 0);

export const sumOfPayloadBytes = (entries: readonly { readonly data: Uint8Array }[]): number =>
  entries.reduce((sum, { data }) => sum + data.length, 0);

/** The longest prefix of at most `bytesMax`, but at least one entry, so that a huge one cannot block the log. */
export function prefixWithin(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0;
  for (const [position, entry] of entries.entries()) {
    bytes += entryBytes(entry);
    if (bytes > bytesMax && position > 0) return entries.slice(0, position);
  }
  return entries;
}
