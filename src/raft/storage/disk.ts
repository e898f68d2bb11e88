/**
 * The little that the durable log asks of a place to write: an ordered map with atomic, synced batches, a few small
 * files, and one mark. `level-disk.ts` is LevelDB in a folder; `simulated-disk.ts` a model that forgets at a crash what
 * was not synced. Everything above, formats and checks included, is the same code for both.
 */
export interface DiskPut {
  readonly key: string;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
}

/** Keys from `gte` up to, without, `lt`. */
export interface KeyRange {
  readonly gte: string;
  readonly lt: string;
}

export interface Disk {
  /** For messages: the folder. */
  readonly where: string;
  /** Takes the place for this process: `already_running` when another has it, `log_corrupt` when it cannot be read. */
  open(mayCreate: boolean): Promise<void>;
  /** Whether nothing was ever put here. Asked before `open`. */
  isEmpty(): Promise<boolean>;
  readFile(name: string): Promise<Uint8Array | undefined>;
  /** Whole or not at all, and durable. */
  writeFile(name: string, bytes: Uint8Array): Promise<void>;
  get(key: string): Uint8Array | undefined;
  /** Ascending. */
  scan(range: KeyRange): AsyncIterable<readonly [key: string, value: Uint8Array]>;
  /** All or nothing; resolves after the fsync. Called again only after the one before settled. */
  write(puts: readonly DiskPut[]): Promise<void>;
  /** Need not be durable: what comes back after a power cut does no harm. */
  clear(range: KeyRange): Promise<void>;
  /** Reads both slots of the mark; `undefined` when there is no mark at all. */
  readMarks(): Promise<readonly [Uint8Array, Uint8Array] | undefined>;
  /** Into the page cache only, unless `sync`: survives the death of the process, perhaps not of the machine. */
  writeMark(slot: 0 | 1, bytes: Uint8Array, sync: boolean): Promise<void>;
  close(): Promise<void>;
}
