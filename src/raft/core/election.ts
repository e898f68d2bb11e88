/**
 * Elections: asking for votes, giving them, counting them.
 *
 * Paper, sections 5.2 and 5.4.1; thesis 9.6 (pre-vote: ask whether it could be won before disturbing anybody) and 3.10
 * (a transfer skips the pre-vote and the protection of the leader, for it is the leader's own wish).
 */
import { NO_NODE } from '../types.ts';
import { votersOf } from './configuration.ts';
import { invariant } from './errors.ts';
import type { VoteMessage, VoteResponse } from './message.ts';
import type { Raft } from './raft.ts';
import { broadcastAppend } from './replication.ts';

export type CampaignKind = 'pre-vote' | 'vote' | 'transfer';

export function campaign(raft: Raft, kind: CampaignKind): void {
  if (raft.role === 'leader') return;
  if (!raft.promotable) {
    raft.say('warn', () => 'cannot campaign: no voter, or a snapshot is not written yet');
    return;
  }
  if (hasUnappliedConfChange(raft)) {
    raft.say('warn', () => 'cannot campaign: a committed change of the configuration is not applied yet');
    return;
  }
  askForVotes(raft, kind);
}

/** The outcome of an election depends on the configuration, which a committed entry may be about to change. */
function hasUnappliedConfChange({ log }: Raft): boolean {
  for (let lo = log.applied + 1; lo <= log.committed; ) {
    const page = log.slice(lo, log.committed + 1, log.applyingBytesMax);
    invariant(page !== undefined && page.length > 0, () => `committed entry ${lo} is neither applied nor there`);
    if (page.some(({ type }) => type !== 'normal')) return true;
    lo += page.length;
  }
  return false;
}

function askForVotes(raft: Raft, kind: CampaignKind): void {
  if (kind === 'pre-vote') raft.becomePreCandidate();
  else raft.becomeCandidate();
  const type = kind === 'pre-vote' ? 'pre-vote' : 'vote';
  const term = kind === 'pre-vote' ? raft.term + 1 : raft.term;
  const last = raft.log.last();
  for (const id of votersOf(raft.tracker.configuration)) {
    // Its own vote is counted when it comes back, after term and vote are written.
    if (id === raft.id) raft.send(id, { type: `${type}-response`, granted: true }, term);
    else raft.send(id, { type, last, transfer: kind === 'transfer' }, term);
  }
}

/**
 * Also a learner votes when asked: it may have become a voter by an entry that it has not got yet, and its vote may be
 * needed to commit just that entry.
 */
export function answerVote(raft: Raft, message: VoteMessage): void {
  const { type, from, term, last } = message;
  const free =
    raft.vote === from || (raft.vote === NO_NODE && raft.lead === NO_NODE) || (type === 'pre-vote' && term > raft.term);
  const granted = free && raft.log.isUpToDate(last);
  raft.say('info', () => `${granted ? 'grants' : 'refuses'} ${from} a ${type} for term ${term}`);
  // A granted pre-vote answers in the term it was asked for; anything else tells the candidate where this node is.
  raft.send(from, { type: `${type}-response`, granted }, granted ? term : raft.term);
  if (!granted || type === 'pre-vote') return;
  raft.electionElapsed = 0;
  raft.vote = from;
}

export function countVote(raft: Raft, { type, from, granted }: VoteResponse): void {
  if (type !== (raft.role === 'pre-candidate' ? 'pre-vote-response' : 'vote-response')) return;
  const { result, ...votes } = raft.tracker.recordVote(from, granted);
  raft.say('info', () => `${votes.granted} ${type}s for, ${votes.rejected} against`);
  if (result === 'lost') raft.becomeFollower(raft.term, NO_NODE);
  if (result !== 'won') return;
  if (raft.role === 'pre-candidate') {
    askForVotes(raft, 'vote');
  } else {
    raft.becomeLeader();
    broadcastAppend(raft);
  }
}
