/**
 * The core's messages as those of proto/zkraft/raft/v1/raft.proto, and back.
 *
 * Everything that comes in is checked here, for the core trusts its host: ids, terms and indices are safe integers, the
 * kinds are known, what must be there is there. Payloads are copied out of the frame that they came in: an entry that
 * stays in the log must not hold a megabyte of others.
 */
import { ZkraftError } from '../../common/index.ts';
import { raftPeer } from '../../common/rpc/index.ts';
import type { EntryId, PeerMessage, ProposedEntry, SnapshotMessage } from '../core/index.ts';
import type { ConfState, Entry, EntryType } from '../types.ts';

/** What travels on the stream of messages; snapshots have an RPC of their own. */
export type StreamMessage = Exclude<PeerMessage, SnapshotMessage>;

type Body = NonNullable<raftPeer.RaftMessage['body']>;

const { EntryKind } = raftPeer;
const KINDS: Readonly<Record<EntryType, raftPeer.EntryKind>> = {
  normal: EntryKind.NORMAL,
  'conf-change': EntryKind.CONF_CHANGE,
  'conf-change-v2': EntryKind.CONF_CHANGE_V2,
};
const TYPES: ReadonlyMap<number, EntryType> = new Map([
  [EntryKind.NORMAL, 'normal'],
  [EntryKind.CONF_CHANGE, 'conf-change'],
  [EntryKind.CONF_CHANGE_V2, 'conf-change-v2'],
]);

/** No message takes more on the wire: fixed parts at their longest, and the payloads. */
const FIXED_BYTES = 96;
const ENTRY_BYTES = 24;

/** An upper bound, cheap enough to ask of each message. */
export function messageBytes(message: StreamMessage): number {
  if (message.type === 'append' || message.type === 'propose') {
    let bytes = FIXED_BYTES;
    for (const { data } of message.entries) bytes += ENTRY_BYTES + data.length;
    return bytes;
  }
  const context = message.type === 'read-index' || message.type === 'read-index-response' ? message.context.length : 0;
  return FIXED_BYTES + context;
}

export function encodeMessage(message: StreamMessage): raftPeer.RaftMessage {
  return {
    from: BigInt(message.from),
    to: BigInt(message.to),
    term: BigInt(message.term),
    body: encodeBody(message),
  };
}

function encodeBody(message: StreamMessage): Body {
  switch (message.type) {
    case 'propose':
      return {
        $case: 'propose',
        value: { origin: BigInt(message.origin), entries: message.entries.map((entry) => encodeEntry(entry, 0)) },
      };
    case 'append':
      return {
        $case: 'append',
        value: {
          previous: encodeId(message.previous),
          entries: message.entries.map((entry, i) => {
            if (entry.index !== message.previous.index + 1 + i) {
              throw new ZkraftError('internal', `an append has entry ${entry.index} in the place of another`);
            }
            return encodeEntry(entry, entry.term);
          }),
          commit: BigInt(message.commit),
        },
      };
    case 'append-response': {
      const refused = message.refused === undefined ? undefined : encodeId(message.refused);
      return { $case: 'appendResult', value: { index: BigInt(message.index), refused } };
    }
    case 'vote':
    case 'pre-vote': {
      const { last, transfer } = message;
      return { $case: 'vote', value: { pre: message.type === 'pre-vote', last: encodeId(last), transfer } };
    }
    case 'vote-response':
    case 'pre-vote-response': {
      return {
        $case: 'voteResult',
        value: { pre: message.type === 'pre-vote-response', granted: message.granted },
      };
    }
    case 'heartbeat':
      return {
        $case: 'heartbeat',
        value: { commit: BigInt(message.commit), readRound: BigInt(message.readRound) },
      };
    case 'heartbeat-response':
      return { $case: 'heartbeatResult', value: { readRound: BigInt(message.readRound) } };
    case 'timeout-now':
      return { $case: 'timeoutNow', value: {} };
    case 'transfer-leader':
      return { $case: 'transferLeader', value: { transferee: BigInt(message.transferee) } };
    case 'read-index':
      return { $case: 'readIndex', value: { origin: BigInt(message.origin), context: message.context } };
    case 'read-index-response':
      return { $case: 'readIndexResult', value: { index: BigInt(message.index), context: message.context } };
  }
}

const encodeId = ({ term, index }: EntryId): raftPeer.EntryId => ({ term: BigInt(term), index: BigInt(index) });

const encodeEntry = ({ type, data }: ProposedEntry, term: number): raftPeer.LogEntry => ({
  term: BigInt(term),
  kind: KINDS[type],
  data,
});

