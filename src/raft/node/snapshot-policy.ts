/**
 * When a snapshot is made, and how far the log may then be cut. Pure.
 *
 * Many entries stay behind a snapshot: a follower that is a little behind catches up from the log, which is cheaper than
 * a snapshot and cannot loop (rule 4). What a peer's snapshot under way will need next stays too.
 */
export interface SnapshotPolicy {
  readonly intervalMs: number;
  /** Entries since the last one. */
  readonly threshold: number;
  /** Entries kept behind what is applied. */
  readonly trailingEntries: number;
}

export const SNAPSHOT_POLICY: SnapshotPolicy = { intervalMs: 120_000, threshold: 8_192, trailingEntries: 10_240 };

export function isSnapshotDue(
  policy: SnapshotPolicy,
  now: { readonly appliedIndex: number; readonly snapshotIndex: number; readonly sinceLastMs: number },
): boolean {
  const grown = now.appliedIndex - now.snapshotIndex;
  return grown >= policy.threshold || (grown > 0 && now.sinceLastMs >= policy.intervalMs);
}

/** The last entry that may go; 0 or less: none. */
export function compactTo(
  policy: SnapshotPolicy,
  now: {
    readonly appliedIndex: number;
    /** Of the recorded ones: should the newest turn out damaged, the log must go on from it. */
    readonly oldestSnapshotIndex: number;
    /** Indexes of snapshots on their way to peers. */
    readonly snapshotsUnderWay: readonly number[];
  },
): number {
  return Math.min(now.appliedIndex - policy.trailingEntries, now.oldestSnapshotIndex, ...now.snapshotsUnderWay);
}
