/**
 * `LogStorage` over a `Disk`: one loop writes, one batch at a time, and merges what waits.
 *
 * A batch holds the new entries, the deletion of those that they replace, the head record and the batch's link; the
 * engine writes it whole or not at all, and syncs it. Then the end mark, then the tail in memory, then the promises.
 * See README.md for the formats, and for what each check is for.
 */
import { invariant, ZkraftError } from '../../common/index.ts';
import { entryBytes } from '../core/entry-size.ts';
import {
  EMPTY_CONF_STATE,
  type Entry,
  type HardState,
  type LogIndex,
  type Snapshot,
  type SnapshotMetadata,
  type Term,
} from '../types.ts';
import {
  ENTRY_RANGE,
  encodeRecord,
  entryKey,
  HEAD_KEY,
  type HeadChange,
  type LogHead,
  linkKey,
  nextHead,
} from './batch-record.ts';
import { damaged } from './boot.ts';
import type { Disk, DiskPut } from './disk.ts';
import type { DiskStallWatch } from './disk-stall.ts';
import { encodeMark } from './end-mark.ts';
import { decodeEntry, encodeEntry, type StoredEntry } from './entry-codec.ts';
import type { FreeSpaceGuard } from './free-space.ts';
import type { LogAppend, LogIdentity, LogStorage } from './log-storage.ts';
import type { LogTail } from './log-tail.ts';
import { type LogState, Stage } from './stage.ts';

export interface DurableLogOptions {
  /** Cap of the entries in memory. */
  readonly residentBytesMax?: number;
  /** Cap of what `load` reads ahead. */
  readonly windowBytesMax?: number;
  /** Told of each write when it begins and ends. */
  readonly stallWatch?: DiskStallWatch;
  /** Asked before each write. */
  readonly freeSpace?: Pick<FreeSpaceGuard, 'admit'>;
}

