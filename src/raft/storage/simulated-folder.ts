/**
 * A `SnapshotFolder` in memory that can crash, as `SimulatedDisk` can: bytes that were not synced, and names that the
 * folder was not synced after, are as they were before. Syncs wait for the driver, unless `autoSync`.
 */
import type { FolderReader, FolderWriter, SnapshotFolder } from './snapshot-folder.ts';

interface SimulatedFile {
  bytes: Uint8Array;
  syncedBytes: number;
}

interface PendingSync {
  readonly apply: () => void;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const enoent = (name: string): Error => Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' });

export class SimulatedFolder implements SnapshotFolder {
  readonly where: string;
  autoSync: boolean;
  #names = new Map<string, SimulatedFile>();
  #durableNames = new Map<string, SimulatedFile>();
  #pending: PendingSync[] = [];
  #failure: Error | undefined;

  constructor(options: { readonly where?: string; readonly autoSync?: boolean } = {}) {
    this.where = options.where ?? 'the simulated folder';
    this.autoSync = options.autoSync ?? false;
  }

  get pendingSyncs(): number {
    return this.#pending.length;
  }

  sync(): Promise<void> {
    return this.#wait(() => {
      this.#durableNames = new Map(this.#names);
    });
  }

  /** The driver's: completes the syncs that wait, `count` at most. */
  complete(count = Number.POSITIVE_INFINITY): number {
    let done = 0;
    for (; done < count; done += 1) {
      const sync = this.#pending.shift();
      if (sync === undefined) break;
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure !== undefined) {
        sync.reject(failure);
      } else {
        sync.apply();
        sync.resolve();
      }
    }
    return done;
  }

  failNext(error: Error): void {
    this.#failure = error;
  }

  /** `keepsNames`: the folder reached the platter although nobody synced it; contents are still cut to what was synced. */
  crash({ keepsNames = false }: { readonly keepsNames?: boolean } = {}): void {
    this.#pending = [];
    this.#failure = undefined;
    if (keepsNames) this.#durableNames = this.#names;
    this.#names = new Map(
      [...this.#durableNames].map(([name, file]) => {
        const bytes = file.bytes.slice(0, file.syncedBytes);
        return [name, { bytes, syncedBytes: bytes.length }];
      }),
    );
    this.#durableNames = new Map(this.#names);
  }

  /** As rot does. `undefined` removes the file. */
  damage(name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    const file = this.#names.get(name);
    if (file === undefined) throw enoent(name);
    const bytes = change(Uint8Array.from(file.bytes));
    if (bytes === undefined) this.#names.delete(name);
    else this.#names.set(name, { bytes, syncedBytes: bytes.length });
    this.#durableNames = new Map(this.#names);
  }

  async open(): Promise<void> {}

  async list(): Promise<string[]> {
    return [...this.#names.keys()].sort();
  }

  async create(name: string): Promise<FolderWriter> {
    const file: SimulatedFile = { bytes: new Uint8Array(0), syncedBytes: 0 };
    this.#names.set(name, file);
    return {
      append: async (bytes) => {
        file.bytes = Buffer.concat([file.bytes, bytes]);
      },
      sync: () =>
        this.#wait(() => {
          file.syncedBytes = file.bytes.length;
        }),
      close: async () => {},
    };
  }

  async read(name: string): Promise<FolderReader> {
    const { bytes } = this.#file(name);
    return {
      sizeBytes: bytes.length,
      read: async (offset, lengthBytes) => bytes.slice(offset, offset + lengthBytes),
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#names.set(to, this.#file(from));
    this.#names.delete(from);
  }

  async remove(name: string): Promise<void> {
    this.#names.delete(name);
  }

  #file(name: string): SimulatedFile {
    const file = this.#names.get(name);
    if (file === undefined) throw enoent(name);
    return file;
  }

  #wait(apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ apply, resolve, reject });
      if (this.autoSync) this.complete();
    });
  }
}
