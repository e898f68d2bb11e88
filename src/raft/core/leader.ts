/**
 * What a leader does with proposals and answers. Paper, sections 5.3 and 5.4; thesis 3.10 and 4.
 */
import { type LogIndex, NO_NODE, type NodeId } from '../types.ts';
import { decodeConfChange, pathOf, stepsOf } from './conf-change.ts';
import { isJoint } from './configuration.ts';
import { RaftConfigError } from './errors.ts';
import { whyImpossible } from './membership.ts';
import type { AppendResponse, HeartbeatResponse, PeerMessage, ProposedEntry } from './message.ts';
import type { ProposalOutcome, StepOutcome } from './outcomes.ts';
import type { Progress } from './progress.ts';
import type { Raft } from './raft.ts';
import { confirmReads, readAsLeader, startDeferredReads } from './reads.ts';
import { broadcastAppend, sendAppend, sendRest } from './replication.ts';

export function stepLeader(raft: Raft, message: PeerMessage): StepOutcome {
  switch (message.type) {
    case 'propose':
      return proposeAsLeader(raft, message.entries).status === 'dropped' ? 'dropped' : 'handled';
    case 'read-index':
      readAsLeader(raft, message);
      return 'handled';
    case 'transfer-leader':
      transferTo(raft, message.transferee);
      return 'handled';
  }
  const progress = raft.tracker.progress.get(message.from);
  if (progress === undefined) return 'handled';
  if (message.type === 'append-response') onAppendResponse(raft, message, progress);
  else if (message.type === 'heartbeat-response') onHeartbeatResponse(raft, message, progress);
  return 'handled';
}

// Proposals.

export function proposeAsLeader(raft: Raft, entries: readonly ProposedEntry[]): ProposalOutcome {
  if (!raft.tracker.progress.has(raft.id)) return { status: 'dropped', reason: 'not-a-member' };
  if (raft.transferee !== NO_NODE) return { status: 'dropped', reason: 'transferring' };
  const first = raft.log.lastIndex() + 1;
  let refusedChange: string | undefined;
  const accepted = entries.map((entry, i) => {
    const wrong = whyNotNow(raft, entry);
    if (wrong === undefined) {
      if (entry.type !== 'normal') raft.pendingConfIndex = first + i;
      return entry;
    }
    refusedChange = wrong;
    raft.say('info', () => `turns a configuration change into an empty entry: ${wrong}`);
    return { type: 'normal', data: new Uint8Array(0) } as const;
  });
  if (!raft.append(accepted)) return { status: 'dropped', reason: 'too-much-uncommitted' };
  broadcastAppend(raft);
  if (entries.length > raft.config.maxMessageEntries) sendRest(raft);
  const appended = { status: 'appended', term: raft.term, index: raft.log.lastIndex() } as const;
  return refusedChange === undefined ? appended : { ...appended, refusedChange };
}

/** Thesis 4.1: one change at a time, and only from where it leads somewhere. `undefined` if it may be proposed. */
function whyNotNow(raft: Raft, entry: ProposedEntry): string | undefined {
  const change = readable(entry);
  if (typeof change === 'string') return change;
  if (change === undefined || raft.config.disableConfChangeValidation) return undefined;
  const joint = isJoint(raft.tracker.configuration);
  if (raft.pendingConfIndex > raft.log.applied)
    return `entry ${raft.pendingConfIndex} may be one, and ${raft.log.applied} is applied`;
  if (joint && pathOf(change) !== 'leave-joint') return 'the joint configuration must be left first';
  if (!joint && stepsOf(change).length === 0) return 'there is no joint configuration to leave';
  // Nothing else is on its way, so this is the configuration in which it will be applied.
  return whyImpossible(raft, change);
}

/** A change, none, or why its bytes say nothing: those must not get into the log, for no node could apply them. */
function readable(entry: ProposedEntry): ReturnType<typeof decodeConfChange> | string {
  try {
    return decodeConfChange(entry);
  } catch (error) {
    if (error instanceof RaftConfigError) return error.message;
    throw error;
  }
}

// Answers.

