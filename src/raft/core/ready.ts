/**
 * What the host is to do next, and the work for its threads when it writes asynchronously. README.md says in which
 * order.
 */
import { EMPTY_HARD_STATE, type Entry, type HardState, type NodeId, type Snapshot } from '../types.ts';
import type {
  PeerMessage,
  StorageAppend,
  StorageAppendResponse,
  StorageApply,
  StorageApplyResponse,
} from './message.ts';
import type { Raft, Role } from './raft.ts';
import type { ReadState } from './reads.ts';

export interface SoftState {
  readonly lead: NodeId;
  readonly role: Role;
}

export interface Ready {
  /** Only if it has changed. Nothing of it is to be written. */
  readonly softState?: SoftState;
  /** Only if it has changed. */
  readonly hardState?: HardState;
  readonly readStates: readonly ReadState[];
  /** To be written, in place of what stands at their indexes and after. */
  readonly entries: readonly Entry[];
  /** To be written, in place of the whole log; then the state machine is restored from it. */
  readonly snapshot?: Snapshot;
  /** To be applied. With writes in step, they may be among `entries`: write first. */
  readonly committedEntries: readonly Entry[];
  /** To be sent to peers: with writes in step after the write, with asynchronous ones at once. */
  readonly messages: readonly PeerMessage[];
  /** The write must be synced before what follows it: entries, term or vote are new. A commit index alone may wait. */
  readonly mustSync: boolean;
  /** With asynchronous writes: everything above that is to be written, and what is to be said then. */
  readonly storageAppend?: StorageAppend;
  /** With asynchronous writes: `committedEntries`, and what is to be said then. */
  readonly storageApply?: StorageApply;
}

export const sameSoftState = (a: SoftState, b: SoftState): boolean => a.lead === b.lead && a.role === b.role;

export const sameHardState = (a: HardState, b: HardState): boolean =>
  a.term === b.term && a.vote === b.vote && a.commit === b.commit;

export const isEmptyHardState = (state: HardState): boolean => sameHardState(state, EMPTY_HARD_STATE);

type Written = Pick<Ready, 'hardState' | 'entries' | 'snapshot'>;

/**
 * Acknowledges all entries that are not durable, also those of earlier writes: these are done before this one is. That
 * way an entry that was replaced on the way and written again is not taken for durable too early.
 */
export function writeAcknowledgement(raft: Raft, { snapshot }: Written): StorageAppendResponse | undefined {
  const last = raft.log.unstable.isEmpty ? undefined : raft.log.last();
  if (last === undefined && snapshot === undefined) return undefined;
  return {
    type: 'storage-append-response',
    to: raft.id,
    term: raft.term,
    ...(last && { last }),
    ...(snapshot && { snapshot }),
  };
}

export const applyAcknowledgement = (raft: Raft, entries: readonly Entry[]): StorageApplyResponse => ({
  type: 'storage-apply-response',
  to: raft.id,
  entries,
});

export function appendWork(raft: Raft, written: Written): StorageAppend | undefined {
  const { hardState, entries, snapshot } = written;
  const nothing = entries.length === 0 && hardState === undefined && snapshot === undefined;
  if (nothing && raft.afterAppend.length === 0) return undefined;
  const acknowledgement = writeAcknowledgement(raft, written);
  return {
    type: 'storage-append',
    from: raft.id,
    entries,
    ...(hardState && { hardState }),
    ...(snapshot && { snapshot }),
    responses: [...raft.afterAppend, ...(acknowledgement ? [acknowledgement] : [])],
  };
}

export function applyWork(raft: Raft, entries: readonly Entry[]): StorageApply | undefined {
  if (entries.length === 0) return undefined;
  return { type: 'storage-apply', from: raft.id, entries, responses: [applyAcknowledgement(raft, entries)] };
}
