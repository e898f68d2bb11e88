/**
 * Snapshots as files: written in a stream, there whole or not at all, verified before a byte is used.
 *
 * The order of a new one: `create`, `write` and `finish` here (temp file, fsync, rename, fsync of the folder); then the
 * log records it, or restores it; then `keepOnly` drops what the log does not know any more. A crash between leaves a
 * file that nobody asks for, never a record without its file. Damaged files stay where they are, to be looked at, until
 * they are superseded. As with the log, a failed fsync is the end of the store; only a full disk is told and survived.
 */
import { createHash, type Hash } from 'node:crypto';
import { ZkraftError } from '../../common/index.ts';
import type { SnapshotMetadata } from '../types.ts';
import type { FreeSpaceGuard } from './free-space.ts';
import type { FolderReader, FolderWriter, SnapshotFolder } from './snapshot-folder.ts';
import {
  damagedFile,
  decodeHeader,
  encodeHeader,
  encodeLength,
  headerLength,
  isSnapshot,
  isTemporary,
  PREFIX_BYTES,
  snapshotName,
  TRAILER_BYTES,
} from './snapshot-format.ts';

/** As on the wire: more would delay heartbeats. */
export const SNAPSHOT_CHUNK_BYTES = 1024 * 1024;
export const SNAPSHOT_BYTES_MAX = 1024 * 1024 * 1024;
/** Our own, and one from a peer. */
const WRITERS_MAX = 2;

export interface SnapshotStoreOptions {
  readonly clusterId: string;
  readonly snapshotBytesMax?: number;
  readonly freeSpace?: Pick<FreeSpaceGuard, 'admit'>;
}

export interface SnapshotWriter {
  /** Any size; rejects with `artifact_too_large` beyond the limit, `disk_full`. After a rejection only `abort` is left. */
  write(chunk: Uint8Array): Promise<void>;
  /** Durable from then on. `sha256`: of the state, as the sender gave it; a mismatch is `artifact_corrupt`. */
  finish(sha256?: Uint8Array): Promise<void>;
  /** Leaves nothing behind. */
  abort(): Promise<void>;
}

/** A snapshot that was read in full once, and was whole. */
export interface SoundSnapshot {
  readonly metadata: SnapshotMetadata;
  readonly stateBytes: number;
  /** Of the state. */
  readonly sha256: Uint8Array;
}

export class SnapshotStore {
  readonly #folder: SnapshotFolder;
  readonly #clusterId: string;
  readonly #bytesMax: number;
  readonly #freeSpace: Pick<FreeSpaceGuard, 'admit'> | undefined;
  #writers = 0;
  #named = 0;
  #failure: ZkraftError | undefined;

  constructor(folder: SnapshotFolder, options: SnapshotStoreOptions) {
    this.#folder = folder;
    this.#clusterId = options.clusterId;
    this.#bytesMax = options.snapshotBytesMax ?? SNAPSHOT_BYTES_MAX;
    this.#freeSpace = options.freeSpace;
  }

  get where(): string {
    return this.#folder.where;
  }

