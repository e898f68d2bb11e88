/**
 * A few cores in one thread: messages go round until nobody has anything to say. Links can be cut, messages dropped by
 * kind, time moves only by `tick`. A node can crash: what it had in memory is gone, its storage stays.
 */
import {
  type ConfChangeStep,
  type CoreOptions,
  decodeConfChange,
  MemoryStorage,
  type Message,
  type PeerMessage,
  RawNode,
  type ReadState,
  type Transition,
} from '../../../src/raft/core/index.ts';
import type { ConfState, Entry, NodeId, Snapshot } from '../../../src/raft/types.ts';

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

export const confState = (voters: readonly NodeId[], more: Partial<ConfState> = {}): ConfState => ({
  voters,
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
  ...more,
});

export const entry = (term: number, index: number, data = ''): Entry => ({
  term,
  index,
  type: 'normal',
  data: bytes(data),
});

export const snapshotAt = (index: number, term: number, state: ConfState, data = ''): Snapshot => ({
  data: bytes(data),
  metadata: { index, term, confState: state },
});

export type ClusterOptions = Partial<Omit<CoreOptions, 'storage' | 'id'>>;

/** Protections off, so that a test sees only what it turns on. */
const BARE = {
  electionTicks: 10,
  heartbeatTicks: 1,
  jitterTicks: () => 0,
  preVote: false,
  checkQuorum: false,
  stepDownOnRemoval: false,
  forwardProposals: true,
} satisfies ClusterOptions;

export interface Member {
  readonly id: NodeId;
  raw: RawNode;
  readonly storage: MemoryStorage;
  /** Data of the normal entries applied since the last start, empty ones left out. */
  applied: string[];
  reads: ReadState[];
  confState: ConfState;
}

export class Cluster {
  readonly members = new Map<NodeId, Member>();
  readonly #options: ClusterOptions;
  readonly #queue: PeerMessage[] = [];
  /** `from>to` of links that lose everything. */
  readonly #cut = new Set<string>();
  readonly #ignored = new Set<PeerMessage['type']>();
  /** Everything that was sent, in order. */
  readonly sent: PeerMessage[] = [];

  constructor(state: ConfState, options: ClusterOptions = {}) {
    this.#options = options;
    for (const id of [...state.voters, ...state.learners]) this.join(id, state);
  }

  /** A node whose log begins behind a snapshot at index 1, term 1, as after bootstrap. */
  join(id: NodeId, state: ConfState, options: ClusterOptions = {}): Member {
    const storage = new MemoryStorage();
    storage.applySnapshot(snapshotAt(1, 1, state));
    storage.setHardState({ term: 1, vote: 0, commit: 1 });
    const member: Member = {
      id,
      storage,
      raw: this.#start(id, storage, options),
      applied: [],
      reads: [],
      confState: state,
    };
    this.members.set(id, member);
    return member;
  }

  #start(id: NodeId, storage: MemoryStorage, more: ClusterOptions = {}): RawNode {
    return new RawNode({ ...BARE, ...this.#options, ...more, id, storage });
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no node ${id}`);
    return member;
  }

  raw(id: NodeId): RawNode {
    return this.member(id).raw;
  }

  /** Power off and on. `options` may differ after. */
  crash(id: NodeId, options: ClusterOptions = {}): void {
    const member = this.member(id);
    member.raw = this.#start(id, member.storage, options);
    member.applied = [];
    member.reads = [];
  }

  // The network.

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(id: NodeId): void {
    for (const other of this.members.keys()) {
      if (other === id) continue;
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  ignore(type: PeerMessage['type']): void {
    this.#ignored.add(type);
  }

  heal(): void {
    this.#cut.clear();
    this.#ignored.clear();
  }

  // Time and work.

  tick(id: NodeId, ticks = 1): void {
    for (let i = 0; i < ticks; i++) this.raw(id).tick();
  }

  /** Writes, sends, applies what one node has to do; true if it had anything. */
  work(id: NodeId): boolean {
    const member = this.member(id);
    const { raw, storage } = member;
    if (!raw.hasReady()) return false;
    const ready = raw.ready();
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
    if (ready.snapshot !== undefined) {
      storage.applySnapshot(ready.snapshot);
      member.confState = ready.snapshot.metadata.confState;
      member.applied = text(ready.snapshot.data).split(' ').filter(Boolean);
    }
    storage.append(ready.entries);
    member.reads.push(...ready.readStates);
    this.sent.push(...ready.messages);
    this.#queue.push(...ready.messages);
    this.apply(member, ready.committedEntries);
    raw.advance();
    return true;
  }

  apply(member: Member, entries: readonly Entry[]): void {
    for (const one of entries) {
      const change = decodeConfChange(one);
      if (change !== undefined) member.confState = member.raw.applyConfChange(change);
      else if (one.data.length > 0) member.applied.push(text(one.data));
    }
  }

  /** Until nobody has anything to say. */
  settle(): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > 10_000) throw new Error('the cluster never comes to rest');
      let busy = false;
      for (const id of this.members.keys()) while (this.work(id)) busy = true;
      const due = this.#queue.splice(0);
      for (const message of due) this.#deliver(message);
      if (!busy && due.length === 0) return;
    }
  }

  #deliver(message: PeerMessage): void {
    const member = this.members.get(message.to);
    if (member === undefined || this.#ignored.has(message.type)) return;
    if (!this.#cut.has(`${message.from}>${message.to}`)) member.raw.step(message);
  }

  /** From outside of the cluster. */
  step(message: Message): void {
    this.raw(message.to).step(message);
    this.settle();
  }

  // What tests do all the time.

  campaign(id: NodeId): void {
    this.raw(id).campaign();
    this.settle();
  }

  propose(id: NodeId, data: string): ReturnType<RawNode['propose']> {
    const outcome = this.raw(id).propose(bytes(data));
    this.settle();
    return outcome;
  }

  change(
    id: NodeId,
    changes: readonly ConfChangeStep[],
    transition: Transition = 'auto',
  ): ReturnType<RawNode['propose']> {
    const outcome = this.raw(id).proposeConfChange({ version: 2, transition, changes, context: new Uint8Array(0) });
    this.settle();
    return outcome;
  }

  /** One snapshot of what was applied, and the log before it goes. */
  compact(id: NodeId): void {
    const { raw, storage, applied, confState: state } = this.member(id);
    const index = raw.status().applied;
    storage.createSnapshot(index, state, bytes(applied.join(' ')));
    storage.compact(index);
  }

  leaders(): NodeId[] {
    return [...this.members.keys()].filter((id) => this.raw(id).status().role === 'leader');
  }

  log(id: NodeId): string[] {
    const { storage } = this.member(id);
    const entries = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Number.POSITIVE_INFINITY) ?? [];
    return entries.map((one) => `${one.term}/${one.index}${one.data.length > 0 ? ` ${text(one.data)}` : ''}`);
  }
}

export const add = (nodeId: NodeId): ConfChangeStep => ({ kind: 'add-voter', nodeId });
export const learn = (nodeId: NodeId): ConfChangeStep => ({ kind: 'add-learner', nodeId });
export const remove = (nodeId: NodeId): ConfChangeStep => ({ kind: 'remove', nodeId });
