/**
 * Artifacts in a directory: `blobs/ab/<digest>`, and `circuits/<id>` with the digest of the manifest that is pinned.
 *
 * A file appears under its name whole and synced, or not at all (temporary file, fsync, rename). A pin is made by
 * linking such a file to its name, which fails if the name exists: of any number of processes that pin at once, one
 * wins and the others read what it wrote. Every `get` verifies the digest. Files are 0600 and folders 0700, because a
 * proving key may be one that its owner does not publish.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DIGEST_HEX, slicedSha256Hex, ZkraftError } from '../../common/index.ts';
import { BLOB_BYTES_MAX, CHUNK_BYTES } from './limits.ts';
import { CIRCUIT_ID, checkCircuitId, parseManifest } from './manifest.ts';
import type { ArtifactStore, BlobStore, CircuitRegistry, PinnedCircuit } from './types.ts';

/** Makes the folders if they are missing. Rejects with `file_not_found` when the directory cannot be used. */
export async function openDirectoryArtifacts(dir: string): Promise<ArtifactStore> {
  const root = resolve(dir);
  try {
    for (const folder of ['blobs', 'circuits', 'tmp'])
      await mkdir(join(root, folder), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ZkraftError('file_not_found', `the artifact directory ${root} cannot be used: ${reason(cause)}`, {
      field: 'data.dir',
      cause,
    });
  }
  const blobs = new DirectoryBlobs(root);
  return { blobs, circuits: new DirectoryCircuits(root, blobs) };
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === code;

/** Writes the bytes to a new temporary file, synced. */
async function writeTemporary(root: string, bytes: Uint8Array): Promise<string> {
  const path = join(root, 'tmp', randomUUID());
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return path;
}

/** Makes names in the folder survive a power failure. Not every file system can; then rename's own promise stands. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

class DirectoryBlobs implements BlobStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  #path(digest: string): string {
    if (!DIGEST_HEX.test(digest)) {
      throw new ZkraftError('artifact_not_found', 'a digest is 64 lower-case hex digits', { field: 'digest' });
    }
    return join(this.#root, 'blobs', digest.slice(0, 2), digest);
  }

  async put(bytes: Uint8Array): Promise<string> {
    if (bytes.length > BLOB_BYTES_MAX) {
      throw new ZkraftError('artifact_too_large', `the blob has ${bytes.length} bytes; the limit is ${BLOB_BYTES_MAX}`);
    }
    const digest = await slicedSha256Hex(bytes);
    // A damaged file under this name is replaced: now there are good bytes to mend it with.
    const sound = await this.get(digest).then(
      () => true,
      () => false,
    );
    if (sound) return digest;
    const path = this.#path(digest);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rename(await writeTemporary(this.#root, bytes), path);
    await syncFolder(dirname(path));
    return digest;
  }

  async has(digest: string): Promise<boolean> {
    return await stat(this.#path(digest)).then(
      (found) => found.isFile(),
      () => false,
    );
  }

  async size(digest: string): Promise<number> {
    const handle = await this.#open(digest);
    try {
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  }

  async *read(digest: string, offset = 0): AsyncIterable<Uint8Array> {
    const handle = await this.#open(digest);
    try {
      for (let at = offset; ; ) {
        const chunk = new Uint8Array(CHUNK_BYTES);
        const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, at);
        if (bytesRead === 0) return;
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }

  async get(digest: string): Promise<Uint8Array> {
    const handle = await this.#open(digest);
    let bytes: Uint8Array;
    try {
      const { size } = await handle.stat();
      if (size > BLOB_BYTES_MAX) {
        throw new ZkraftError(
          'artifact_too_large',
          `the blob ${digest} has ${size} bytes; the limit is ${BLOB_BYTES_MAX}`,
        );
      }
      bytes = await readExactly(handle, size);
    } finally {
      await handle.close();
    }
    if ((await slicedSha256Hex(bytes)) !== digest) {
      const text = `the stored blob ${digest} is damaged; remove ${this.#path(digest)} and fetch or make it again`;
      throw new ZkraftError('artifact_corrupt', text, { field: 'digest' });
    }
    return bytes;
  }

  async #open(digest: string): Promise<FileHandle> {
    const path = this.#path(digest);
    try {
      return await open(path, 'r');
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) {
        throw new ZkraftError('artifact_not_found', `no blob ${digest} is stored in ${this.#root}`, {
          field: 'digest',
        });
      }
      throw new ZkraftError('file_not_found', `${path} cannot be read: ${reason(cause)}`, { cause });
    }
  }
}

/** The first `size` bytes; fewer when the file is shorter by now, which the digest will tell. */
async function readExactly(handle: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    // One read call takes less than 2 GiB.
    const { bytesRead } = await handle.read(bytes, at, Math.min(size - at, 1 << 30), at);
    if (bytesRead === 0) return bytes.subarray(0, at);
    at += bytesRead;
  }
  return bytes;
}

class DirectoryCircuits implements CircuitRegistry {
  readonly #root: string;
  readonly #blobs: BlobStore;

  constructor(root: string, blobs: BlobStore) {
    this.#root = root;
    this.#blobs = blobs;
  }

  async pin(circuitId: string, digest: string): Promise<PinnedCircuit> {
    checkCircuitId(circuitId);
    const manifest = parseManifest(await this.#blobs.get(digest));
    if (manifest.circuitId !== circuitId) {
      const text = `the manifest ${digest} is of circuit ${manifest.circuitId}, not ${circuitId}`;
      throw new ZkraftError('invalid_request', text, { field: 'circuitId' });
    }
    const path = join(this.#root, 'circuits', circuitId);
    const temporary = await writeTemporary(this.#root, new TextEncoder().encode(`${digest}\n`));
    try {
      await link(temporary, path);
      await syncFolder(dirname(path));
    } catch (cause) {
      if (!hasCode(cause, 'EEXIST')) {
        throw new ZkraftError('file_not_found', `${path} cannot be written: ${reason(cause)}`, { cause });
      }
    } finally {
      await unlink(temporary);
    }
    const pinned = await this.find(circuitId);
    if (!pinned) throw new ZkraftError('artifact_corrupt', `the pin ${path} vanished while it was made`);
    return pinned;
  }

  async find(circuitId: string): Promise<PinnedCircuit | undefined> {
    checkCircuitId(circuitId);
    const path = join(this.#root, 'circuits', circuitId);
    let digest: string;
    try {
      digest = (await readFile(path, 'utf8')).trim();
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) return undefined;
      throw new ZkraftError('file_not_found', `${path} cannot be read: ${reason(cause)}`, { cause });
    }
    if (!DIGEST_HEX.test(digest)) {
      throw new ZkraftError('artifact_corrupt', `${path} does not hold a digest; remove it and run the set-up again`);
    }
    const manifest = parseManifest(await this.#blobs.get(digest));
    if (manifest.circuitId !== circuitId) {
      throw new ZkraftError('artifact_corrupt', `${path} pins the manifest of ${manifest.circuitId}; remove it`);
    }
    return { circuitId, digest, manifest };
  }

  async list(): Promise<readonly PinnedCircuit[]> {
    const names = (await readdir(join(this.#root, 'circuits'))).filter((name) => CIRCUIT_ID.test(name)).sort();
    const found = await Promise.all(names.map((name) => this.find(name)));
    return found.filter((pinned) => pinned !== undefined);
  }
}
