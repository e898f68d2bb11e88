/** The files of a backup: their digests taken, compared, and written down durably. */
import { createHash } from 'node:crypto';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileChunks, ZkraftError } from '../../common/index.ts';
import { type BackupFile, decodeManifest, MANIFEST_FILE, type Manifest } from './manifest.ts';

export interface Watch {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: (bytes: number) => void;
}

/** Size and digest; the file is synced on the way. */
export async function sealFile(dir: string, path: string, watch: Watch = {}): Promise<BackupFile> {
  const file = await open(join(dir, path), 'r+');
  try {
    await file.sync();
    return { path, ...(await digest(fileChunks(file), watch)) };
  } finally {
    await file.close();
  }
}

/** Relative paths of all files below `dir`, with `/`, sorted. */
export async function filesBelow(dir: string, folder = ''): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(dir, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) paths.push(...(await filesBelow(dir, path)));
    else paths.push(path);
  }
  return paths.sort();
}

/** Rejects with `backup_invalid` when there is no whole backup in the folder; reads nothing but the manifest. */
export async function readManifest(dir: string): Promise<Manifest> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(join(dir, MANIFEST_FILE));
  } catch (cause) {
    const names = await readdir(dir).catch(() => undefined);
    const why =
      names === undefined
        ? 'cannot be read; name the folder that zkraft backup made'
        : names.length === 0
          ? 'is empty'
          : `has no ${MANIFEST_FILE}, which is written last: a backup there was cut off, or this is none. Take another`;
    throw new ZkraftError('backup_invalid', `${dir} ${why}`, { field: 'from', cause });
  }
  return decodeManifest(bytes, dir);
}

/** Reads every file. Rejects with `backup_invalid` at the first that is not as it was when the backup was made. */
export async function verifyFiles(dir: string, files: readonly BackupFile[], watch: Watch = {}): Promise<void> {
  for (const { path, bytes, sha256 } of files) {
    const refuse = (why: string, cause?: unknown): ZkraftError =>
      new ZkraftError('backup_invalid', `${join(dir, path)} ${why}. Nothing was touched; take another backup`, {
        field: 'from',
        cause,
      });
    let found: { readonly bytes: number; readonly sha256: string };
    try {
      const file = await open(join(dir, path), 'r');
      try {
        found = await digest(fileChunks(file), watch);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof ZkraftError) throw error;
      throw refuse(`cannot be read: ${(error as Error).message}`, error);
    }
    if (found.bytes !== bytes) throw refuse(`has ${found.bytes} bytes, and ${bytes} were written`);
    if (found.sha256 !== sha256) throw refuse('has other content than was written: its SHA-256 differs');
  }
}

async function digest(
  chunks: AsyncIterable<Uint8Array>,
  { signal, onBytes }: Watch,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    hash.update(chunk);
    bytes += chunk.length;
    onBytes?.(chunk.length);
  }
  return { bytes, sha256: hash.digest('hex') };
}
