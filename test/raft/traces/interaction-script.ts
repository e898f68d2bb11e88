/** The commands of etcd's interaction scripts, all of them, on an `Environment`. */
import type { Message, ProposalOutcome, Transition } from '../../../src/raft/core/index.ts';
import { isVoter } from '../../../src/raft/core/index.ts';
import type { NodeId, Snapshot } from '../../../src/raft/types.ts';
import { type Argument, boolean, type Directive, numeric, ScriptError } from './datadriven.ts';
import { describeProgressMap, MESSAGE_TYPES, parseSteps, ROLES } from './describe.ts';
import { Environment, type NodeOptions, type Recipient } from './environment.ts';

const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'];

type Handler = (env: Environment, directive: Directive) => void;

const words = ({ args }: Directive): string[] => args.filter(({ values }) => values.length === 0).map(({ key }) => key);
const ids = (directive: Directive): NodeId[] => words(directive).map(numeric);

function firstId(directive: Directive): NodeId {
  return numeric(directive.args[0]?.key ?? 'nothing');
}

function value({ args }: Directive, key: string): string {
  const found = args.find((arg) => arg.key === key)?.values[0];
  if (found === undefined) throw new Error(`${key}= is missing`);
  return found;
}

/** For one node plainly, for several each under a heading. */
function forEach(env: Environment, nodes: readonly NodeId[], title: string, body: (id: NodeId) => void): void {
  for (const id of nodes) {
    if (nodes.length === 1) {
      body(id);
    } else {
      env.output.line(`> ${id} ${title}`);
      env.output.indented(() => body(id));
    }
  }
}

function accepted(outcome: ProposalOutcome): void {
  if (outcome.status === 'dropped') throw new ScriptError('raft proposal dropped');
}

function addNodes(env: Environment, directive: Directive): void {
  const options: { -readonly [K in keyof NodeOptions]: NodeOptions[K] } = {
    electionTicks: 3,
    heartbeatTicks: 1,
    preVote: false,
    checkQuorum: false,
    stepDownOnRemoval: false,
    forwardProposals: true,
    maxMessageBytes: Number.POSITIVE_INFINITY,
    maxUncommittedBytes: Number.POSITIVE_INFINITY,
    maxInflightMessages: 2 ** 31 - 1,
    maxInflightBytes: Number.POSITIVE_INFINITY,
  };
  const voters: NodeId[] = [];
  const learners: NodeId[] = [];
  let index = 0;
  let content = '';
  const set: Readonly<Record<string, (text: string) => void>> = {
    voters: (text) => voters.push(numeric(text)),
    learners: (text) => learners.push(numeric(text)),
    inflight: (text) => {
      options.maxInflightMessages = numeric(text);
    },
    index: (text) => {
      index = numeric(text);
      options.applied = index;
    },
    content: (text) => {
      content = text;
    },
    'async-storage-writes': (text) => {
      options.asyncStorageWrites = boolean(text);
    },
    prevote: (text) => {
      options.preVote = boolean(text);
    },
    checkquorum: (text) => {
      options.checkQuorum = boolean(text);
    },
    'max-committed-size-per-ready': (text) => {
      // 0 is "as a message" in etcd.
      if (numeric(text) > 0) options.maxCommittedBytesPerReady = numeric(text);
    },
    'disable-conf-change-validation': (text) => {
      options.disableConfChangeValidation = boolean(text);
    },
    'read-only': (text) => {
      if (text !== 'safe' && text !== 'lease-based') throw new ScriptError(`invalid read-only option "${text}"`);
      options.readOnly = text;
    },
    'step-down-on-removal': (text) => {
      options.stepDownOnRemoval = boolean(text);
    },
  };
  for (const { key, values } of directive.args.slice(1)) for (const text of values) set[key]?.(text);
  const confState = { voters, votersOutgoing: [], learners, learnersNext: [], autoLeave: false };
  const start: Snapshot = { data: Buffer.from(content), metadata: { index, term: 1, confState } };
  const started = voters.length + learners.length + index + content.length > 0;
  env.addNodes(firstId(directive), options, started ? start : undefined);
}

function deliver(env: Environment, { args }: Directive): void {
  const recipients: Recipient[] = [];
  let type: Message['type'] | undefined;
  const drop = (text: string): void => {
    const id = numeric(text);
    if (recipients.some((one) => one.id === id)) throw new Error(`messages to ${id} are both delivered and dropped`);
    recipients.push({ id, drop: true });
  };
  for (const { key, values } of args) {
    if (values.length === 0) recipients.push({ id: numeric(key), drop: false });
    if (key === 'drop') values.forEach(drop);
    if (key === 'type') type = messageType(values[0]);
  }
  if (env.deliver(recipients, type) === 0) env.output.line('no messages');
}

function messageType(name: string | undefined): Message['type'] {
  const found = Object.entries(MESSAGE_TYPES).find(([, etcds]) => etcds === name);
  if (found === undefined) throw new Error(`there is no message type ${name}`);
  return found[0] as Message['type'];
}

function setLevel(env: Environment, name: string): void {
  const level = LEVELS.indexOf(name.toUpperCase());
  if (level < 0) throw new ScriptError(`log levels must be either of [${LEVELS.join(' ')}]`);
  env.output.quiet = level === LEVELS.length - 1;
}

