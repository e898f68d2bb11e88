/**
 * The in-memory twin of the durable log, for tests: the same node on a disk that is an object.
 *
 * Whoever opens a log on the same `MemoryDisk` again finds what was written before, as after a restart.
 */
import { randomUUID } from 'node:crypto';
import { ZkraftError } from '../../common/index.ts';
import type { LogEntry, ReplicatedLog } from '../replicated-log.ts';
import { SingleNodeLog, type SingleNodeLogOptions } from './node.ts';
import type { Identity, LogStorage, Snapshot, StoredLog } from './storage.ts';

export interface MemoryDisk {
  identity: Identity | undefined;
  term: number;
  entries: LogEntry[];
  snapshots: Snapshot[];
  locked: boolean;
  /** When set, the next append fails with it, as a disk does. */
  appendError: Error | undefined;
}

export function createMemoryStorage(): MemoryDisk {
  return { identity: undefined, term: 0, entries: [], snapshots: [], locked: false, appendError: undefined };
}

export async function openMemoryLog<Result>(
  options: Omit<SingleNodeLogOptions, 'dir'> & { readonly disk?: MemoryDisk },
): Promise<ReplicatedLog<Result>> {
  const disk = options.disk ?? createMemoryStorage();
  const node = new SingleNodeLog<Result>(new MemoryStorage(disk, options.nodeId), options);
  await node.open();
  return node;
}

class MemoryStorage implements LogStorage {
  readonly #disk: MemoryDisk;
  readonly #nodeId: string;

  constructor(disk: MemoryDisk, nodeId: string) {
    this.#disk = disk;
    this.#nodeId = nodeId;
  }

  async open(): Promise<StoredLog> {
    const disk = this.#disk;
    if (disk.locked) throw new ZkraftError('already_running', 'this memory disk is in use by another log');
    disk.locked = true;
    disk.identity ??= { clusterId: randomUUID(), nodeId: this.#nodeId, incarnationId: randomUUID() };
    const lastIndex = disk.entries.at(-1)?.index ?? disk.snapshots.at(-1)?.index ?? 0;
    return {
      identity: disk.identity,
      term: disk.term,
      firstIndex: disk.entries[0]?.index ?? lastIndex + 1,
      lastIndex,
    };
  }

  async setTerm(term: number): Promise<void> {
    this.#disk.term = term;
  }

  async append(entries: readonly LogEntry[]): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#disk.appendError !== undefined) throw this.#disk.appendError;
    this.#disk.entries.push(...entries);
  }

  async *read(fromIndex: number): AsyncIterable<LogEntry> {
    yield* this.#disk.entries.filter((entry) => entry.index >= fromIndex);
  }

  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    this.#disk.snapshots.push(snapshot);
    if (this.#disk.snapshots.length > 2) this.#disk.snapshots.shift();
  }

  async newestSnapshot(): Promise<Snapshot | undefined> {
    return this.#disk.snapshots.at(-1);
  }

  oldestSnapshotIndex(): number {
    return this.#disk.snapshots.length < 2 ? 0 : (this.#disk.snapshots[0]?.index ?? 0);
  }

  async compact(index: number): Promise<void> {
    this.#disk.entries = this.#disk.entries.filter((entry) => entry.index > index);
  }

  async close(): Promise<void> {
    this.#disk.locked = false;
  }
}
