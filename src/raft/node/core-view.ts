/**
 * The log as the core sees it: the durable one, with one more condition on snapshots.
 *
 * A node takes no snapshot of a configuration that it is no part of. So one that was made before the newest member was
 * added is of no use to that member: it is as if there were none yet, and a new one is made.
 */
import type { StorageView } from '../core/index.ts';
import type { LogStorage } from '../storage/index.ts';
import type { ConfState, Snapshot } from '../types.ts';
import { idsOf } from './members.ts';

export interface CoreViewOptions {
  readonly log: LogStorage;
  readonly confState: () => ConfState;
  /** A newer snapshot is wanted; called within the core. */
  readonly demand: () => void;
}

export function coreView({ log, confState, demand }: CoreViewOptions): StorageView {
  return {
    initialState: () => log.initialState(),
    entries: (lo, hi, bytesMax) => log.entries(lo, hi, bytesMax),
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