function stabilize(env: Environment, directive: Directive): void {
  const { quiet } = env.output;
  try {
    for (const { key, values } of directive.args)
      if (key === 'log-level') for (const name of values) setLevel(env, name);
    const nodes = ids(directive);
    env.stabilize(nodes.length > 0 ? nodes : env.hosts.map(({ id }) => id));
  } finally {
    env.output.quiet = quiet;
  }
}

const TRANSITIONS: Readonly<Record<string, Transition>> = {
  auto: 'auto',
  implicit: 'joint-implicit',
  explicit: 'joint-explicit',
};

function proposeConfChange(env: Environment, directive: Directive): void {
  const { raw } = env.host(firstId(directive));
  let v1 = false;
  let transition: Transition = 'auto';
  const set = ({ key }: Argument, text: string): void => {
    if (key === 'v1') v1 = boolean(text);
    else if (key !== 'transition') throw new ScriptError(`unknown command ${key}`);
    else if (TRANSITIONS[text] === undefined) throw new ScriptError(`unknown transition ${text}`);
    else transition = TRANSITIONS[text];
  };
  for (const arg of directive.args.slice(1)) for (const text of arg.values) set(arg, text);
  const changes = parseSteps(directive.input);
  const context = new Uint8Array(0);
  if (!v1) {
    accepted(raw.proposeConfChange({ version: 2, transition, changes, context }));
    return;
  }
  const [change] = changes;
  if (changes.length > 1 || transition !== 'auto')
    throw new ScriptError('v1 conf change can only have one operation and no transition');
  if (change === undefined) throw new Error('a v1 change needs one operation');
  accepted(raw.proposeConfChange({ version: 1, change, context }));
}

function compact(env: Environment, directive: Directive): void {
  const id = firstId(directive);
  if (!env.host(id).storage.compact(numeric(directive.args[1]?.key ?? '')))
    throw new ScriptError('requested index is unavailable due to compaction');
  env.printLog(id);
}

function tick(env: Environment, id: NodeId, ticks: number): void {
  for (let i = 0; i < ticks; i++) env.host(id).raw.tick();
}

function printStates(env: Environment): void {
  for (const { raw } of env.hosts) {
    const { id, role, term, lead, configuration } = raw.status();
    const voter = isVoter(configuration, id) ? '(Voter)' : '(Non-Voter)';
    env.output.line(`${id}: ${ROLES[role]} ${voter} Term:${term} Lead:${lead}`);
  }
}

function two(directive: Directive): [NodeId, NodeId] {
  const [a, b, ...others] = ids(directive);
  if (a === undefined || b === undefined || others.length > 0)
    throw new ScriptError('must specify exactly two node indexes: node on which to report, and reported node');
  return [a, b];
}

const COMMANDS: Readonly<Record<string, Handler>> = {
  _breakpoint: () => {},
  'add-nodes': addNodes,
  campaign: (env, d) => env.host(firstId(d)).raw.campaign(),
  compact,
  'deliver-msgs': deliver,
  'process-ready': (env, d) => forEach(env, ids(d), 'handling Ready', (id) => env.processReady(id)),
  'process-append-thread': (env, d) => forEach(env, ids(d), 'processing append thread', (id) => env.processAppend(id)),
  'process-apply-thread': (env, d) => forEach(env, ids(d), 'processing apply thread', (id) => env.processApply(id)),
  'log-level': (env, d) => setLevel(env, d.args[0]?.key ?? ''),
  'raft-log': (env, d) => env.printLog(firstId(d)),
  'raft-state': printStates,
  'set-randomized-election-timeout': (env, d) =>
    env.host(firstId(d)).raw.setElectionTimeout(numeric(value(d, 'timeout'))),
  stabilize,
  status: (env, d) => env.output.write(describeProgressMap(env.host(firstId(d)).raw.status().progress)),
  'tick-election': (env, d) => tick(env, firstId(d), env.host(firstId(d)).options.electionTicks),
  'tick-heartbeat': (env, d) => tick(env, firstId(d), env.host(firstId(d)).options.heartbeatTicks),
  'transfer-leadership': (env, d) => env.host(numeric(value(d, 'from'))).raw.transferLeader(numeric(value(d, 'to'))),
  'forget-leader': (env, d) => env.host(firstId(d)).raw.forgetLeader(),
  'send-snapshot': (env, d) => env.sendSnapshot(...two(d)),
  propose: (env, d) => accepted(env.host(firstId(d)).raw.propose(Buffer.from(words(d)[1] ?? ''))),
  'propose-conf-change': proposeConfChange,
  'report-unreachable': (env, d) => {
    const [on, peer] = two(d);
    env.host(on).raw.reportUnreachable(peer);
  },
};

/** Answers one directive after the other, as etcd would; errors that etcd prints are printed. */
export function interactionScript(jitterTicks: number): (directive: Directive) => string {
  const env = new Environment(jitterTicks);
  return (directive) => {
    let failure: string | undefined;
    try {
      const handler = COMMANDS[directive.command];
      if (handler === undefined) throw new ScriptError('unknown command');
      handler(env, directive);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      failure = error.message;
    }
    const output = env.output.take();
    if (failure !== undefined) return output + failure;
    return output === '' ? 'ok' : output;
  };
}
