/**
 * Who is in the cluster, and as what. A value: a change makes another one (`membership-change.ts`).
 */
import type { ConfState, NodeId } from '../types.ts';
import { RaftConfigError } from './errors.ts';
import type { VoterHalves, Voters } from './quorum.ts';

export interface Configuration extends VoterHalves {
  readonly learners: ReadonlySet<NodeId>;
  /** Voters of the outgoing half that will be learners; they still vote there until the joint configuration is left. */
  readonly learnersNext: ReadonlySet<NodeId>;
  readonly autoLeave: boolean;
}

const NOBODY: ReadonlySet<NodeId> = new Set();

export const EMPTY_CONFIGURATION: Configuration = {
  voters: NOBODY,
  outgoing: NOBODY,
  learners: NOBODY,
  learnersNext: NOBODY,
  autoLeave: false,
};

export const sorted = (ids: Iterable<NodeId>): NodeId[] => [...ids].sort((a, b) => a - b);

export const isJoint = (configuration: VoterHalves): boolean => configuration.outgoing.size > 0;

export const isVoter = ({ voters, outgoing }: VoterHalves, id: NodeId): boolean => voters.has(id) || outgoing.has(id);

export const votersOf = ({ voters, outgoing }: VoterHalves): NodeId[] => sorted(new Set([...voters, ...outgoing]));

export const membersOf = (configuration: Configuration): NodeId[] =>
  sorted(new Set([...configuration.voters, ...configuration.outgoing, ...configuration.learners]));

export function toConfState(configuration: Configuration): ConfState {
  return {
    voters: sorted(configuration.voters),
    votersOutgoing: sorted(configuration.outgoing),
    learners: sorted(configuration.learners),
    learnersNext: sorted(configuration.learnersNext),
    autoLeave: configuration.autoLeave,
  };
}

/** Throws `RaftConfigError` for a state that no sequence of changes leads to. */
export function fromConfState(state: ConfState): Configuration {
  const configuration = {
    voters: new Set(state.voters),
    outgoing: new Set(state.votersOutgoing),
    learners: new Set(state.learners),
    learnersNext: new Set(state.learnersNext),
    autoLeave: state.autoLeave,
  };
  checkConfiguration(configuration);
  return configuration;
}

/** What holds of every configuration. */
export function checkConfiguration(configuration: Configuration): void {
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  const wrong = (text: string): never => {
    throw new RaftConfigError(`${text}: ${describeConfiguration(configuration)}`);
  };
  for (const id of membersOf(configuration))
    if (!Number.isSafeInteger(id) || id <= 0) wrong(`${id} is not the id of a node, a positive safe integer`);
  if (voters.size === 0 && outgoing.size + learners.size > 0) wrong('a configuration has members but no voter');
  for (const id of learners) if (voters.has(id) || outgoing.has(id)) wrong(`${id} is both learner and voter`);
  for (const id of learnersNext) {
    if (!outgoing.has(id)) wrong(`${id} is to become a learner but is no outgoing voter`);
    if (voters.has(id)) wrong(`${id} is to become a learner but is an incoming voter`);
  }
  if (outgoing.size === 0 && (learnersNext.size > 0 || autoLeave))
    wrong('a configuration that is not joint is to be left');
}

const describeSet = (ids: Voters): string =>
  `(${sorted(ids)
    .map((id) => id.toString(16))
    .join(' ')})`;

/** As operators of etcd know it: `voters=(1 2)&&(1 2 3) learners=(4) autoleave`, ids in hexadecimal. */
export function describeConfiguration(configuration: Configuration): string {
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  const parts = [`voters=${describeSet(voters)}${outgoing.size > 0 ? `&&${describeSet(outgoing)}` : ''}`];
  if (learners.size > 0) parts.push(`learners=${describeSet(learners)}`);
  if (learnersNext.size > 0) parts.push(`learners_next=${describeSet(learnersNext)}`);
  if (autoLeave) parts.push('autoleave');
  return parts.join(' ');
}
