/** Folders with a log and snapshots in them, and rot: for tests that damage what is on the disk. */
import { cp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  chooseSnapshot,
  createLevelLog,
  FileSnapshotFolder,
  type LogStorage,
  openLevelLog,
  SnapshotStore,
} from '../../../src/raft/index.ts';
import { CONF, freshDir, IDENTITY, run, textOf } from './log-beds.ts';

export interface Found {
  readonly entries: readonly string[];
  readonly state: unknown;
  readonly snapshot: number;
}

const storeOf = (dir: string): SnapshotStore =>
  new SnapshotStore(new FileSnapshotFolder(join(dir, 'snapshots')), { clusterId: IDENTITY.clusterId });

const found = (log: LogStorage, snapshot: number): Found => ({
  entries: textOf(log),
  state: [log.initialState().hardState, log.identity, log.firstIndex(), log.lastIndex()],
  snapshot,
});

export interface Folder {
  readonly dir: string;
  readonly acknowledged: Found;
}

/**
 * A log over several tables of the engine and its write-ahead log: entries, a replaced suffix, two snapshots, a
 * compaction. `closed`: by a clean close; else as a process leaves it that was killed.
 */
export async function makeFolder(closed: boolean, rounds = 5): Promise<Folder> {
  const dir = await freshDir();
  const store = storeOf(dir);
  await store.open();
  let log = await createLevelLog(dir, { identity: IDENTITY, confState: CONF });
  for (let round = 0; round < rounds; round += 1) {
    const [from, term] = [Math.max(1, log.lastIndex() - 2), round + 1];
    const commit = Math.max(0, from - 1);
    await log.append({
      entries: run(from, from + 30, term, `round ${round} ${'x'.repeat(100)}`),
      hardState: { term, vote: 2, commit },
    });
    for (let i = 0; i < 3; i += 1) {
      const next = log.lastIndex() + 1;
      await log.append({ entries: run(next, next + 3, term), hardState: { term, vote: 2, commit: next - 1 } });
    }
    if (round === 1 || round === 3) {
      const metadata = { index: log.initialState().hardState.commit - 3, term, confState: CONF };
      const writer = await store.create(metadata);
      await writer.write(Buffer.from(`state of ${metadata.index} `.repeat(30)));
      await writer.finish();
      await log.recordSnapshot(metadata);
      if (round === 3) await log.compact(log.recordedSnapshots()[0]?.index ?? 0);
    }
    if (round < rounds - 1) {
      await log.close();
      // Opening again makes the engine write a table of what its write-ahead log holds.
      log = await openLevelLog(dir);
    }
  }
  const acknowledged = found(log, log.recordedSnapshots().at(-1)?.index ?? 0);
  if (closed) {
    await log.close();
    return { dir, acknowledged };
  }
  // What is in the page cache is what a killed process leaves.
  const copy = await freshDir();
  await cp(dir, copy, { recursive: true });
  await log.close();
  return { dir: copy, acknowledged };
}

/** All files that hold something, with their sizes. LevelDB's own text log and its lock hold nothing. */
export async function filesOf(dir: string): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
  const names = (await readdir(dir, { recursive: true })).sort();
  const files: { name: string; bytes: number }[] = [];
  for (const name of names) {
    const file = await stat(join(dir, name));
    if (file.isFile() && file.size > 0) files.push({ name, bytes: file.size });
  }
  return files;
}

export async function change(path: string, edit: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(path, edit(await readFile(path)));
}

/** What a node finds at its boot. Rejects as the boot does. */
export async function boot(dir: string): Promise<Found> {
  const store = storeOf(dir);
  const log = await openLevelLog(dir);
  try {
    const sound = await chooseSnapshot(log, store, () => {});
    return found(log, sound?.metadata.index ?? 0);
  } finally {
    await log.close();
  }
}