  /** Makes the folder, and removes what was never finished. */
  async open(): Promise<void> {
    await this.#folder.open();
    for (const name of await this.#folder.list()) if (isTemporary(name)) await this.#folder.remove(name);
  }

  async create(metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    this.#refuseAfterFailure();
    if (this.#writers >= WRITERS_MAX) {
      throw new ZkraftError('overloaded', `${WRITERS_MAX} snapshots are being written already; try again later`);
    }
    this.#writers += 1;
    this.#named += 1;
    const temporary = `${snapshotName(metadata)}.${this.#named}.tmp`;
    const file = await this.#folder.create(temporary).catch((error: unknown) => {
      this.#writers -= 1;
      throw this.#failed(error);
    });
    return await this.#write(file, temporary, metadata);
  }

  /** Reads all of it. Rejects with `log_corrupt` unless every byte is as it was written, and it is this snapshot. */
  async verify(metadata: SnapshotMetadata): Promise<SoundSnapshot> {
    const file = await this.#read(metadata);
    try {
      return await verifyFile(file, snapshotName(metadata), this.#clusterId, metadata);
    } finally {
      await file.close();
    }
  }

  /** The state in chunks of at most 1 MiB, after all of it was verified. */
  async *read(metadata: SnapshotMetadata): AsyncIterable<Uint8Array> {
    const name = snapshotName(metadata);
    const file = await this.#read(metadata);
    try {
      const sound = await verifyFile(file, name, this.#clusterId, metadata);
      const begin = file.sizeBytes - TRAILER_BYTES - sound.stateBytes;
      const hash = createHash('sha256');
      for (let at = 0; at < sound.stateBytes; at += SNAPSHOT_CHUNK_BYTES) {
        const chunk = await file.read(begin + at, Math.min(SNAPSHOT_CHUNK_BYTES, sound.stateBytes - at));
        hash.update(chunk);
        yield chunk;
      }
      if (!hash.digest().equals(sound.sha256)) throw damagedFile(name, 'changed while it was read');
    } finally {
      await file.close();
    }
  }

  /** Drops every snapshot but these; a reader that has one open keeps it. */
  async keepOnly(kept: readonly SnapshotMetadata[]): Promise<void> {
    this.#refuseAfterFailure();
    const names = new Set(kept.map(snapshotName));
    const newest = Math.max(0, ...kept.map(({ index }) => index));
    try {
      for (const name of await this.#folder.list()) {
        // A newer one was finished, and is about to be recorded.
        if (isSnapshot(name) && !names.has(name) && name < snapshotName({ index: newest + 1, term: 0 })) {
          await this.#folder.remove(name);
        }
      }
      await this.#folder.sync();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #write(file: FolderWriter, temporary: string, metadata: SnapshotMetadata): Promise<SnapshotWriter> {
    const hash = createHash('sha256');
    const stateHash = createHash('sha256');
    const append = async (bytes: Uint8Array): Promise<void> => {
      hash.update(bytes);
      await file.append(bytes);
    };
    let stateBytes = 0;
    let isOver = false;
    const discard = async (): Promise<void> => {
      if (isOver) return;
      isOver = true;
      this.#writers -= 1;
      await file.close().catch(() => {});
      await this.#folder.remove(temporary).catch(() => {});
    };
    /** Runs a step; if it fails the file is gone, and `create` may be called again unless the store has failed. */
    const step = async (work: () => Promise<void>): Promise<void> => {
      this.#refuseAfterFailure();
      if (isOver) throw new ZkraftError('internal', `the snapshot at ${metadata.index} is finished, or was aborted`);
      try {
        await work();
      } catch (error) {
        await discard();
        throw this.#failed(error);
      }
    };
    await step(() => append(encodeHeader({ clusterId: this.#clusterId, metadata })));
    return {
      write: (chunk) =>
        step(async () => {
          stateBytes += chunk.length;
          if (stateBytes > this.#bytesMax) {
            throw new ZkraftError(
              'artifact_too_large',
              `a snapshot may take ${this.#bytesMax} bytes; this one is larger`,
            );
          }
          await this.#freeSpace?.admit(chunk.length);
          stateHash.update(chunk);
          await append(chunk);
        }),
      finish: (sha256) =>
        step(async () => {
          if (sha256 !== undefined && !stateHash.digest().equals(sha256)) {
            throw new ZkraftError(
              'artifact_corrupt',
              `the snapshot at ${metadata.index} arrived damaged; send it again`,
            );
          }
          await append(encodeLength(stateBytes));
          await file.append(hash.digest());
          await file.sync();
          await file.close();
          await this.#folder.rename(temporary, snapshotName(metadata));
          await this.#folder.sync();
          isOver = true;
          this.#writers -= 1;
        }),
      abort: discard,
    };
  }

  async #read(metadata: SnapshotMetadata): Promise<FolderReader> {
    const name = snapshotName(metadata);
    try {
      return await this.#folder.read(name);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw damagedFile(name, 'is missing');
      throw error;
    }
  }

  #refuseAfterFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #failed(error: unknown): ZkraftError {
    if (error instanceof ZkraftError) return error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const said = error instanceof Error ? error.message : String(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return new ZkraftError('disk_full', `${this.where} is full (${said}); the snapshot was dropped. Make room`, {
        field: 'raft_dir',
        cause: error,
      });
    }
    this.#failure ??= new ZkraftError(
      'log_write_failed',
      `a snapshot in ${this.where} could not be written (${said}). This node stops: look at the disk, then start it again`,
      { cause: error },
    );
    return this.#failure;
  }
}

async function verifyFile(
  file: FolderReader,
  name: string,
  clusterId: string,
  metadata: SnapshotMetadata,
): Promise<SoundSnapshot> {
  const prefix = await file.read(0, PREFIX_BYTES);
  const headerBytes = headerLength(prefix, name);
  const stateFrom = PREFIX_BYTES + headerBytes;
  const stateBytes = file.sizeBytes - stateFrom - TRAILER_BYTES;
  if (stateBytes < 0) throw damagedFile(name, 'is cut short');
  const json = await file.read(PREFIX_BYTES, headerBytes);
  const hash = createHash('sha256').update(prefix).update(json);
  const sha256 = await hashState(file, stateFrom, stateBytes, hash);
  const trailer = Buffer.from(await file.read(stateFrom + stateBytes, TRAILER_BYTES));
  hash.update(trailer.subarray(0, 8));
  if (!hash.digest().equals(trailer.subarray(8))) throw damagedFile(name, 'fails its checksum');
  if (trailer.readBigUInt64BE(0) !== BigInt(stateBytes))
    throw damagedFile(name, 'does not have the length it was written with');
  const header = decodeHeader(json, name);
  if (header.clusterId !== clusterId) throw damagedFile(name, `is of cluster ${header.clusterId}`);
  if (JSON.stringify(canonical(header.metadata)) !== JSON.stringify(canonical(metadata))) {
    throw damagedFile(name, 'has other metadata than the log recorded');
  }
  return { metadata: header.metadata, stateBytes, sha256 };
}

/** Into `hash`, and into one of its own, which is returned. */
async function hashState(file: FolderReader, from: number, lengthBytes: number, hash: Hash): Promise<Uint8Array> {
  const own = createHash('sha256');
  for (let at = 0; at < lengthBytes; at += SNAPSHOT_CHUNK_BYTES) {
    const chunk = await file.read(from + at, Math.min(SNAPSHOT_CHUNK_BYTES, lengthBytes - at));
    hash.update(chunk);
    own.update(chunk);
  }
  return new Uint8Array(own.digest());
}

const canonical = ({ index, term, confState: c }: SnapshotMetadata): unknown[] => [
  ...[index, term, c.voters, c.votersOutgoing, c.learners, c.learnersNext, c.autoLeave],
];
