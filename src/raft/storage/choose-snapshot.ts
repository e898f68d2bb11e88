/**
 * From which snapshot a node begins: the newest that is whole and that the log still reaches.
 *
 * The one before the newest does as well as long as the log has every entry after it, and no snapshot at all while the
 * log has its first entry. Beyond that a damaged snapshot is a damaged node, which is told, and not repaired.
 */
import { ZkraftError } from '../../common/index.ts';
import { damaged } from './boot.ts';
import type { LogStorage } from './log-storage.ts';
import type { SnapshotStore, SoundSnapshot } from './snapshot-store.ts';

/**
 * Verifies, newest first, and sets the log to begin from what it returns; `undefined`: replay from entry 1. `onDamage` is
 * told of each that was passed over. Rejects with `log_corrupt` when none will do.
 */
export async function chooseSnapshot(
  log: LogStorage,
  store: SnapshotStore,
  onDamage: (error: ZkraftError) => void,
): Promise<SoundSnapshot | undefined> {
  const problems: string[] = [];
  for (const metadata of log.recordedSnapshots().toReversed()) {
    if (log.firstIndex() > metadata.index + 1) {
      problems.push(`the log begins with entry ${log.firstIndex()}, after the snapshot at ${metadata.index}`);
      continue;
    }
    try {
      // The beginning has a configuration, but no file.
      const sound = metadata.index === 0 ? undefined : await store.verify(metadata);
      log.beginFrom(metadata);
      return sound;
    } catch (error) {
      const known = ZkraftError.from(error);
      onDamage(known);
      problems.push(known.message);
    }
  }
  throw damaged(store.where, new ZkraftError('log_corrupt', problems.join('; ')));
}
