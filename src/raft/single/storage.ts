/**
 * What the one-node log asks of a disk.
 *
 * Every promise that changes something resolves only after the change would survive a power cut. A failed write leaves
 * the storage unusable: after a failed fsync nobody knows what is on the disk, so nothing is ever retried.
 */
import type { LogEntry } from '../replicated-log.ts';

export interface Identity {
  readonly clusterId: string;
  readonly nodeId: string;
  /** Minted with the directory: a node that lost its disk is another incarnation, whatever its name. */
  readonly incarnationId: string;
}

export interface StoredLog {
  readonly identity: Identity;
  readonly term: number;
  /** First entry kept; `lastIndex + 1` when there is none. */
  readonly firstIndex: number;
  /** 0 when nothing was ever written. */
  readonly lastIndex: number;
}

export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly state: Uint8Array;
}

export interface LogStorage {
  /** Reads and checks what is there. Rejects with `log_corrupt`, `already_running`, and changes nothing then. */
  open(): Promise<StoredLog>;
  setTerm(term: number): Promise<void>;
  /** All or none of `entries`, which follow the last one without a gap. */
  append(entries: readonly LogEntry[]): Promise<void>;
  /** Entries `fromIndex` to the last, each checked; `log_corrupt` on damage or a gap. */
  read(fromIndex: number): AsyncIterable<LogEntry>;
  saveSnapshot(snapshot: Snapshot): Promise<void>;
  /** The newest that is whole. Undefined when none was ever made; `log_corrupt` when none is whole. */
  newestSnapshot(): Promise<Snapshot | undefined>;
  /** Entries after this one are needed should the newest snapshot be damaged; 0 while all are. */
  oldestSnapshotIndex(): number;
  /** Drops entries up to and with `index`. */
  compact(index: number): Promise<void>;
  close(): Promise<void>;
}
