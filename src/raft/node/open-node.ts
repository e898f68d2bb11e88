/** Opens a node in a folder, with what is on by default. */
import { type Logger, ZkraftError } from '../../common/index.ts';
import { DiskStallWatch, FreeSpaceGuard } from '../storage/index.ts';
import type { ListedPeer } from './formation.ts';
import { MEMBERSHIP_RULES } from './membership.ts';
import type { NodeObserver } from './observer.ts';
import { FolderPlace } from './place.ts';
import type { ConnectTransport, Runtime } from './ports.ts';
import { PROPOSAL_LIMITS } from './proposals.ts';
import { RaftNode } from './raft-node.ts';
import type { ResultCodec } from './replicated-state.ts';
import { SNAPSHOT_POLICY } from './snapshot-policy.ts';
import { systemRuntime } from './system-runtime.ts';

export interface OpenNodeOptions<Result> {
  readonly dir: string;
  /** The operator's name for the node, and its certificate's. */
  readonly name: string;
  readonly raftAddress: string;
  readonly clientAddress: string;
  /** The latest version of the host's commands that it understands; told to the others. Default: it does not say. */
  readonly hostVersion?: number;
  readonly bootstrap?: boolean;
  /** Those that are to be members, this node among them or not: a leader adds the ones that wait to be added. */
  readonly peers?: readonly ListedPeer[];
  readonly connect: ConnectTransport;
  /** How long a follower waits without hearing from the leader; heartbeats come in a tenth of it. */
  readonly heartbeatTimeoutMs?: number;
  /** How long a candidate waits for votes. */
  readonly electionTimeoutMs?: number;
  /** How long a leader may hold a commit back from followers that get no entries; 0: it is told at once. */
  readonly commitTimeoutMs?: number;
  /** Most entries in one message to a follower. */
  readonly maxAppendEntries?: number;
  readonly snapshotIntervalMs?: number;
  readonly snapshotThreshold?: number;
  readonly trailingEntries?: number;
  /** For commands in sessions: how their results are remembered. The same on every node. */
  readonly codec?: ResultCodec<Result>;
  /** The core could trust clocks instead of asking a majority; a node never does. */
  readonly readMode?: 'read-index' | 'lease';
  /** How long a learner is in touch before it may vote. */
  readonly promoteInTouchMs?: number;
  /** Whether this node, when it leads, makes voters of learners that are ready, unasked. On by default. */
  readonly autoPromote?: boolean;
  /** Bytes that must stay free on the disk; 0 turns the guard off. */
  readonly freeBytesMin?: number;
  readonly runtime?: Runtime;
  readonly observer?: NodeObserver;
  readonly logger: Logger;
  readonly onFatal: (error: ZkraftError) => void;
}

const TIMEOUT_MS = 1_000;
/** Ticks of a millisecond are the least that a timer of Node keeps to. */
const TIMEOUT_MS_MIN = 50;
const MAX_MESSAGE_BYTES = 1024 * 1024;
const MAX_APPEND_ENTRIES = 64;
const COMMIT_TIMEOUT_MS = 50;

/** Rejects with `already_running`, `log_corrupt`, `config_invalid`. The host calls `start`. */
export async function openRaftNode<Result>(options: OpenNodeOptions<Result>): Promise<RaftNode<Result>> {
  check(options);
  const { dir, name, logger, runtime = systemRuntime, electionTimeoutMs = TIMEOUT_MS } = options;
  const { heartbeatTimeoutMs = TIMEOUT_MS } = options;
  const stall = new DiskStallWatch({ electionTimeoutMs, now: runtime.now });
  const freeSpace =
    options.freeBytesMin === 0
      ? undefined
      : new FreeSpaceGuard({
          where: dir,
          now: runtime.now,
          ...(options.freeBytesMin !== undefined && { freeBytesMin: options.freeBytesMin }),
        });
  const node = new RaftNode<Result>({
    name,
    raftAddress: options.raftAddress,
    clientAddress: options.clientAddress,
    hostVersion: options.hostVersion ?? 0,
    // Snapshots can be refused one by one; the log asks the guard through the driver, before anything is taken.
    place: new FolderPlace({ dir, nodeName: name, stallWatch: stall, ...(freeSpace && { freeSpace }) }),
    bootstrap: options.bootstrap ?? false,
    peers: options.peers ?? [],
    connect: options.connect,
    heartbeatTimeoutMs,
    electionTimeoutMs,
    snapshots: {
      intervalMs: options.snapshotIntervalMs ?? SNAPSHOT_POLICY.intervalMs,
      threshold: options.snapshotThreshold ?? SNAPSHOT_POLICY.threshold,
      trailingEntries: options.trailingEntries ?? SNAPSHOT_POLICY.trailingEntries,
    },
    proposals: PROPOSAL_LIMITS,
    membership: {
      ...MEMBERSHIP_RULES,
      ...(options.promoteInTouchMs !== undefined && { promoteInTouchMs: options.promoteInTouchMs }),
      ...(options.autoPromote !== undefined && { autoPromote: options.autoPromote }),
    },
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxAppendEntries: options.maxAppendEntries ?? MAX_APPEND_ENTRIES,
    commitTimeoutMs: options.commitTimeoutMs ?? COMMIT_TIMEOUT_MS,
    stall,
    freeSpace,
    codec: options.codec,
    runtime,
    observer: options.observer ?? {},
    logger,
    onFatal: options.onFatal,
  });
  await node.open();
  return node;
}

function check<Result>(options: OpenNodeOptions<Result>): void {
  const { readMode, heartbeatTimeoutMs, electionTimeoutMs, commitTimeoutMs = 0, maxAppendEntries = 1 } = options;
  if (readMode === 'lease') {
    throw new ZkraftError(
      'config_invalid',
      'reads by a lease trust clocks, and a slow clock then answers with what is no longer so; use read-index',
      { field: 'readMode' },
    );
  }
  for (const [field, value] of Object.entries({ heartbeatTimeoutMs, electionTimeoutMs })) {
    if (value !== undefined && !(value >= TIMEOUT_MS_MIN && value <= 60_000)) {
      throw new ZkraftError('config_invalid', `${field} is ${value}; give ${TIMEOUT_MS_MIN} to 60000 ms`, { field });
    }
  }
  if (!(commitTimeoutMs >= 0 && commitTimeoutMs <= 60_000)) {
    const message = `commitTimeoutMs is ${commitTimeoutMs}; give 0 to 60000 ms`;
    throw new ZkraftError('config_invalid', message, { field: 'commitTimeoutMs' });
  }
  if (!(Number.isSafeInteger(maxAppendEntries) && maxAppendEntries >= 1)) {
    const message = `maxAppendEntries is ${maxAppendEntries}; give a whole number from 1 on`;
    throw new ZkraftError('config_invalid', message, { field: 'maxAppendEntries' });
  }
}
