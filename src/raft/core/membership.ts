/**
 * What a node does when its configuration changes: on a committed change, and on a snapshot. Thesis, chapter 4.
 */
import { type ConfState, type LogIndex, NO_NODE } from '../types.ts';
import { type ConfChange, pathOf, stepsOf } from './conf-change.ts';
import { describeConfiguration, isVoter, toConfState } from './configuration.ts';
import { RaftConfigError } from './errors.ts';
import {
  type ChangeContext,
  enterJoint,
  leaveJoint,
  type Membership,
  restoreMembership,
  simpleChange,
} from './membership-change.ts';
import type { Raft } from './raft.ts';
import { broadcastAppend, peersOf, sendAppend } from './replication.ts';

const contextOf = ({ tracker, log }: Raft): ChangeContext => ({
  maxInflightMessages: tracker.limits.maxInflightMessages,
  maxInflightBytes: tracker.limits.maxInflightBytes,
  lastIndex: log.lastIndex(),
});

function changed(raft: Raft, change: ConfChange): Membership {
  const path = pathOf(change);
  const context = contextOf(raft);
  if (path === 'leave-joint') return leaveJoint(raft.tracker, context);
  if (path === 'simple') return simpleChange(raft.tracker, stepsOf(change), context);
  return enterJoint(raft.tracker, path === 'enter-joint-auto-leave', stepsOf(change), context);
}

/** Why this change cannot be made to the configuration as it is; committed, it would stop every node. */
export function whyImpossible(raft: Raft, change: ConfChange): string | undefined {
  try {
    changed(raft, change);
    return undefined;
  } catch (error) {
    if (error instanceof RaftConfigError) return error.message;
    throw error;
  }
}

/** Throws `RaftConfigError` for a change that cannot be; all nodes then throw alike. */
export function applyConfChange(raft: Raft, change: ConfChange, index: LogIndex | undefined): ConfState {
  if (index !== undefined && index <= raft.restoredIndex) return toConfState(raft.tracker.configuration);
  return switchTo(raft, changed(raft, change));
}

export function restoreConfiguration(raft: Raft, state: ConfState): void {
  switchTo(raft, restoreMembership(state, contextOf(raft)));
}

function switchTo(raft: Raft, membership: Membership): ConfState {
  const { tracker } = raft;
  tracker.switchTo(membership);
  const { configuration } = tracker;
  raft.say('info', () => `configuration ${describeConfiguration(configuration)}`);
  const state = toConfState(configuration);
  if (raft.role !== 'leader') return state;
  if (tracker.progress.get(raft.id)?.isLearner !== false) {
    // Not a voter any more. Without stepping down it goes on leading a cluster that it is no part of (thesis 4.2.2).
    if (raft.config.stepDownOnRemoval) raft.becomeFollower(raft.term, NO_NODE);
    return state;
  }
  // A smaller quorum may have what the larger had not; and newcomers want to hear something.
  if (raft.tryCommit()) broadcastAppend(raft);
  else for (const [id] of peersOf(raft)) sendAppend(raft, id, 'only-entries');
  if (!isVoter(configuration, raft.transferee)) raft.transferee = NO_NODE;
  return state;
}
