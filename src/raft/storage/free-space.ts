/**
 * Refuses to append before the disk is full.
 *
 * A full disk fails a write in the middle, and a failed write ends the node (fail-stop). So the free space is looked at
 * before: at most once a `probeIntervalMs`, and sooner when what we wrote since may have used up a quarter of the margin.
 * Only what grows the log is refused: votes, records of snapshots and compaction are small, and make room.
 */
import { statfs } from 'node:fs/promises';
import { ZkraftError } from '../../common/index.ts';

export interface FreeSpaceOptions {
  /** Where the log lies, for the message. */
  readonly where: string;
  /** Appends are refused while less than this is free. */
  readonly freeBytesMin?: number;
  readonly probeIntervalMs?: number;
  /** Bytes that this process may still write there. */
  readonly probe?: () => Promise<number>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** Room for LevelDB to merge its tables, for a snapshot of some size, and for an operator to act. */
export const FREE_BYTES_MIN = 512 * 1024 * 1024;
const PROBE_INTERVAL_MS = 1_000;
/** The engine writes an entry into its log, into a first table, and into later ones when it merges. */
const WRITE_AMPLIFICATION = 4;

const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

export class FreeSpaceGuard {
  readonly #where: string;
  readonly #freeBytesMin: number;
  readonly #probeIntervalMs: number;
  readonly #probe: () => Promise<number>;
  readonly #now: () => number;
  #freeBytes = 0;
  #probedMs = Number.NEGATIVE_INFINITY;
  #writtenBytes = 0;

  constructor(options: FreeSpaceOptions) {
    this.#where = options.where;
    this.#freeBytesMin = options.freeBytesMin ?? FREE_BYTES_MIN;
    this.#probeIntervalMs = options.probeIntervalMs ?? PROBE_INTERVAL_MS;
    this.#probe = options.probe ?? (() => freeBytesOf(options.where));
    this.#now = options.now;
  }

  /** As of the last probe: for a leader that refuses proposals in time, and for a metric. */
  get isLow(): boolean {
    return this.#freeBytes - this.#writtenBytes < this.#freeBytesMin;
  }

  /** Rejects with `disk_full` when `bytes` more must not be written. */
  async admit(bytes: number): Promise<void> {
    if (bytes === 0) return;
    const cost = bytes * WRITE_AMPLIFICATION;
    const margin = this.#freeBytes - this.#freeBytesMin;
    const isStale = this.#now() - this.#probedMs >= this.#probeIntervalMs;
    if (isStale || this.#writtenBytes + cost > margin / 4) {
      this.#freeBytes = await this.#probe();
      this.#probedMs = this.#now();
      this.#writtenBytes = 0;
    }
    if (this.#freeBytes - this.#writtenBytes - cost < this.#freeBytesMin) {
      throw new ZkraftError(
        'disk_full',
        `${this.#where} has ${gigabytes(this.#freeBytes)} free, and the replicated log stops taking entries below ` +
          `${gigabytes(this.#freeBytesMin)}; nothing was written. Make room, or move the folder to a larger disk`,
        { field: 'raft_dir' },
      );
    }
    this.#writtenBytes += cost;
  }
}

/** What an unprivileged process may still write to the file system of `path`. */
export async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
