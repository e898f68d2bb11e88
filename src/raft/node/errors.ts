/** What a node refuses with, where a code alone does not say enough. */
import { ZkraftError } from '../../common/index.ts';
import { NO_NODE, type NodeId } from '../types.ts';
import type { Member } from './members.ts';

/** Nothing was done. Names who leads, as far as this node knows. */
export class NotLeaderError extends ZkraftError {
  /** Name of the leader's node. */
  readonly leaderId: string | undefined;
  /** Where the leader serves clients. */
  readonly leaderAddress: string | undefined;

  constructor(message: string, leader: { readonly name: string; readonly clientAddress: string } | undefined) {
    super('not_leader', message);
    this.leaderId = leader?.name;
    this.leaderAddress = leader?.clientAddress;
  }
}

/** `leader` is what the record says of `lead`; undefined also for this node itself, which is about to change roles. */
export function notLeader(lead: NodeId, leader: Member | undefined): NotLeaderError {
  if (lead === NO_NODE) return new NotLeaderError('this node knows of no leader at the moment; try again', undefined);
  if (leader === undefined) return new NotLeaderError('leadership is changing; try again', undefined);
  return new NotLeaderError(`this node does not lead; ${leader.name} does`, leader);
}

export const outcomeUnknown = (why: string, cause?: unknown): ZkraftError =>
  new ZkraftError(
    'outcome_unknown',
    `${why}; whether this was accepted is not known. Ask for its effect, or try again in the same session`,
    cause === undefined ? {} : { cause },
  );
