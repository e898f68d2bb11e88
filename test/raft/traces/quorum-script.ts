/**
 * etcd's quorum scripts: `committed` and `vote`, of one majority (`cfg=`) or two (`cfgj=`).
 *
 * Beside each answer the same question is put in other ways; a line is added for each that answers otherwise, and then
 * the output is not what the script expects.
 */
import {
  type Acknowledged,
  majorityIndex,
  majorityVote,
  quorumIndex,
  quorumVote,
  type VoteResult,
  type Voters,
} from '../../../src/raft/core/quorum.ts';
import { type Directive, numeric } from './datadriven.ts';

const VOTES: Readonly<Record<string, number>> = { _: 0, n: 1, y: 2 };
const RESULTS: Readonly<Record<VoteResult, string>> = { won: 'VoteWon', lost: 'VoteLost', pending: 'VotePending' };

const show = (index: number): string => (index === Number.POSITIVE_INFINITY ? '∞' : String(index));

interface Question {
  readonly joint: boolean;
  readonly voters: Voters;
  readonly outgoing: Voters;
  /** Of each voter that is mentioned, in that order. */
  readonly said: ReadonlyMap<number, number>;
  readonly error?: string;
}

function read({ command, args }: Directive): Question {
  const values = (key: string): readonly string[] | undefined => args.find((arg) => arg.key === key)?.values;
  const unknown = args.find(({ key }) => !['cfg', 'cfgj', 'idx', 'votes'].includes(key));
  if (unknown !== undefined) throw new Error(`unknown argument ${unknown.key}`);
  const cfg = (values('cfg') ?? []).map(numeric);
  const cfgj = (values('cfgj') ?? []).filter((id) => id !== 'zero').map(numeric);
  const indexes = (values('idx') ?? []).map((text) => (text === '_' ? 0 : numeric(text)));
  const votes = (values('votes') ?? []).map((text) => VOTES[text] ?? Number.NaN);
  const input = command === 'vote' ? votes : indexes;
  const mentioned = [...new Set([...cfg, ...cfgj])];
  const said = new Map(mentioned.map((id, i) => [id, input[i] ?? 0] as const).filter(([, value]) => value !== 0));
  const sorted = [...mentioned].sort((a, b) => a - b).map((id) => `${id}:{}`);
  const question = { joint: values('cfgj') !== undefined, voters: new Set(cfg), outgoing: new Set(cfgj), said };
  if (mentioned.length === input.length) return question;
  return {
    ...question,
    error: `error: mismatched input (explicit or _) for voters map[${sorted.join(' ')}]: [${input.join(' ')}]`,
  };
}

/** A picture: how many have less than each. */
function describe(voters: Voters, acknowledged: Acknowledged): string {
  if (voters.size === 0) return '<empty majority quorum>';
  const indexes = [...voters].map((id) => acknowledged(id) ?? 0);
  const pad = (text: string): string => text.padEnd(voters.size + 1);
  const rows = [...voters]
    .sort((a, b) => a - b)
    .map((id) => {
      const index = acknowledged(id);
      const less = indexes.filter((other) => other < (index ?? 0)).length;
      const bar = index === undefined ? '?' : `${'x'.repeat(less)}>`;
      return `${pad(bar)} ${String(index ?? 0).padStart(5)}    (id=${id.toString(16)})\n`;
    });
  return `${' '.repeat(voters.size)}    idx\n${rows.join('')}`;
}

/** By trying every index that anybody has. */
function bySearch(voters: Voters, acknowledged: Acknowledged): number {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  const indexes = [...voters].map((id) => acknowledged(id) ?? 0);
  const enough = indexes.filter((index) => indexes.filter((other) => other >= index).length > voters.size / 2);
  return Math.max(...enough);
}

function committed({ joint, voters, outgoing, said }: Question): string {
  const acknowledged: Acknowledged = (id) => said.get(id);
  const none: Voters = new Set();
  if (joint) {
    const index = quorumIndex({ voters, outgoing }, acknowledged);
    const mirrored = quorumIndex({ voters: outgoing, outgoing: voters }, acknowledged);
    const doubt = mirrored === index ? '' : `${show(mirrored)} <-- via symmetry\n`;
    return `${describe(new Set([...voters, ...outgoing]), acknowledged)}${doubt}${show(index)}\n`;
  }
  const index = majorityIndex(voters, acknowledged);
  const others: [string, number][] = [
    ['via alternative computation', bySearch(voters, acknowledged)],
    ['via zero-joint quorum', quorumIndex({ voters, outgoing: none }, acknowledged)],
    ['via self-joint quorum', quorumIndex({ voters, outgoing: voters }, acknowledged)],
  ];
  // What is below the answer may sink further without changing it.
  for (const [id, own] of said) {
    if (own >= index) continue;
    for (const lower of [own - 1, 0])
      others.push([
        `overlaying ${id}->${lower}`,
        majorityIndex(voters, (voter) => (voter === id ? lower : said.get(voter))),
      ]);
  }
  const doubts = others.filter(([, other]) => other !== index).map(([how, other]) => `${show(other)} <-- ${how}\n`);
  return `${describe(voters, acknowledged)}${doubts.join('')}${show(index)}\n`;
}

function vote({ joint, voters, outgoing, said }: Question): string {
  const votes = new Map([...said].map(([id, value]) => [id, value === VOTES.y]));
  if (!joint) return `${RESULTS[majorityVote(voters, votes)]}\n`;
  const result = quorumVote({ voters, outgoing }, votes);
  const mirrored = quorumVote({ voters: outgoing, outgoing: voters }, votes);
  return `${mirrored === result ? '' : `${RESULTS[mirrored]} <-- via symmetry\n`}${RESULTS[result]}\n`;
}

export function quorumScript(): (directive: Directive) => string {
  return (directive) => {
    const question = read(directive);
    if (question.error !== undefined) return question.error;
    if (directive.command === 'committed') return committed(question);
    if (directive.command === 'vote') return vote(question);
    throw new Error(`unknown command ${directive.command}`);
  };
}
