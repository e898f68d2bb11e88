/**
 * The witness outside the engine: which batch was last acknowledged.
 *
 * When the engine drops a damaged end of its write-ahead log, what is left looks like a shorter, sound log; only a
 * witness tells a lost end from a torn one. After each synced batch, and before its promise resolves, 64 bytes go into a
 * file of their own, into two slots in turn, each in a sector of its own. They are not synced (that would double the
 * price of a commit) except at a clean close: they survive `kill -9`, and after a power cut they may be some seconds
 * old. So they are a lower bound: never ahead of the log, unless the log lost what was acknowledged.
 *
 * A slot is `"ZKEM" | format u8 | closed u8 | 0 u16 | sequence u64 | digest, 32 hex digits | 0 x 12 | crc u32`.
 */
import { crc32 } from 'node:zlib';
import { ZkraftError } from '../../common/index.ts';
import type { BatchLink, LogHead } from './batch-record.ts';

export const MARK_BYTES = 64;
/** A sector: a torn write cannot damage both. */
export const MARK_SLOT_BYTES = 4096;
const MAGIC = Buffer.from('ZKEM');
const VERSION = 1;

export interface EndMark {
  readonly sequence: number;
  readonly digest: string;
  /** Written, and synced, at a clean close: the log must end exactly here. */
  readonly closed: boolean;
}

export const slotOf = (mark: EndMark): 0 | 1 => (mark.sequence % 2 === 0 ? 0 : 1);

export function encodeMark(mark: EndMark): Uint8Array {
  const bytes = Buffer.alloc(MARK_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt8(VERSION, 4);
  bytes.writeUInt8(mark.closed ? 1 : 0, 5);
  bytes.writeBigUInt64BE(BigInt(mark.sequence), 8);
  bytes.write(mark.digest, 16, 'latin1');
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

function decodeMark(bytes: Uint8Array): EndMark | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < MARK_BYTES || !view.subarray(0, 4).equals(MAGIC)) return undefined;
  if (crc32(view.subarray(0, 60)) !== view.readUInt32BE(60) || view.readUInt8(4) !== VERSION) return undefined;
  return {
    sequence: Number(view.readBigUInt64BE(8)),
    digest: view.toString('latin1', 16, 48),
    closed: view.readUInt8(5) === 1,
  };
}

/** The newer of two slots; one may be torn, or damaged. Throws `log_corrupt` when neither is whole. */
export function readMark(slots: readonly [Uint8Array, Uint8Array] | undefined): EndMark {
  if (slots === undefined) throw new ZkraftError('log_corrupt', 'the end mark is missing');
  const marks = slots.map(decodeMark).filter((mark) => mark !== undefined);
  const newest = marks.sort((a, b) => b.sequence - a.sequence)[0];
  if (newest === undefined) throw new ZkraftError('log_corrupt', 'both slots of the end mark fail their checksum');
  return newest;
}

/** Throws `log_corrupt` when the log does not have all that was acknowledged. */
export function checkEnd(mark: EndMark, head: LogHead, links: readonly BatchLink[]): void {
  if (head.sequence < mark.sequence) {
    throw new ZkraftError(
      'log_corrupt',
      `its end is lost: batch ${mark.sequence} was acknowledged, but the log ends with batch ${head.sequence}, ` +
        `entry ${head.lastIndex}`,
    );
  }
  if (mark.closed && head.sequence > mark.sequence) {
    throw new ZkraftError(
      'log_corrupt',
      `it was closed after batch ${mark.sequence}, but ends with batch ${head.sequence}`,
    );
  }
  const link = links.find(({ sequence }) => sequence === mark.sequence);
  if (link !== undefined && link.digest !== mark.digest) {
    throw new ZkraftError('log_corrupt', `batch ${mark.sequence} is not the one that was acknowledged`);
  }
}