/** Throws `invalid_request`, which names the field. */
export function decodeMessage(wire: raftPeer.RaftMessage): StreamMessage {
  const head = { from: id(wire.from, 'from'), to: id(wire.to, 'to'), term: number(wire.term, 'term') };
  const { body } = wire;
  switch (body?.$case) {
    case 'propose': {
      const entries = body.value.entries.map(({ kind, data }) => ({ type: entryType(kind), data: own(data) }));
      return { ...head, type: 'propose', origin: id(body.value.origin, 'origin'), entries };
    }
    case 'append': {
      const previous = entryId(body.value.previous, 'previous');
      const entries = body.value.entries.map(
        ({ term, kind, data }, i): Entry => ({
          term: number(term, 'entries.term'),
          index: safe(previous.index + 1 + i, 'entries'),
          type: entryType(kind),
          data: own(data),
        }),
      );
      return { ...head, type: 'append', previous, entries, commit: number(body.value.commit, 'commit') };
    }
    case 'appendResult': {
      const { index, refused } = body.value;
      return {
        ...head,
        type: 'append-response',
        index: number(index, 'index'),
        ...(refused !== undefined && { refused: entryId(refused, 'refused') }),
      };
    }
    case 'vote': {
      const { pre, last, transfer } = body.value;
      return { ...head, type: pre ? 'pre-vote' : 'vote', last: entryId(last, 'last'), transfer };
    }
    case 'voteResult':
      return { ...head, type: body.value.pre ? 'pre-vote-response' : 'vote-response', granted: body.value.granted };
    case 'heartbeat': {
      const { commit, readRound } = body.value;
      return {
        ...head,
        type: 'heartbeat',
        commit: number(commit, 'commit'),
        readRound: number(readRound, 'read_round'),
      };
    }
    case 'heartbeatResult':
      return { ...head, type: 'heartbeat-response', readRound: number(body.value.readRound, 'read_round') };
    case 'timeoutNow':
      return { ...head, type: 'timeout-now' };
    case 'transferLeader':
      return { ...head, type: 'transfer-leader', transferee: id(body.value.transferee, 'transferee') };
    case 'readIndex': {
      const { origin, context } = body.value;
      return { ...head, type: 'read-index', origin: id(origin, 'origin'), context: own(context) };
    }
    case 'readIndexResult': {
      const { index, context } = body.value;
      return { ...head, type: 'read-index-response', index: number(index, 'index'), context: own(context) };
    }
    case undefined:
      throw wrong('body', 'is of a kind that this version does not know');
  }
}

export const encodeConfState = (state: ConfState): raftPeer.ConfState => ({
  voters: state.voters.map(BigInt),
  votersOutgoing: state.votersOutgoing.map(BigInt),
  learners: state.learners.map(BigInt),
  learnersNext: state.learnersNext.map(BigInt),
  autoLeave: state.autoLeave,
});

/** Throws `invalid_request`. */
export function decodeConfState(wire: raftPeer.ConfState | undefined): ConfState {
  if (wire === undefined) throw wrong('conf_state', 'is missing');
  const ids = (of: readonly bigint[], field: string): number[] => of.map((value) => id(value, field));
  return {
    voters: ids(wire.voters, 'conf_state.voters'),
    votersOutgoing: ids(wire.votersOutgoing, 'conf_state.voters_outgoing'),
    learners: ids(wire.learners, 'conf_state.learners'),
    learnersNext: ids(wire.learnersNext, 'conf_state.learners_next'),
    autoLeave: wire.autoLeave,
  };
}

/** Throws `invalid_request`. */
export const number = (value: bigint, field: string): number => safe(Number(value), field);

/** Throws `invalid_request`. */
export function id(value: bigint, field: string): number {
  if (value === 0n) throw wrong(field, 'is 0, and must be the id of a node');
  return number(value, field);
}

function safe(value: number, field: string): number {
  if (!Number.isSafeInteger(value)) throw wrong(field, `is ${value}, and must be below 2^53`);
  return value;
}

function entryId(wire: raftPeer.EntryId | undefined, field: string): EntryId {
  if (wire === undefined) throw wrong(field, 'is missing');
  return { term: number(wire.term, `${field}.term`), index: number(wire.index, `${field}.index`) };
}

function entryType(kind: number): EntryType {
  const type = TYPES.get(kind);
  if (type === undefined) throw wrong('entries.kind', `is ${kind}, which this version does not know`);
  return type;
}

const own = (data: Uint8Array): Uint8Array => new Uint8Array(data);

const wrong = (field: string, what: string): ZkraftError =>
  new ZkraftError('invalid_request', `a peer's message is wrong: ${field} ${what}`, { field });