function onAppendResponse(raft: Raft, message: AppendResponse, progress: Progress): void {
  progress.recentActive = true;
  if (message.refused !== undefined) onRefusal(raft, message, progress);
  else onAcknowledgement(raft, message, progress);
}

/**
 * The logs part before `index`. With the follower's hint, and this log's own terms, whole terms are skipped rather than
 * entries (paper, end of 5.3).
 */
function onRefusal(raft: Raft, { from, index, refused }: AppendResponse, progress: Progress): void {
  if (refused === undefined) return;
  const hint = refused.term > 0 ? raft.log.lastNotOver(refused.index, refused.term).index : refused.index;
  if (!progress.refuse(index, hint)) return;
  if (progress.state === 'replicate') progress.becomeProbe();
  sendAppend(raft, from, 'even-if-empty');
}

function onAcknowledgement(raft: Raft, { from, index }: AppendResponse, progress: Progress): void {
  const news = progress.acknowledge(index);
  if (!news && !(progress.match === index && progress.state === 'probe')) return;
  if (progress.state === 'probe') {
    progress.becomeReplicate();
  } else if (progress.state === 'replicate') {
    progress.inflights.freeUpTo(index);
  } else if (progress.match + 1 >= raft.log.firstIndex()) {
    // It may never have needed the snapshot, or got another; it is enough that this log goes on from where it is.
    progress.becomeProbe();
    progress.becomeReplicate();
  }

  const before = raft.log.committed;
  if (raft.tryCommit()) {
    startDeferredReads(raft);
    if (!maySayCommitLater(raft, before)) broadcastAppend(raft);
  } else if (from !== raft.id && progress.wantsCommit(raft.log.committed) && !raft.config.holdCommits) {
    sendAppend(raft, from, 'even-if-empty');
  }
  if (from === raft.id) return;
  // The window may have opened for several messages.
  while (sendAppend(raft, from, 'only-entries')) {}
  if (from === raft.transferee && progress.match === raft.log.lastIndex()) raft.send(from, { type: 'timeout-now' });
}

/**
 * Not where a configuration change was committed: a member that it removes is none any more as soon as it is applied
 * here, and would never hear of it.
 */
function maySayCommitLater(raft: Raft, before: LogIndex): boolean {
  const { pendingConfIndex, config, log } = raft;
  return config.holdCommits && !(before < pendingConfIndex && pendingConfIndex <= log.committed);
}

function onHeartbeatResponse(raft: Raft, message: HeartbeatResponse, progress: Progress): void {
  progress.recentActive = true;
  // A probe or an answer to one may be lost; once in a heartbeat it is tried again.
  progress.paused = false;
  if (progress.match < raft.log.lastIndex() || progress.state === 'probe')
    sendAppend(raft, message.from, 'even-if-empty');
  confirmReads(raft, message);
}

// Reports of the host.

export function onUnreachable({ tracker }: Raft, id: NodeId): void {
  const progress = tracker.progress.get(id);
  // What was sent without waiting is probably lost.
  if (progress?.state === 'replicate') progress.becomeProbe();
}

export function onSnapshotReport({ tracker }: Raft, id: NodeId, arrived: boolean): void {
  const progress = tracker.progress.get(id);
  if (progress?.state !== 'snapshot') return;
  if (!arrived) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Arrived: wait for its answer. Not: wait a heartbeat before trying again.
  progress.paused = true;
}

// Transfer.

export function transferTo(raft: Raft, id: NodeId): void {
  const progress = raft.tracker.progress.get(id);
  if (progress === undefined || progress.isLearner || raft.transferee === id) return;
  // Another is meant now: what was begun is over, also when this leader itself is meant.
  raft.transferee = NO_NODE;
  if (id === raft.id) return;
  raft.say('info', () => `hands leadership to ${id}`);
  // It has one election timeout.
  raft.electionElapsed = 0;
  raft.transferee = id;
  if (progress.match === raft.log.lastIndex()) raft.send(id, { type: 'timeout-now' });
  else sendAppend(raft, id, 'even-if-empty');
}