/** One batch: enough to fill an fsync, little enough that nothing waits long behind it. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** All that may wait for the disk. More is a caller without flow control. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const QUEUE_CALLS_MAX = 100_000;
const WINDOW_BYTES_MAX = 4 * 1024 * 1024;

interface Job {
  readonly stage: Stage;
  readonly waiters: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[];
}

export class DurableLog implements LogStorage {
  readonly identity: LogIdentity;
  readonly #disk: Disk;
  readonly #tail: LogTail;
  readonly #stallWatch: DiskStallWatch | undefined;
  readonly #freeSpace: Pick<FreeSpaceGuard, 'admit'> | undefined;
  readonly #windowBytesMax: number;
  #head: LogHead;
  /** First the one that is being written. */
  #jobs: Job[] = [];
  #draining: Promise<void> | undefined;
  #writing = false;
  #failure: ZkraftError | undefined;
  #closing: Promise<void> | undefined;
  #window: { readonly from: LogIndex; readonly entries: readonly Entry[] } | undefined;

  /** `head` and `tail` as `readLog` left them. */
  constructor(disk: Disk, identity: LogIdentity, head: LogHead, tail: LogTail, options: DurableLogOptions) {
    this.#disk = disk;
    this.identity = identity;
    this.#head = head;
    this.#tail = tail;
    this.#stallWatch = options.stallWatch;
    this.#freeSpace = options.freeSpace;
    this.#windowBytesMax = options.windowBytesMax ?? WINDOW_BYTES_MAX;
  }

  initialState(): ReturnType<LogStorage['initialState']> {
    return {
      hardState: this.#head.hardState,
      confState: this.#head.snapshots.at(-1)?.confState ?? EMPTY_CONF_STATE,
    };
  }

  firstIndex(): LogIndex {
    return this.#tail.base.index + 1;
  }

  lastIndex(): LogIndex {
    return this.#tail.lastIndex;
  }

  term(index: LogIndex): Term | undefined {
    return this.#tail.term(index);
  }

  snapshot(): Snapshot | undefined {
    const metadata = this.#head.snapshots.at(-1);
    return metadata === undefined || metadata.index === 0 ? undefined : { data: new Uint8Array(0), metadata };
  }

  recordedSnapshots(): readonly SnapshotMetadata[] {
    return this.#head.snapshots;
  }

  entries(lo: LogIndex, hi: LogIndex, bytesMax: number): readonly Entry[] | undefined {
    if (lo < this.firstIndex()) return undefined;
    invariant(
      hi <= this.lastIndex() + 1,
      `entries up to ${hi - 1} are asked for, but the log ends with ${this.lastIndex()}`,
    );
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = lo; index < hi; index += 1) {
      const entry = this.#inMemory(index) ?? this.#fromDisk(index).entry;
      bytes += entryBytes(entry);
      if (bytes > bytesMax && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  residentTo(lo: LogIndex): LogIndex {
    const { residentFrom, lastIndex } = this.#tail;
    if (lo >= residentFrom) return Math.max(lo, lastIndex + 1);
    const window = this.#window;
    if (window === undefined || lo < window.from) return lo;
    const windowEnd = window.from + window.entries.length;
    return windowEnd >= residentFrom ? lastIndex + 1 : Math.max(lo, windowEnd);
  }

  isResident(lo: LogIndex, hi: LogIndex): boolean {
    return lo >= hi || this.residentTo(lo) >= hi;
  }

  async load(lo: LogIndex, hi: LogIndex): Promise<void> {
    const end = Math.min(hi, this.#tail.residentFrom);
    if (lo < this.firstIndex() || lo >= end) return;
    const entries: Entry[] = [];
    let bytes = 0;
    try {
      for await (const [key, value] of this.#disk.scan({ gte: entryKey(lo), lt: entryKey(end) })) {
        const { entry } = decodeEntry(Number(key.slice(1)), value);
        bytes += entryBytes(entry);
        if (entry.index !== lo + entries.length || (entries.length > 0 && bytes > this.#windowBytesMax)) break;
        entries.push(entry);
      }
    } catch (error) {
      throw this.#fail(damaged(this.#disk.where, error));
    }
    if (entries.length === 0 && lo >= this.firstIndex() && lo < this.#tail.residentFrom) {
      throw this.#fail(damaged(this.#disk.where, new ZkraftError('log_corrupt', `entry ${lo} is missing`)));
    }
    // What was replaced, or compacted, while we read is not worth keeping; index and term name an entry.
    if (entries.every(({ index, term }) => this.#tail.term(index) === term)) this.#window = { from: lo, entries };
  }

  append(write: LogAppend): Promise<void> {
    return this.#enqueue((stage) => stage.append(write));
  }

  applySnapshot(snapshot: SnapshotMetadata, hardState?: HardState): Promise<void> {
    return this.append({ snapshot, ...(hardState === undefined ? {} : { hardState }) });
  }

  recordSnapshot(metadata: SnapshotMetadata): Promise<void> {
    return this.#enqueue((stage) => stage.recordSnapshot(metadata));
  }

  beginFrom({ index }: SnapshotMetadata): void {
    const { snapshots, baseIndex } = this.#head;
    invariant(this.#jobs.length === 0, 'a log begins from an older snapshot only before anything is written');
    invariant(
      index >= baseIndex && snapshots.some((one) => one.index === index),
      `snapshot ${index} can be begun from`,
    );
    this.#head = { ...this.#head, snapshots: snapshots.filter((one) => one.index <= index) };
  }

  async compact(to: LogIndex): Promise<void> {
    const before = this.#tail.base.index;
    await this.#enqueue((stage) => stage.compact(to));
    if (this.#tail.base.index <= before || this.#failure !== undefined) return;
    const range = { gte: ENTRY_RANGE.gte, lt: entryKey(this.#tail.base.index + 1) };
    await this.#disk.clear(range).catch((error: unknown) => {
      throw this.#fail(this.#writeFailed(error));
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    await this.#draining;
    try {
      if (this.#failure === undefined) await writeMarks(this.#disk, this.#head, true);
    } finally {
      await this.#disk.close();
    }
  }

  /** Merges into what waits; the first call of a turn starts the loop, so that all calls of that turn share a batch. */
  #enqueue(change: (stage: Stage) => void): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) {
      return Promise.reject(new ZkraftError('shutting_down', 'the log is being closed; nothing was written'));
    }
    let job = this.#jobs.at(-1);
    const isTaken =
      job === undefined || (this.#writing && this.#jobs.length === 1) || job.stage.bytes >= BATCH_BYTES_MAX;
    if (isTaken) job = { stage: new Stage(job?.stage ?? this.#state()), waiters: [] };
    invariant(job !== undefined, 'there is a batch to join');
    const waiting = this.#jobs.reduce((sum, { waiters }) => sum + waiters.length, 0);
    const bytes = this.#jobs.reduce((sum, { stage }) => sum + stage.bytes, 0);
    if (bytes > QUEUE_BYTES_MAX || waiting >= QUEUE_CALLS_MAX) {
      return Promise.reject(new ZkraftError('overloaded', `${bytes} bytes wait for the disk; nothing was written`));
    }
    try {
      change(job.stage);
    } catch (error) {
      return Promise.reject(error);
    }
    if (isTaken) this.#jobs.push(job);
    const { waiters } = job;
    const ended = this.#stallWatch?.begin();
    return new Promise<void>((resolve, reject) => {
      waiters.push({
        resolve: () => {
          ended?.();
          resolve();
        },
        reject: (error) => {
          ended?.();
          reject(error);
        },
      });
      this.#draining ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    await Promise.resolve();
    for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
      this.#writing = true;
      try {
        if (this.#failure !== undefined) throw this.#failure;
        await this.#freeSpace?.admit(job.stage.bytes);
        await this.#write(job.stage);
        this.#jobs.shift();
        // The next one builds upon what is durable now; else each would hold on to all before it.
        this.#jobs[0]?.stage.rebase(this.#state());
        for (const waiter of job.waiters) waiter.resolve();
      } catch (error) {
        const isRefusal = error instanceof ZkraftError && error.code === 'disk_full';
        const reason = isRefusal ? error : this.#fail(this.#writeFailed(error));
        // What waits behind was checked against a state that will not be.
        for (const { waiters } of this.#jobs.splice(0)) for (const waiter of waiters) waiter.reject(reason);
      }
      this.#writing = false;
    }
    this.#draining = undefined;
  }

  async #write(stage: Stage): Promise<void> {
    const { entries, resetTo } = stage;
    const first = entries[0]?.index ?? stage.lastIndex + 1;
    // After a reset the entries follow the snapshot, and the chain begins anew.
    const crcBefore = (index: LogIndex): number => (resetTo === undefined ? this.#crcAt(index) : 0);
    let crc = crcBefore(first - 1);
    const puts: DiskPut[] = [];
    const crcs = entries.map((entry) => {
      const encoded = encodeEntry(entry, crc);
      puts.push({ key: entryKey(entry.index), value: encoded.bytes });
      ({ crc } = encoded);
      return crc;
    });
    for (let index = stage.lastIndex + 1; index <= this.#tail.lastIndex; index += 1) {
      puts.push({ key: entryKey(index), value: undefined });
    }
    const { baseIndex } = stage;
    const baseCrc = baseIndex >= first ? (crcs[baseIndex - first] ?? 0) : crcBefore(baseIndex);
    const change: HeadChange = {
      hardState: stage.hardState,
      baseIndex,
      baseTerm: stage.term(baseIndex) ?? 0,
      baseCrc,
      lastIndex: stage.lastIndex,
      lastCrc: crc,
      snapshots: stage.snapshots,
    };
    const { head, link } = nextHead(this.#head, this.identity, change);
    puts.push({ key: HEAD_KEY, value: encodeRecord(head) });
    puts.push({ key: linkKey(link.sequence), value: encodeRecord(link) });
    await this.#disk.write(puts);
    const mark = { sequence: head.sequence, digest: head.digest, closed: false };
    await this.#disk.writeMark(head.sequence % 2 === 0 ? 0 : 1, encodeMark(mark), false);
    this.#head = head;
    const window = this.#window;
    if (resetTo !== undefined || (window !== undefined && first < window.from + window.entries.length)) {
      this.#window = undefined;
    }
    if (resetTo !== undefined) this.#tail.reset({ index: resetTo.index, term: resetTo.term, crc: 0 });
    if (entries.length > 0) this.#tail.truncate(first - 1);
    entries.forEach((entry, i) => {
      this.#tail.push(entry, crcs[i] ?? 0);
    });
    this.#tail.compact({ index: head.baseIndex, term: head.baseTerm, crc: head.baseCrc });
  }

  #crcAt(index: LogIndex): number {
    return this.#tail.crc(index) ?? this.#fromDisk(index).crc;
  }

  #inMemory(index: LogIndex): Entry | undefined {
    return this.#tail.resident(index) ?? this.#window?.entries[index - this.#window.from];
  }

  #fromDisk(index: LogIndex): StoredEntry {
    try {
      const bytes = this.#disk.get(entryKey(index));
      if (bytes === undefined) throw new ZkraftError('log_corrupt', `entry ${index} is missing`);
      const stored = decodeEntry(index, bytes);
      // Index and term name an entry: an older one under this key, come back from the dead, has another term.
      if (stored.entry.term !== this.#tail.term(index)) {
        throw new ZkraftError(
          'log_corrupt',
          `entry ${index} is of term ${stored.entry.term}, not ${this.#tail.term(index)}`,
        );
      }
      return stored;
    } catch (error) {
      throw this.#fail(damaged(this.#disk.where, error));
    }
  }

  #state(): LogState {
    return {
      hardState: this.#head.hardState,
      baseIndex: this.#tail.base.index,
      lastIndex: this.#tail.lastIndex,
      snapshots: this.#head.snapshots,
      term: (index) => this.#tail.term(index),
    };
  }

  #writeFailed(error: unknown): ZkraftError {
    if (error instanceof ZkraftError && (error.code === 'log_corrupt' || error.code === 'log_write_failed'))
      return error;
    return new ZkraftError(
      'log_write_failed',
      `a write to the replicated log in ${this.#disk.where} failed (${error instanceof Error ? error.message : String(error)}); ` +
        'what was in flight may or may not be on the disk. This node stops: look at the disk, then start it again',
      { cause: error },
    );
  }

  /** The first failure is the one that every later call is told of. */
  #fail(error: ZkraftError): ZkraftError {
    this.#failure ??= error;
    return this.#failure;
  }
}

/** Both slots, synced: at creation, at each opening and at a clean close. */
export async function writeMarks(disk: Disk, head: LogHead, closed: boolean): Promise<void> {
  const bytes = encodeMark({ sequence: head.sequence, digest: head.digest, closed });
  // In the order in which a tear between them leaves a mark that claims less.
  for (const slot of [0, 1] as const) await disk.writeMark(slot, bytes, true);
}
