/** The durable log of one node: opened or made on a disk, checked at each boot. See README.md. */

import { LevelDisk } from './level-disk.ts';
import type { LogStorage } from './log-storage.ts';
import { type CreateLogOptions, createLog, holdsLog, type OpenLogOptions, openLog } from './open.ts';

export { chooseSnapshot } from './choose-snapshot.ts';
export type { Disk } from './disk.ts';
export { type DiskStallOptions, DiskStallWatch, type StallVerdict } from './disk-stall.ts';
export { syncDir, writeFileDurably } from './durable-files.ts';
export { FreeSpaceGuard, type FreeSpaceOptions } from './free-space.ts';
export type { LogAppend, LogIdentity, LogStorage } from './log-storage.ts';
export { type CreateLogOptions, createLog, holdsLog, type OpenLogOptions, openLog } from './open.ts';
export { type CrashOptions, SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.ts';
export { SimulatedFolder } from './simulated-folder.ts';
export { FileSnapshotFolder, type SnapshotFolder } from './snapshot-folder.ts';
export {
  SNAPSHOT_CHUNK_BYTES,
  SnapshotStore,
  type SnapshotStoreOptions,
  type SnapshotWriter,
  type SoundSnapshot,
} from './snapshot-store.ts';

/** The log in a folder on the disk. */
export const openLevelLog = (dir: string, options?: OpenLogOptions): Promise<LogStorage> =>
  openLog(new LevelDisk(dir), options);

/** False where there is none, or a making of one that was cut off. */
export const holdsLevelLog = (dir: string): Promise<boolean> => holdsLog(new LevelDisk(dir));

export const createLevelLog = (dir: string, options: CreateLogOptions): Promise<LogStorage> =>
  createLog(new LevelDisk(dir), options);
