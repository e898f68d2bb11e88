/** What a node refuses with, where a code alone does not say enough. */
import { ZkraftError } from '../../common/index.ts';

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

export const outcomeUnknown = (why: string, cause?: unknown): ZkraftError =>
  new ZkraftError(
    'outcome_unknown',
    `${why}; whether this was accepted is not known. Ask for its effect, or try again in the same session`,
    cause === undefined ? {} : { cause },
  );
