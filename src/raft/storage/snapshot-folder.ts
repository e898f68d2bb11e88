/** The folder that snapshots lie in, as little of a file system as they need; the real one. */
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDir } from './durable-files.ts';

export interface FolderWriter {
  append(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FolderReader {
  readonly sizeBytes: number;
  /** Shorter only where the file ends. */
  read(offset: number, lengthBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface SnapshotFolder {
  /** For messages. */
  readonly where: string;
  /** Makes it if need be. */
  open(): Promise<void>;
  list(): Promise<string[]>;
  create(name: string): Promise<FolderWriter>;
  read(name: string): Promise<FolderReader>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Makes renames and removals durable. */
  sync(): Promise<void>;
}

export class FileSnapshotFolder implements SnapshotFolder {
  readonly where: string;

  constructor(dir: string) {
    this.where = dir;
  }

  async open(): Promise<void> {
    await mkdir(this.where, { recursive: true, mode: 0o700 });
  }

  list(): Promise<string[]> {
    return readdir(this.where);
  }

  async create(name: string): Promise<FolderWriter> {
    const file = await open(join(this.where, name), 'wx', 0o600);
    return {
      append: (bytes) => file.appendFile(bytes),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  }

  async read(name: string): Promise<FolderReader> {
    const file = await open(join(this.where, name), 'r');
    const { size } = await file.stat();
    return {
      sizeBytes: size,
      read: (offset, lengthBytes) => readFully(file, offset, Math.min(lengthBytes, Math.max(0, size - offset))),
      close: () => file.close(),
    };
  }

  rename(from: string, to: string): Promise<void> {
    return rename(join(this.where, from), join(this.where, to));
  }

  remove(name: string): Promise<void> {
    return rm(join(this.where, name), { force: true });
  }

  sync(): Promise<void> {
    return syncDir(this.where);
  }
}

/** One `read` may give less than was asked for. */
async function readFully(file: FileHandle, offset: number, lengthBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  let filled = 0;
  while (filled < lengthBytes) {
    const { bytesRead } = await file.read(bytes, filled, lengthBytes - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
