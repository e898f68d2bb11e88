/**
 * The core as a node runs it, and the log as that core sees it: the durable one, with one more condition on snapshots,
 * and without waiting for the disk where a peer wants old entries (`read-ahead.ts`).
 *
 * A node takes no snapshot of a configuration that it is no part of. So one that was made before the newest member was
 * added is of no use to that member: it is as if there were none yet, and a new one is made.
 */
import { type CoreStatus, RawNode, type StorageView } from '../core/index.ts';
import type { LogStorage } from '../storage/index.ts';
import type { ConfState, Snapshot } from '../types.ts';
import type { DriverOptions } from './driver-options.ts';
import { idsOf } from './members.ts';
import type { ReadAhead } from './read-ahead.ts';

/** A follower waits this many ticks for its leader, and up to as many more by chance; heartbeats come at each. */
export const ELECTION_TICKS = 10;
export const READS_MAX = 10_000;

/** With asynchronous writes, and all that is on by default: pre-vote, check-quorum, ReadIndex, no forwarding. */
export function createCore<Result>(
  options: DriverOptions<Result>,
  readAhead: Pick<ReadAhead, 'isAtHand'>,
  demand: () => void,
): RawNode {
  const { id, log, state, runtime, maxMessageBytes, maxAppendEntries, commitTimeoutMs, logger } = options;
  return new RawNode({
    id,
    storage: coreView({ log, readAhead, confState: () => state.confState, demand }),
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: 1,
    jitterTicks: (ticks) => Math.floor(runtime.random() * ticks),
    applied: state.appliedIndex,
    asyncStorageWrites: true,
    maxMessageBytes,
    maxMessageEntries: maxAppendEntries,
    holdCommits: commitTimeoutMs > 0,
    maxPendingReads: READS_MAX,
    logger: (level, text) => {
      // Each election says several things; what an operator wants to hear of one, the driver says.
      const ours = level === 'info' ? 'debug' : level;
      if (logger.isLevelEnabled(ours)) logger[ours]({}, text());
    },
  });
}

/** Indexes of those that are on their way to peers. */
export function snapshotsUnderWay({ progress }: CoreStatus): readonly number[] {
  return [...progress.values()].flatMap(({ state, pendingSnapshot }) => (state === 'snapshot' ? pendingSnapshot : []));
}

interface CoreViewOptions {
  readonly log: LogStorage;
  readonly readAhead: Pick<ReadAhead, 'isAtHand'>;
  readonly confState: () => ConfState;
  /** A newer snapshot is wanted; called within the core. */
  readonly demand: () => void;
}

function coreView({ log, readAhead, confState, demand }: CoreViewOptions): StorageView {
  return {
    initialState: () => log.initialState(),
    entries: (lo, hi, bytesMax) => {
      // A page ends where memory does. What is applied here, after a restart, may come from the disk all the same.
      const end = Math.min(hi, log.residentTo(lo));
      return log.entries(lo, end > lo ? end : hi, bytesMax);
    },
    isAtHand: (lo) => readAhead.isAtHand(lo),
    term: (index) => log.term(index),
    firstIndex: () => log.firstIndex(),
    lastIndex: () => log.lastIndex(),
    snapshot: (): Snapshot | undefined => {
      const newest = log.snapshot();
      const inside = new Set(newest === undefined ? [] : idsOf(newest.metadata.confState));
      if (newest !== undefined && idsOf(confState()).every((id) => inside.has(id))) return newest;
      demand();
      return undefined;
    },
  };
}
