/** How etcd prints what its core says and is: the lines that the traces are made of. */
import {
  type ConfChangeKind,
  type ConfChangeStep,
  decodeConfChange,
  type Message,
  type Progress,
  type ProgressState,
  type Ready,
  type Role,
  type StorageAppend,
  type StorageApply,
  stepsOf,
} from '../../../src/raft/core/index.ts';
import type { ConfState, Entry, EntryType, HardState, NodeId, Snapshot } from '../../../src/raft/types.ts';
import { ScriptError } from './datadriven.ts';

export const ROLES: Readonly<Record<Role, string>> = {
  follower: 'StateFollower',
  'pre-candidate': 'StatePreCandidate',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
};

export type Described = Message | StorageAppend | StorageApply;

export const MESSAGE_TYPES: Readonly<Record<Described['type'], string>> = {
  propose: 'MsgProp',
  append: 'MsgApp',
  'append-response': 'MsgAppResp',
  vote: 'MsgVote',
  'vote-response': 'MsgVoteResp',
  'pre-vote': 'MsgPreVote',
  'pre-vote-response': 'MsgPreVoteResp',
  snapshot: 'MsgSnap',
  heartbeat: 'MsgHeartbeat',
  'heartbeat-response': 'MsgHeartbeatResp',
  'timeout-now': 'MsgTimeoutNow',
  'transfer-leader': 'MsgTransferLeader',
  'read-index': 'MsgReadIndex',
  'read-index-response': 'MsgReadIndexResp',
  'storage-append': 'MsgStorageAppend',
  'storage-append-response': 'MsgStorageAppendResp',
  'storage-apply': 'MsgStorageApply',
  'storage-apply-response': 'MsgStorageApplyResp',
};

const ENTRY_TYPES: Readonly<Record<EntryType, string>> = {
  normal: 'EntryNormal',
  'conf-change': 'EntryConfChange',
  'conf-change-v2': 'EntryConfChangeV2',
};

const PROGRESS_STATES: Readonly<Record<ProgressState, string>> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
};

const LETTERS: Readonly<Record<ConfChangeKind, string>> = {
  'add-voter': 'v',
  'add-learner': 'l',
  remove: 'r',
  update: 'u',
};

/** `v1 l2 r3`. */
export const describeSteps = (steps: readonly ConfChangeStep[]): string =>
  steps.map(({ kind, nodeId }) => `${LETTERS[kind]}${nodeId}`).join(' ');

/** The way back; an unknown token is an error in etcd's words. */
export function parseSteps(text: string): ConfChangeStep[] {
  return text
    .trim()
    .split(' ')
    .filter((token) => token !== '')
    .map((token) => {
      if (token.length < 2) throw new ScriptError(`unknown token ${token}`);
      const kind = (Object.keys(LETTERS) as ConfChangeKind[]).find((one) => LETTERS[one] === token[0]);
      if (kind === undefined) throw new ScriptError(`unknown input: ${token}`);
      return { kind, nodeId: Number(token.slice(1)) };
    });
}

/** As Go's `%q`. */
function quoted(data: Uint8Array): string {
  const text = Buffer.from(data).toString('utf8');
  return `"${text.replaceAll(/["\\\p{Cc}]/gu, (char) => {
    const short = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\t': '\\t', '\r': '\\r' }[char];
    return short ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  })}"`;
}

export function describeEntry(entry: Entry): string {
  const change = decodeConfChange(entry);
  const text = change === undefined ? quoted(entry.data) : describeSteps(stepsOf(change));
  return `${entry.term}/${entry.index} ${ENTRY_TYPES[entry.type]}${text === '' ? '' : ` ${text}`}`;
}

export const describeEntries = (entries: readonly Entry[]): string =>
  entries.map((entry) => `${describeEntry(entry)}\n`).join('');

const list = (ids: readonly NodeId[]): string => `[${ids.join(' ')}]`;

const describeConfState = (state: ConfState): string =>
  `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} Learners:${list(state.learners)} ` +
  `LearnersNext:${list(state.learnersNext)} AutoLeave:${state.autoLeave}`;

