/** Where a node tells what it measured, in milliseconds, after the fact. Whoever keeps metrics turns it into them. */
export interface NodeObserver {
  /** One durable batch of the log. */
  readonly appended?: (durationMs: number, entries: number) => void;
  /** One turn's worth of entries. */
  readonly applied?: (durationMs: number, entries: number) => void;
  readonly snapshotted?: (durationMs: number, bytes: number) => void;
  /** From the call of `propose` to its result. */
  readonly committed?: (durationMs: number) => void;
  readonly leaderChanged?: () => void;
  /** How late a tick came: what the event loop was busy with. A process that also proves shows here (rule 12). */
  readonly eventLoopLag?: (lagMs: number) => void;
}
