/**
 * A `Disk` in memory that can crash: what was written but not synced is lost, all of it or all but a first part.
 *
 * For tests and the simulator. There is no timer, clock or chance in it: a write waits until the driver calls `sync`, so
 * a stall is a driver that does not, and an error is what `failNext` says. `autoSync` completes each write at once. A
 * batch is atomic, as in the engine, whose checksums drop a torn one; so a torn tail is a count of whole batches that
 * reached the platter, and `loseSynced` is the engine that drops more than that, or a disk that lied.
 */
import { ZkraftError } from '../../common/index.ts';
import type { Disk, DiskPut, KeyRange } from './disk.ts';
import { MARK_BYTES } from './end-mark.ts';

export interface SimulatedDiskOptions {
  readonly where?: string;
  /** Writes need no `sync` call. */
  readonly autoSync?: boolean;
}

export interface CrashOptions {
  /** How many of the unsynced writes, the oldest first, reached the platter all the same. */
  readonly kept?: number;
  /** Whether the page cache survives (`kill -9`), and the end mark with it, or not (a power cut). */
  readonly keepsMark?: boolean;
}

interface PendingWrite {
  readonly apply: () => void;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

type Marks = readonly [Uint8Array, Uint8Array];
/** Batches that `loseSynced` can take back. */
const UNDO_KEPT = 64;

export class SimulatedDisk implements Disk {
  readonly where: string;
  autoSync: boolean;
  readonly #values = new Map<string, Uint8Array>();
  readonly #files = new Map<string, Uint8Array>();
  #durableMarks: Marks | undefined;
  #marks: Marks | undefined;
  #pending: PendingWrite[] = [];
  #undo: DiskPut[][] = [];
  #isOpen = false;
  #failure: Error | undefined;
  #syncs = 0;

  constructor(options: SimulatedDiskOptions = {}) {
    this.where = options.where ?? 'the simulated disk';
    this.autoSync = options.autoSync ?? false;
  }

  /** Writes that wait for `sync`. */
  get pendingWrites(): number {
    return this.#pending.length;
  }

  /** Syncs that were done. */
  get syncs(): number {
    return this.#syncs;
  }

  /** Completes what waits, the oldest first, `count` at most. Says how many it completed. */
  sync(count = Number.POSITIVE_INFINITY): number {
    let done = 0;
    for (; done < count; done += 1) {
      const write = this.#pending.shift();
      if (write === undefined) break;
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure === undefined) {
        write.apply();
        this.#syncs += 1;
        write.resolve();
      } else {
        write.reject(failure);
      }
    }
    return done;
  }

  /** The next write to be synced fails with `error`, and is not on the disk; `undefined`: it does not, after all. */
  failNext(error: Error | undefined): void {
    this.#failure = error;
  }

  /**
   * The process is gone, and its promises never settle; the place can be opened again. Whoever still holds the log of
   * before must drop it, as a dead process does.
   */
  crash({ kept = 0, keepsMark = false }: CrashOptions = {}): void {
    for (const write of this.#pending.splice(0).slice(0, kept)) write.apply();
    if (keepsMark) this.#durableMarks = this.#marks;
    else this.#marks = this.#durableMarks;
    this.#failure = undefined;
    this.#isOpen = false;
  }

  /** Takes back the last `count` synced batches: damage, since they may have been acknowledged. */
  loseSynced(count: number): void {
    for (const undo of this.#undo.splice(-count).reverse()) this.#put(undo);
  }

  /** Changes a stored value, or a file, as rot does. */
  damage(key: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    const place = this.#files.has(key) ? this.#files : this.#values;
    const changed = change(Uint8Array.from(place.get(key) ?? new Uint8Array(0)));
    if (changed === undefined) place.delete(key);
    else place.set(key, changed);
  }

  /** All that a crash would leave, in a disk of its own. */
  clone(): SimulatedDisk {
    const copy = new SimulatedDisk({ where: this.where, autoSync: this.autoSync });
    for (const [key, value] of this.#values) copy.#values.set(key, value);
    for (const [name, bytes] of this.#files) copy.#files.set(name, bytes);
    copy.#durableMarks = this.#durableMarks;
    copy.#marks = this.#durableMarks;
    return copy;
  }

  async isEmpty(): Promise<boolean> {
    return this.#values.size === 0 && this.#marks === undefined;
  }

  async open(mayCreate: boolean): Promise<void> {
    if (this.#isOpen) {
      throw new ZkraftError('already_running', `${this.where} is in use by another log`, { field: 'raft_dir' });
    }
    if (!mayCreate && this.#values.size === 0) throw new ZkraftError('log_corrupt', 'its database is missing');
    this.#isOpen = true;
  }

  async readFile(name: string): Promise<Uint8Array | undefined> {
    return this.#files.get(name);
  }

  writeFile(name: string, bytes: Uint8Array): Promise<void> {
    return this.#wait(() => {
      this.#files.set(name, Uint8Array.from(bytes));
    });
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  async *scan({ gte, lt }: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    const keys = [...this.#values.keys()].filter((key) => key >= gte && key < lt).sort();
    for (const key of keys) {
      const value = this.#values.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  write(puts: readonly DiskPut[]): Promise<void> {
    return this.#wait(() => {
      this.#undo.push(puts.map(({ key }) => ({ key, value: this.#values.get(key) })));
      if (this.#undo.length > UNDO_KEPT) this.#undo.shift();
      this.#put(puts);
    });
  }

  async clear({ gte, lt }: KeyRange): Promise<void> {
    for (const key of this.#values.keys()) if (key >= gte && key < lt) this.#values.delete(key);
  }

  async readMarks(): Promise<Marks | undefined> {
    return this.#marks;
  }

  writeMark(slot: 0 | 1, bytes: Uint8Array, sync: boolean): Promise<void> {
    const other = this.#marks?.[slot === 0 ? 1 : 0] ?? new Uint8Array(MARK_BYTES);
    this.#marks = slot === 0 ? [bytes, other] : [other, bytes];
    if (!sync) return Promise.resolve();
    return this.#wait(() => {
      this.#durableMarks = this.#marks;
    });
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #put(puts: readonly DiskPut[]): void {
    for (const { key, value } of puts) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
  }

  #wait(apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ apply, resolve, reject });
      if (this.autoSync) this.sync();
    });
  }
}
