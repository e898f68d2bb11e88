/**
 * A node's files, put in the place of those that are there.
 *
 * The identity goes first and comes last: in between the folder is refused at any start, and both sets of files are
 * there.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDir } from '../storage/durable-files.ts';

/** All that a node keeps, the identity last. */
const FILES = ['log', 'end.mark', 'snapshots', 'incarnation.json', 'identity.json'] as const;

/**
 * Moves the files of `fresh` into `dir`, and what was there into `kept`, which is made; without `kept`, nothing is there.
 * `fresh` is removed.
 */
export async function swapFolder(dir: string, fresh: string, kept?: string): Promise<void> {
  if (kept !== undefined) {
    await mkdir(kept, { mode: 0o700 });
    for (const name of [...FILES].reverse()) {
      if (existsSync(join(dir, name))) await rename(join(dir, name), join(kept, name));
    }
    await syncDir(kept);
    await syncDir(dir);
  }
  for (const name of FILES) if (existsSync(join(fresh, name))) await rename(join(fresh, name), join(dir, name));
  await syncDir(dir);
  await rm(fresh, { recursive: true, force: true });
}
