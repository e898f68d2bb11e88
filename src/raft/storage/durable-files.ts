/**
 * Files that are there whole or not at all: written beside, synced, renamed, the folder synced.
 *
 * A rename without the sync of its folder can be undone by a power cut, and a sync after the rename comes too late for
 * the content; hence the order.
 */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function writeFileDurably(path: string, bytes: Uint8Array): Promise<void> {
  const beside = `${path}.tmp`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    await file.close().catch(() => {});
    await rm(beside, { force: true }).catch(() => {});
    throw error;
  }
  await file.close();
  await rename(beside, path);
  await syncDir(dirname(path));
}

export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
