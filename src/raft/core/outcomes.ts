/**
 * What becomes of what a core is given, as far as it can tell at once.
 */
import type { LogIndex, NodeId, Term } from '../types.ts';

export type DropReason =
  /** No leader is known. */
  | 'no-leader'
  /** Another leads, and proposals are not passed on. */
  | 'not-leader'
  /** This leader is no member any more. */
  | 'not-a-member'
  /** Leadership is being handed over. */
  | 'transferring'
  /** `maxUncommittedBytes` of proposals wait already. */
  | 'too-much-uncommitted';

export type ProposalOutcome =
  /** In this leader's log; committed if and only if an entry of this term is applied at this index. */
  | { readonly status: 'appended'; readonly term: Term; readonly index: LogIndex; readonly refusedChange?: string }
  /** Sent to the leader. Whether it arrives is not known. */
  | { readonly status: 'forwarded'; readonly to: NodeId }
  /** Nothing has happened. */
  | { readonly status: 'dropped'; readonly reason: DropReason };

/**
 * `pending`: a `ReadState` will come, unless leadership is lost or messages are. `dropped`: none will come.
 */
export type ReadOutcome = 'pending' | 'dropped';

/** `dropped`: a proposal that was passed on to this node. `unknown-peer`: an answer from a node that is no member. */
export type StepOutcome = 'handled' | 'dropped' | 'unknown-peer';
