/**
 * What consensus asks of a disk (Raft, Figure 2, "persistent state"; the reads are those of the core's storage view).
 *
 * Reads are synchronous and show only what is durable. Every promise resolves only after an fsync; appends take effect
 * in the order in which they were called. A call that breaks the rules of the log (a gap, a term that falls, a cut
 * below the commit index) rejects, leaves no trace, and is a fault of the caller. So does `disk_full`, from the guard,
 * before a byte is written. Any other failed write is the end: after a failed fsync nobody knows what is on the disk,
 * so that call and every later one reject with `log_write_failed`, and nothing is ever tried again.
 */
import type { StorageView } from '../core/storage-view.ts';
import type { Entry, HardState, LogIndex, NodeId, SnapshotMetadata } from '../types.ts';

/** Whose log this is. Minted with the folder, never changed. */
export interface LogIdentity {
  readonly clusterId: string;
  /** The operator's name for the node; survives the loss of a disk. */
  readonly nodeName: string;
  /** Names this incarnation in votes and configurations: a node that lost its disk comes back under another. */
  readonly nodeId: NodeId;
  /** The same for handshakes, unguessable: a UUID. */
  readonly incarnationId: string;
}

/** What one `Ready` wants written. In this order: the snapshot resets the log, the entries follow, the state is set. */
export interface LogAppend {
  readonly snapshot?: SnapshotMetadata;
  /** Without gaps. They replace whatever the log has from the first of them on. */
  readonly entries?: readonly Entry[];
  readonly hardState?: HardState;
}

/**
 * The reads are the core's. `entries` takes what is beyond the cap of the tail in memory from the engine, synchronously:
 * some twenty microseconds an entry from its cache, a disk read at worst; `load` brings it in before. `term` never reads the
 * disk. `snapshot` has no data: the bytes travel from the snapshot store, not through the core.
 */
export interface LogStorage extends StorageView {
  readonly identity: LogIdentity;
  /** `entries(lo, residentTo(lo))` comes from memory; `lo` itself where not even the first would. */
  residentTo(lo: LogIndex): LogIndex;
  /** Whether `entries(lo, hi)` would come from memory. */
  isResident(lo: LogIndex, hi: LogIndex): boolean;
  /** Reads ahead, off the thread, for a peer that lags: one window, of at most `windowBytesMax`, is kept. */
  load(lo: LogIndex, hi: LogIndex): Promise<void>;

  append(write: LogAppend): Promise<void>;
  /**
   * A snapshot that came from a peer and is whole in the snapshot store. If the log has its last entry, the same term at
   * the same index, what follows is kept; else the whole log goes (thesis, 5.2).
   */
  applySnapshot(metadata: SnapshotMetadata, hardState?: HardState): Promise<void>;
  /** A snapshot of our own, whole in the snapshot store: a restart may now begin from it. The newest two are known. */
  recordSnapshot(metadata: SnapshotMetadata): Promise<void>;
  /** The two newest, oldest first. The one at index 0 is the cluster's beginning: a configuration without a file. */
  recordedSnapshots(): readonly SnapshotMetadata[];
  /** After the newest snapshot turned out damaged: begin from this recorded one. In memory; for the boot only. */
  beginFrom(metadata: SnapshotMetadata): void;
  /** Drops entries up to and with `to`, which every recorded snapshot that may be restored must reach. */
  compact(to: LogIndex): Promise<void>;
  /** Lets what was queued finish, notes the clean close, and gives the place back. */
  close(): Promise<void>;
}
