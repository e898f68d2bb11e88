/**
 * What followers and candidates do with a leader's messages. Paper, sections 5.2, 5.3 and 7.
 */
import { NO_NODE, type Snapshot } from '../types.ts';
import { campaign, countVote } from './election.ts';
import { restoreConfiguration } from './membership.ts';
import type { AppendMessage, HeartbeatMessage, PeerMessage, SnapshotMessage } from './message.ts';
import type { StepOutcome } from './outcomes.ts';
import type { Raft } from './raft.ts';

type LeaderMessage = AppendMessage | HeartbeatMessage | SnapshotMessage;

export function stepFollower(raft: Raft, message: PeerMessage): StepOutcome {
  switch (message.type) {
    case 'append':
    case 'heartbeat':
    case 'snapshot':
      raft.electionElapsed = 0;
      raft.lead = message.from;
      follow(raft, message);
      break;
    case 'propose':
      if (raft.lead === NO_NODE || !raft.config.forwardProposals) return 'dropped';
      raft.send(raft.lead, { type: 'propose', origin: message.origin, entries: message.entries }, 0);
      break;
    case 'read-index':
      if (raft.lead === NO_NODE) break;
      raft.send(raft.lead, { type: 'read-index', origin: message.origin, context: message.context }, 0);
      break;
    case 'transfer-leader':
      if (raft.lead !== NO_NODE) raft.send(raft.lead, { type: 'transfer-leader', transferee: message.transferee });
      break;
    case 'read-index-response':
      raft.readStates.push({ index: message.index, context: message.context });
      break;
    case 'timeout-now':
      campaign(raft, 'transfer');
      break;
  }
  return 'handled';
}

export function stepCandidate(raft: Raft, message: PeerMessage): StepOutcome {
  switch (message.type) {
    case 'append':
    case 'heartbeat':
    case 'snapshot':
      // Somebody else has won this term.
      raft.becomeFollower(message.term, message.from);
      follow(raft, message);
      break;
    case 'vote-response':
    case 'pre-vote-response':
      countVote(raft, message);
      break;
    case 'propose':
      return 'dropped';
  }
  return 'handled';
}

function follow(raft: Raft, message: LeaderMessage): void {
  if (message.type === 'append') onAppend(raft, message);
  else if (message.type === 'snapshot') onSnapshot(raft, message);
  else {
    raft.log.commitTo(message.commit);
    raft.send(message.from, { type: 'heartbeat-response', readRound: message.readRound });
  }
}

function onAppend(raft: Raft, message: AppendMessage): void {
  const { from, previous } = message;
  const { log } = raft;
  if (previous.index < log.committed) {
    // Old: what is committed is the same on both sides, and need not be looked at.
    raft.send(from, { type: 'append-response', index: log.committed });
    return;
  }
  const last = log.tryAppend(message);
  if (last !== undefined) {
    raft.send(from, { type: 'append-response', index: last });
    return;
  }
  // The leader's log had `previous.term` there, and no higher term before: nothing of a higher term here can match.
  const refused = log.lastNotOver(Math.min(previous.index, log.lastIndex()), previous.term);
  raft.send(from, { type: 'append-response', index: previous.index, refused });
}

function onSnapshot(raft: Raft, { from, snapshot }: SnapshotMessage): void {
  const restored = restore(raft, snapshot);
  raft.say('info', () => `${restored ? 'restores' : 'has no use for'} the snapshot at ${snapshot.metadata.index}`);
  raft.send(from, { type: 'append-response', index: restored ? raft.log.lastIndex() : raft.log.committed });
}

/** False if there is nothing to restore: all of it is here, or it is not for this node. */
function restore(raft: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  if (index <= raft.log.committed) return false;
  if (![...confState.voters, ...confState.learners, ...confState.votersOutgoing].includes(raft.id)) {
    raft.say('warn', () => `got a snapshot at ${index} of a cluster of which it is no member`);
    return false;
  }
  if (raft.log.matches({ term, index })) {
    // The log has all of that; it only did not know that it is committed.
    raft.log.commitTo(index);
    return false;
  }
  raft.log.restore(snapshot);
  raft.restoredIndex = index;
  restoreConfiguration(raft, confState);
  return true;
}
