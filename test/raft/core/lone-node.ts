/** One core whose peers are the test itself: messages are put in by hand, and what comes out is looked at. */
import {
  type CoreOptions,
  decodeConfChange,
  MemoryStorage,
  type PeerMessage,
  RawNode,
  type ReadState,
} from '../../../src/raft/core/index.ts';
import type { ConfState, Entry, HardState, NodeId } from '../../../src/raft/types.ts';
import { confState, entry, snapshotAt } from './cluster.ts';

export interface Setup extends Partial<Omit<CoreOptions, 'id' | 'storage'>> {
  readonly id?: NodeId;
  readonly voters?: readonly NodeId[];
  readonly state?: ConfState;
  /** The terms of its entries, from index 1. */
  readonly log?: readonly number[];
  readonly hardState?: Partial<HardState>;
}

export class LoneNode {
  readonly id: NodeId;
  readonly storage = new MemoryStorage();
  readonly raw: RawNode;
  readonly applied: Entry[] = [];
  readonly reads: ReadState[] = [];

  constructor({ id = 1, voters = [1, 2, 3], state, log = [], hardState = {}, ...options }: Setup = {}) {
    this.id = id;
    this.storage.applySnapshot(snapshotAt(0, 0, state ?? confState(voters)));
    this.storage.append(log.map((term, i) => entry(term, i + 1)));
    this.storage.setHardState({ term: log.at(-1) ?? 0, vote: 0, commit: 0, ...hardState });
    this.raw = new RawNode({
      electionTicks: 10,
      heartbeatTicks: 1,
      jitterTicks: () => 0,
      preVote: false,
      checkQuorum: false,
      stepDownOnRemoval: false,
      forwardProposals: true,
      ...options,
      id,
      storage: this.storage,
    });
  }

  /** Does all there is to do, and gives what was sent meanwhile. */
  drain(): PeerMessage[] {
    const sent: PeerMessage[] = [];
    while (this.raw.hasReady()) {
      const ready = this.raw.ready();
      if (ready.hardState !== undefined) this.storage.setHardState(ready.hardState);
      if (ready.snapshot !== undefined) this.storage.applySnapshot(ready.snapshot);
      this.storage.append(ready.entries);
      for (const one of ready.committedEntries) {
        const change = decodeConfChange(one);
        if (change !== undefined) this.raw.applyConfChange(change);
        this.applied.push(one);
      }
      this.reads.push(...ready.readStates);
      sent.push(...ready.messages);
      this.raw.advance();
    }
    return sent;
  }

  /** Steps one message and gives the answers. */
  tell(message: PeerMessage): PeerMessage[] {
    this.raw.step(message);
    return this.drain();
  }

  tick(ticks = 1): PeerMessage[] {
    for (let i = 0; i < ticks; i++) this.raw.tick();
    return this.drain();
  }

  get status(): ReturnType<RawNode['status']> {
    return this.raw.status();
  }

  get terms(): number[] {
    const { storage } = this;
    return (storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Number.POSITIVE_INFINITY) ?? []).map(
      ({ term }) => term,
    );
  }

  /** By the vote of `voter`; gives what the new leader sends first. */
  elect(voter: NodeId = 2): PeerMessage[] {
    this.raw.campaign();
    this.drain();
    return this.vote(voter);
  }

  vote(from: NodeId, granted = true): PeerMessage[] {
    return this.tell({ type: 'vote-response', from, to: this.id, term: this.status.term, granted });
  }

  acknowledge(from: NodeId, index: number): PeerMessage[] {
    return this.tell({ type: 'append-response', from, to: this.id, term: this.status.term, index });
  }

  append(
    from: NodeId,
    term: number,
    previous: readonly [number, number],
    terms: readonly number[],
    commit = 0,
  ): PeerMessage[] {
    const [previousTerm, index] = previous;
    return this.tell({
      type: 'append',
      from,
      to: this.id,
      term,
      previous: { term: previousTerm, index },
      entries: terms.map((one, i) => entry(one, index + 1 + i)),
      commit,
    });
  }
}

type OfType<Type, M = PeerMessage> = M extends { readonly type: infer T } ? (Type extends T ? M : never) : never;

export function only<Type extends PeerMessage['type']>(messages: readonly PeerMessage[], type: Type): OfType<Type>[] {
  return messages.filter((message): message is OfType<Type> => message.type === type);
}
