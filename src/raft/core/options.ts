/**
 * What a core is told when it is made. The protections of the thesis are on unless they are turned off by name.
 */
import type { LogIndex, NodeId } from '../types.ts';
import { RaftConfigError } from './errors.ts';
import { type CoreLogger, SILENT } from './logger.ts';
import type { StorageView } from './storage-view.ts';

/**
 * `safe`: a read waits until a quorum has confirmed the leader (thesis 6.4). `lease-based` trusts clocks instead: a
 * leader whose clock runs slow answers with what is no longer so. It is here because etcd's traces speak of it.
 */
export type ReadOnlyMode = 'safe' | 'lease-based';

export interface CoreOptions {
  /** A positive safe integer, never used before by a node whose disk is gone. */
  readonly id: NodeId;
  readonly storage: StorageView;
  /** Ticks without a leader until an election; the wait is this and `jitterTicks` more. */
  readonly electionTicks: number;
  /** Ticks between a leader's heartbeats. */
  readonly heartbeatTicks: number;
  /** Chance, from outside: a whole number from 0 to `electionTicks - 1`, drawn anew at each change of state. */
  readonly jitterTicks: (electionTicks: number) => number;
  /** What the state machine has applied already, and will not be given again. */
  readonly applied?: LogIndex;
  /** `Ready` then carries work for two threads of the host, and `advance` is not called. See README.md. */
  readonly asyncStorageWrites?: boolean;

  readonly preVote?: boolean;
  readonly checkQuorum?: boolean;
  readonly stepDownOnRemoval?: boolean;
  /** Followers pass proposals on to the leader. Off: whoever proposes must learn what became of it. */
  readonly forwardProposals?: boolean;
  readonly readOnly?: ReadOnlyMode;
  /** Lets through configuration changes that the leader would turn into empty entries. For tests. */
  readonly disableConfChangeValidation?: boolean;

  /** Of entries in one append message; one entry always goes. */
  readonly maxMessageBytes?: number;
  /** Entries in one append message. Left out: only their bytes count. */
  readonly maxMessageEntries?: number;
  /**
   * A commit index that no entries carry is told when the host says `tellCommit`, and not with a message of its own at
   * once; one of a configuration change is always told at once.
   */
  readonly holdCommits?: boolean;
  /** Of committed entries in one `Ready`, and of those being applied. */
  readonly maxCommittedBytesPerReady?: number;
  /** Of payload that is proposed but not applied; further proposals are dropped, except for one when there is none. */
  readonly maxUncommittedBytes?: number;
  /** Append messages on their way to one follower. */
  readonly maxInflightMessages?: number;
  readonly maxInflightBytes?: number;
  /** Reads that wait for their leader to be confirmed. */
  readonly maxPendingReads?: number;

  readonly logger?: CoreLogger;
}

export type CoreConfig = Required<CoreOptions>;

const MIB = 2 ** 20;

/** What is named but undefined counts as left out. */
const given = (options: CoreOptions): CoreOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as CoreOptions;

export function completeOptions(options: CoreOptions): CoreConfig {
  const maxMessageBytes = options.maxMessageBytes ?? MIB;
  const config: CoreConfig = {
    applied: 0,
    asyncStorageWrites: false,
    preVote: true,
    checkQuorum: true,
    stepDownOnRemoval: true,
    forwardProposals: false,
    readOnly: 'safe',
    disableConfChangeValidation: false,
    maxMessageBytes,
    maxMessageEntries: Number.POSITIVE_INFINITY,
    holdCommits: false,
    maxCommittedBytesPerReady: maxMessageBytes,
    maxUncommittedBytes: 64 * MIB,
    maxInflightMessages: 256,
    maxInflightBytes: Math.max(16 * MIB, maxMessageBytes),
    maxPendingReads: 10_000,
    logger: SILENT,
    ...given(options),
  };
  check(config);
  return config;
}

function check(config: CoreConfig): void {
  const demand = (holds: boolean, text: string): void => {
    if (!holds) throw new RaftConfigError(text);
  };
  const { id, electionTicks, heartbeatTicks } = config;
  demand(Number.isSafeInteger(id) && id > 0, `id is ${id}; give a positive safe integer`);
  demand(
    Number.isSafeInteger(heartbeatTicks) && heartbeatTicks > 0,
    `heartbeatTicks is ${heartbeatTicks}; give a whole number over 0`,
  );
  demand(
    Number.isSafeInteger(electionTicks) && electionTicks > heartbeatTicks,
    `electionTicks is ${electionTicks}; give a whole number over heartbeatTicks, ${heartbeatTicks}`,
  );
  demand(Number.isSafeInteger(config.applied) && config.applied >= 0, `applied is ${config.applied}; give an index`);
  const limits = [
    'maxMessageBytes',
    'maxMessageEntries',
    'maxCommittedBytesPerReady',
    'maxUncommittedBytes',
    'maxInflightMessages',
    'maxInflightBytes',
    'maxPendingReads',
  ] as const;
  for (const limit of limits)
    demand(
      config[limit] > (limit === 'maxMessageBytes' ? -1 : 0),
      `${limit} is ${config[limit]}; give a number over 0`,
    );
  demand(
    config.maxInflightBytes >= config.maxMessageBytes,
    `maxInflightBytes is ${config.maxInflightBytes}; give at least maxMessageBytes, ${config.maxMessageBytes}`,
  );
  demand(
    config.readOnly === 'safe' || config.checkQuorum,
    'readOnly lease-based needs checkQuorum: without it a leader that nobody hears keeps its lease',
  );
}
