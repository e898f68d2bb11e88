/**
 * The folder of a node that does not run, held so that none can start on it, and copied.
 *
 * LevelDB's lock is held for as long as the folder is. Nobody else writes there then, and LevelDB itself only to merge
 * its tables: when that happened during a copy, the copy is made again. Its lock file is never touched: whoever closes
 * any descriptor of it gives the lock away.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileChunks, ZkraftError } from '../../common/index.ts';
import { syncDir } from '../storage/durable-files.ts';
import { type FolderReport, openOffline, reportOf } from './offline.ts';

export interface HeldFolder {
  readonly report: FolderReport;
  /** Of all that a copy would take. */
  readonly bytes: number;
  /**
   * Copies what the node keeps into `to`, an empty folder, durably. Rejects with `artifact_corrupt` when what was written
   * reads back otherwise, with `overloaded` when the folder does not come to rest, with the system's error.
   */
  copyTo(to: string, options?: CopyOptions): Promise<void>;
  release(): Promise<void>;
}

export interface CopyOptions {
  readonly onProgress?: (copiedBytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

const SINGLE_FILES = ['end.mark', 'incarnation.json', 'identity.json'] as const;
/** LevelDB's lock, and what it says of itself for people. */
const NOT_COPIED = /^(LOCK|LOG(\.old)?)$/;
const COPIES_MAX = 5;

/** Rejects as `inspectFolder` does. */
export async function holdFolder(dir: string): Promise<HeldFolder> {
  const place = await openOffline(dir);
  try {
    const report = await reportOf(place);
    const bytes = [...(await listFiles(dir)).values()].reduce((sum, size) => sum + size, 0);
    return {
      report,
      bytes,
      copyTo: (to, options = {}) => copyAtRest(dir, to, options),
      release: () => place.log.close(),
    };
  } catch (error) {
    await place.log.close();
    throw error;
  }
}

async function copyAtRest(dir: string, to: string, options: CopyOptions): Promise<void> {
  for (let copies = 0; copies < COPIES_MAX; copies += 1) {
    const before = await listFiles(dir);
    let copiedBytes = 0;
    const onBytes = (bytes: number): void => {
      copiedBytes += bytes;
      options.onProgress?.(copiedBytes);
    };
    try {
      for (const path of before.keys()) await copyFile(join(dir, path), join(to, path), onBytes, options.signal);
      for (const folder of new Set([...before.keys()].map(dirname))) await syncDir(join(to, folder));
      if (JSON.stringify([...before]) === JSON.stringify([...(await listFiles(dir))])) return;
    } catch (error) {
      // A table that was merged away while we were about to read it.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    for (const name of await readdir(to)) await rm(join(to, name), { recursive: true });
  }
  throw new ZkraftError('overloaded', `the files in ${dir} did not come to rest while they were copied; try again`);
}

/** Size by path, relative to the folder. */
async function listFiles(dir: string): Promise<Map<string, number>> {
  const paths: string[] = [];
  for (const name of await readdir(join(dir, 'log'))) if (!NOT_COPIED.test(name)) paths.push(join('log', name));
  const snapshots = await readdir(join(dir, 'snapshots')).catch(() => []);
  for (const name of snapshots) if (name.endsWith('.snap')) paths.push(join('snapshots', name));
  const present = await readdir(dir);
  for (const name of SINGLE_FILES) if (present.includes(name)) paths.push(name);
  const sizes = new Map<string, number>();
  for (const path of paths.sort()) sizes.set(path, (await stat(join(dir, path))).size);
  return sizes;
}

async function copyFile(
  from: string,
  to: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx+', 0o600);
    try {
      const sent = createHash('sha256');
      for await (const chunk of fileChunks(source)) {
        signal?.throwIfAborted();
        sent.update(chunk);
        await target.writeFile(chunk);
        onBytes(chunk.length);
      }
      await target.sync();
      const kept = createHash('sha256');
      for await (const chunk of fileChunks(target)) {
        kept.update(chunk);
      }
      if (!sent.digest().equals(kept.digest())) {
        throw new ZkraftError('artifact_corrupt', `${to} reads back otherwise than it was written: look at that disk`);
      }
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
