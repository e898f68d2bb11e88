/**
 * Who the ids of the core's configuration are: the replicated membership record.
 *
 * The core knows ids only. Names and addresses travel as the context of the configuration change that adds or updates a
 * member, and in snapshots, so that every node has the same record at the same index. An id is one incarnation of a node:
 * a node that lost its disk has another, and is a stranger under its old name until that was removed (rule 8).
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
}

export type MemberRole = 'voter' | 'learner';

const TEXT_MAX = 255;

export function isMember(value: unknown): value is Member {
  if (typeof value !== 'object' || value === null) return false;
  const { nodeId, ...texts } = value as Record<string, unknown>;
  if (!Number.isSafeInteger(nodeId) || (nodeId as number) <= 0) return false;
  return ['name', 'incarnationId', 'raftAddress', 'clientAddress'].every(
    (key) => typeof texts[key] === 'string' && (texts[key] as string).length <= TEXT_MAX,
  );
}

/** Exactly the fields above, in this order, so that equal members are equal bytes. */
const plain = ({ nodeId, name, incarnationId, raftAddress, clientAddress }: Member): Member => ({
  nodeId,
  name,
  incarnationId,
  raftAddress,
  clientAddress,
});

const encode = (members: readonly Member[]): Uint8Array => new TextEncoder().encode(JSON.stringify(members.map(plain)));

export const sameMember = (a: Member, b: Member): boolean => JSON.stringify(plain(a)) === JSON.stringify(plain(b));

/** For the context of a configuration change. */
export const encodeMembers = encode;

export function decodeMembers(bytes: Uint8Array): readonly Member[] {
  if (bytes.length === 0) return [];
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(parsed) ? parsed.filter(isMember).map(plain) : [];
  } catch {
    return [];
  }
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

/** A value: a change gives another one. */
export class Members {
  static readonly NONE = new Members([]);
  readonly #byId: ReadonlyMap<NodeId, Member>;

  private constructor(members: readonly Member[]) {
    this.#byId = new Map(members.map((member) => [member.nodeId, member]));
  }

  static decode(bytes: Uint8Array): Members {
    return new Members(decodeMembers(bytes));
  }

  encode(): Uint8Array {
    return encode(this.all());
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

  /** After a configuration change: `context` adds or replaces, and who is in no half of the configuration is forgotten. */
  changed(context: Uint8Array, state: ConfState): Members {
    const ids = new Set(idsOf(state));
    const told = decodeMembers(context);
    const kept = this.all().filter((member) => !told.some(({ nodeId }) => nodeId === member.nodeId));
    return new Members([...kept, ...told].filter(({ nodeId }) => ids.has(nodeId)));
  }
}