const describeSnapshot = ({ metadata: { index, term, confState } }: Snapshot): string =>
  `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;

/** etcd's one message record, of which each of ours fills a part. */
interface Flat {
  readonly from?: string;
  readonly to?: string;
  readonly term?: number;
  readonly logTerm?: number;
  readonly index?: number;
  readonly rejectHint?: number;
  readonly hardState?: Partial<HardState> | undefined;
  readonly entries?: readonly Entry[];
  readonly snapshot?: Snapshot | undefined;
  readonly responses?: readonly Message[];
}

const hex = (id: NodeId): string => (id === 0 ? 'None' : id.toString(16));

const request = (type: EntryType, data: Uint8Array): Entry => ({ term: 0, index: 0, type, data });

function flatten(message: Described): Flat {
  switch (message.type) {
    case 'propose':
      return {
        from: hex(message.origin),
        entries: message.entries.map(({ type, data }) => request(type, data)),
      };
    case 'append': {
      const { previous, entries, commit } = message;
      return { logTerm: previous.term, index: previous.index, entries, hardState: { commit } };
    }
    case 'append-response': {
      const { index, refused } = message;
      return refused === undefined ? { index } : { index, logTerm: refused.term, rejectHint: refused.index };
    }
    case 'vote':
    case 'pre-vote':
      return { logTerm: message.last.term, index: message.last.index };
    case 'vote-response':
    case 'pre-vote-response':
      return message.granted ? {} : { rejectHint: 0 };
    case 'snapshot':
      return { snapshot: message.snapshot };
    case 'heartbeat':
      return { hardState: { commit: message.commit } };
    case 'transfer-leader':
      return { from: hex(message.transferee) };
    case 'read-index':
      return { from: hex(message.origin), entries: [request('normal', message.context)] };
    case 'read-index-response':
      return { index: message.index, entries: [request('normal', message.context)] };
    case 'storage-append': {
      const { hardState, entries, snapshot, responses } = message;
      return { to: 'AppendThread', term: hardState?.term ?? 0, hardState, entries, snapshot, responses };
    }
    case 'storage-append-response': {
      const { last, snapshot } = message;
      return { from: 'AppendThread', logTerm: last?.term ?? 0, index: last?.index ?? 0, snapshot };
    }
    case 'storage-apply':
      return { to: 'ApplyThread', entries: message.entries, responses: message.responses };
    case 'storage-apply-response':
      return { from: 'ApplyThread', entries: message.entries };
    default:
      return {};
  }
}

export function describeMessage(message: Described, indent = ''): string {
  const flat = flatten(message);
  const from = flat.from ?? ('from' in message ? hex(message.from) : 'None');
  const to = flat.to ?? ('to' in message ? hex(message.to) : 'None');
  const term = flat.term ?? ('term' in message ? message.term : 0);
  let text = `${indent}${from}->${to} ${MESSAGE_TYPES[message.type]} Term:${term}`;
  text += ` Log:${flat.logTerm ?? 0}/${flat.index ?? 0}`;
  if (flat.rejectHint !== undefined) text += ` Rejected (Hint: ${flat.rejectHint})`;
  const { commit = 0, vote = 0 } = flat.hardState ?? {};
  if (commit !== 0) text += ` Commit:${commit}`;
  if (vote !== 0) text += ` Vote:${vote}`;
  const entries = flat.entries ?? [];
  if (entries.length === 1) text += ` Entries:[${describeEntry(entries[0] as Entry)}]`;
  else if (entries.length > 1)
    text += ` Entries:[${entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`).join('')}\n${indent}]`;
  if (flat.snapshot !== undefined) text += `\n${indent}  Snapshot: ${describeSnapshot(flat.snapshot)}`;
  const responses = flat.responses ?? [];
  if (responses.length > 0)
    text += ` Responses:[${responses.map((one) => `\n${describeMessage(one, `${indent}  `)}`).join('')}\n${indent}]`;
  return text;
}

export const messagesOf = (ready: Ready): Described[] =>
  [...ready.messages, ready.storageAppend, ready.storageApply].filter((message) => message !== undefined);

export function describeReady(ready: Ready): string {
  const { softState, hardState, readStates, entries, snapshot, committedEntries } = ready;
  const parts: string[] = [];
  if (softState !== undefined) parts.push(`Lead:${softState.lead} State:${ROLES[softState.role]}\n`);
  if (hardState !== undefined) {
    const vote = hardState.vote === 0 ? '' : ` Vote:${hardState.vote}`;
    parts.push(`HardState Term:${hardState.term}${vote} Commit:${hardState.commit}\n`);
  }
  if (readStates.length > 0)
    parts.push(`ReadStates [${readStates.map((s) => `{${s.index} [${s.context.join(' ')}]}`).join(' ')}]\n`);
  if (entries.length > 0) parts.push(`Entries:\n${describeEntries(entries)}`);
  if (snapshot !== undefined) parts.push(`Snapshot ${describeSnapshot(snapshot)}\n`);
  if (committedEntries.length > 0) parts.push(`CommittedEntries:\n${describeEntries(committedEntries)}`);
  const messages = messagesOf(ready);
  if (messages.length > 0) parts.push(`Messages:\n${messages.map((m) => `${describeMessage(m)}\n`).join('')}`);
  return parts.length === 0 ? '<empty Ready>' : `Ready MustSync=${ready.mustSync}:\n${parts.join('')}`;
}

function describeProgress(progress: Progress): string {
  const { state, match, next, isLearner, blocked, pendingSnapshot, recentActive, inflights } = progress;
  return [
    `${PROGRESS_STATES[state]} match=${match} next=${next}`,
    isLearner && 'learner',
    blocked && 'paused',
    pendingSnapshot > 0 && `pendingSnap=${pendingSnapshot}`,
    !recentActive && 'inactive',
    inflights.count > 0 && `inflight=${inflights.count}${inflights.full ? '[full]' : ''}`,
  ]
    .filter((part) => part !== false)
    .join(' ');
}

export const describeProgressMap = (progress: ReadonlyMap<NodeId, Progress>): string =>
  [...progress]
    .sort(([a], [b]) => a - b)
    .map(([id, one]) => `${id}: ${describeProgress(one)}\n`)
    .join('');
