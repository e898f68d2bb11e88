/**
 * When enough of a configuration agree: on an index, or on a vote.
 *
 * Paper, sections 5.2 and 5.3; for joint configurations thesis 4.3: both majorities must agree. An empty majority
 * agrees with everything, which makes a configuration that is not joint the special case of one whose old half is empty.
 */
import type { LogIndex, NodeId } from '../types.ts';

export type Voters = ReadonlySet<NodeId>;
export type VoteResult = 'won' | 'lost' | 'pending';

/** The two halves of a joint configuration; the second is empty when it is not joint. */
export interface VoterHalves {
  readonly voters: Voters;
  readonly outgoing: Voters;
}

/** What a voter has acknowledged, or `undefined` if it has said nothing. */
export type Acknowledged = (voter: NodeId) => LogIndex | undefined;

/** The highest index that a majority has; `Infinity` if nobody is asked. */
export function majorityIndex(voters: Voters, acknowledged: Acknowledged): LogIndex {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  const indexes = Array.from(voters, (voter) => acknowledged(voter) ?? 0).sort((a, b) => b - a);
  return indexes[Math.floor(voters.size / 2)] as LogIndex;
}

export function quorumIndex(halves: VoterHalves, acknowledged: Acknowledged): LogIndex {
  return Math.min(majorityIndex(halves.voters, acknowledged), majorityIndex(halves.outgoing, acknowledged));
}

/** `pending` as long as those that have not voted could still decide it. */
export function majorityVote(voters: Voters, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const needed = voters.size === 0 ? 0 : Math.floor(voters.size / 2) + 1;
  let granted = 0;
  let open = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) open++;
    else if (vote) granted++;
  }
  if (granted >= needed) return 'won';
  return granted + open >= needed ? 'pending' : 'lost';
}

export function quorumVote(halves: VoterHalves, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const results = [majorityVote(halves.voters, votes), majorityVote(halves.outgoing, votes)];
  if (results.includes('lost')) return 'lost';
  return results.includes('pending') ? 'pending' : 'won';
}
