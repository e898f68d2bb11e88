/**
 * Who the ids of the core's configuration are: the replicated membership record.
 *
 * The core knows ids only. Names and addresses travel as the context of the configuration change that adds or updates a
 * member, and in snapshots, so that every node has the same record at the same index. An id is one incarnation of a node:
 * a node that lost its disk has another, and is a stranger under its old name until that was removed (rule 8).
 *
 * It also bears the cluster's epoch: 1 at its beginning, and one more with each recovery from the loss of a majority.
 * Whoever fences what it writes elsewhere by `(epoch, index)` needs it, for a recovered log begins with fewer entries than
 * the lost one may have had. And it names the clusters that it was recovered from, so that whatever belonged to them can
 * be told that it belongs to this one now.
 *
 * JSON, since there are few and people read them. Decoding is total and deterministic: bytes that say nothing change
 * nothing, on every node alike.
 */
import type { ConfState, NodeId } from '../types.ts';

export interface Member {
  readonly nodeId: NodeId;
  /** The operator's name for the node. One member at most has it. */
  readonly name: string;
  /** Unguessable; shown in handshakes. */
  readonly incarnationId: string;
  /** host:port of the Raft port; resolved at each dial. */
  readonly raftAddress: string;
  /** host:port where clients of the state machine are served. */
  readonly clientAddress: string;
  /** The latest version of its host's commands that the node understands; absent: it does not say. */
  readonly hostVersion?: number;
}

/** A member of whom the record says nothing: the first of a cluster, before it has announced itself. */
export const strangerOf = (nodeId: NodeId): Member => ({
  nodeId,
  name: '',
  incarnationId: '',
  raftAddress: '',
  clientAddress: '',
});

export type MemberRole = 'voter' | 'learner';

export const FIRST_EPOCH = 1;
const TEXT_MAX = 255;
/** Recoveries that are remembered. */
const ANCESTORS_MAX = 16;

/** What a cluster was recovered from. */
export interface Lineage {
  /** 1, and one more for each recovery. */
  readonly epoch: number;
  /** Ids of the clusters that it goes on for, the latest last. */
  readonly succeeds: readonly string[];
}

export const FOUNDED: Lineage = { epoch: FIRST_EPOCH, succeeds: [] };

export function isMember(value: unknown): value is Member {
  if (typeof value !== 'object' || value === null) return false;
  const { nodeId, hostVersion, ...texts } = value as Record<string, unknown>;
  if (!Number.isSafeInteger(nodeId) || (nodeId as number) <= 0) return false;
  if (hostVersion !== undefined && !(Number.isSafeInteger(hostVersion) && (hostVersion as number) >= 0)) return false;
  return ['name', 'incarnationId', 'raftAddress', 'clientAddress'].every(
    (key) => typeof texts[key] === 'string' && (texts[key] as string).length <= TEXT_MAX,
  );
}

/** Exactly the fields above, in this order, so that equal members are equal bytes. */
const plain = ({ nodeId, name, incarnationId, raftAddress, clientAddress, hostVersion = 0 }: Member): Member => ({
  nodeId,
  name,
  incarnationId,
  raftAddress,
  clientAddress,
  ...(hostVersion > 0 && { hostVersion }),
});

/** A list, and with an epoch beyond the first an object around it. */
const encode = (members: readonly Member[], { epoch, succeeds }: Lineage): Uint8Array => {
  const list = members.map(plain);
  const told = epoch === FIRST_EPOCH ? list : { epoch, succeeds, members: list };
  return new TextEncoder().encode(JSON.stringify(told));
};

export const sameMember = (a: Member, b: Member): boolean => JSON.stringify(plain(a)) === JSON.stringify(plain(b));

/** For the context of a configuration change; of lineage only the change that begins a recovered cluster speaks. */
export const encodeMembers = (members: readonly Member[], lineage: Lineage = FOUNDED): Uint8Array =>
  encode(members, lineage);

interface Told extends Lineage {
  readonly members: readonly Member[];
}

function decode(bytes: Uint8Array): Told {
  let parsed: unknown;
  try {
    parsed = bytes.length === 0 ? [] : JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    parsed = [];
  }
  const told = (Array.isArray(parsed) ? { members: parsed } : (parsed ?? {})) as Record<string, unknown>;
  const { epoch, succeeds, members } = told;
  return {
    epoch: Number.isSafeInteger(epoch) && (epoch as number) > FIRST_EPOCH ? (epoch as number) : FIRST_EPOCH,
    succeeds: Array.isArray(succeeds) ? succeeds.filter((id) => typeof id === 'string').slice(-ANCESTORS_MAX) : [],
    members: Array.isArray(members) ? members.filter(isMember).map(plain) : [],
  };
}

/** Everybody of a configuration, both halves of a joint one, ascending. */
export function idsOf(state: ConfState): NodeId[] {
  const ids = [...state.voters, ...state.votersOutgoing, ...state.learners, ...state.learnersNext];
  return [...new Set(ids)].sort((a, b) => a - b);
}

export const roleOf = (state: ConfState, id: NodeId): MemberRole | undefined => {
  if (state.voters.includes(id) || state.votersOutgoing.includes(id)) return 'voter';
  return state.learners.includes(id) ? 'learner' : undefined;
};

/** What every member understands of its host's commands; 0 while one has not said, or nobody is known. */
export const commonHostVersion = (members: readonly (Member | undefined)[]): number =>
  members.length === 0 ? 0 : Math.min(...members.map((member) => member?.hostVersion ?? 0));

/** A value: a change gives another one. */
export class Members {
  static readonly NONE = new Members({ ...FOUNDED, members: [] });
  readonly epoch: number;
  readonly succeeds: readonly string[];
  readonly #byId: ReadonlyMap<NodeId, Member>;

  private constructor({ epoch, succeeds, members }: Told) {
    this.epoch = epoch;
    this.succeeds = succeeds;
    this.#byId = new Map(members.map((member) => [member.nodeId, member]));
  }

  static decode(bytes: Uint8Array): Members {
    return new Members(decode(bytes));
  }

  encode(): Uint8Array {
    return encode(this.all(), this);
  }

  /** Ascending by id. */
  all(): readonly Member[] {
    return [...this.#byId.values()].sort((a, b) => a.nodeId - b.nodeId);
  }

  get(id: NodeId): Member | undefined {
    return this.#byId.get(id);
  }

  named(name: string): Member | undefined {
    for (const member of this.#byId.values()) if (member.name === name) return member;
    return undefined;
  }

  /** After a configuration change: `context` adds or replaces; who is in no half of the configuration is forgotten. */
  changed(context: Uint8Array, state: ConfState): Members {
    const ids = new Set(idsOf(state));
    const told = decode(context);
    const kept = this.all().filter((member) => !told.members.some(({ nodeId }) => nodeId === member.nodeId));
    const members = [...kept, ...told.members].filter(({ nodeId }) => ids.has(nodeId));
    const { epoch, succeeds } = told.epoch > this.epoch ? told : this;
    return new Members({ epoch, succeeds, members });
  }
}
