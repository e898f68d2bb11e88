/**
 * From one configuration to the next, and what the leader knows of each member with it.
 *
 * Thesis, sections 4.1 to 4.3. One voter may come or go in one step, because then the majorities before and after
 * overlap. For more, the cluster first becomes joint (both majorities decide), then leaves. Learners may change at any
 * time, with one exception: a voter of the outgoing half cannot be a learner yet, so it is noted in `learnersNext`.
 *
 * Nothing is changed in place: an error leaves everything as it was.
 */
import type { ConfState, LogIndex, NodeId } from '../types.ts';
import type { ConfChangeStep } from './conf-change.ts';
import { type Configuration, checkConfiguration, fromConfState, isJoint, membersOf } from './configuration.ts';
import { RaftConfigError } from './errors.ts';
import { Progress, type WindowLimits } from './progress.ts';

export interface Membership {
  readonly configuration: Configuration;
  /** Of every member, in the order of their ids. */
  readonly progress: ReadonlyMap<NodeId, Progress>;
}

/** A leader's surroundings at the time of a change. */
export interface ChangeContext extends WindowLimits {
  /** Of the leader's log: where a new member is first probed. */
  readonly lastIndex: LogIndex;
}

class Draft {
  readonly voters: Set<NodeId>;
  readonly outgoing: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
  autoLeave: boolean;
  /** Were no member at some point in between: what was known of them is not theirs any more. */
  readonly left = new Set<NodeId>();

  constructor(from: Configuration) {
    this.voters = new Set(from.voters);
    this.outgoing = new Set(from.outgoing);
    this.learners = new Set(from.learners);
    this.learnersNext = new Set(from.learnersNext);
    this.autoLeave = from.autoLeave;
  }

  apply(steps: readonly ConfChangeStep[]): void {
    for (const { kind, nodeId } of steps) {
      // Id 0 is a change that was thought better of after it was proposed.
      if (nodeId === 0) continue;
      if (kind === 'add-voter') this.#addVoter(nodeId);
      else if (kind === 'add-learner') this.#addLearner(nodeId);
      else if (kind === 'remove') this.#remove(nodeId);
    }
    if (this.voters.size === 0) throw new RaftConfigError('removed all voters');
  }

  leaveJoint(): void {
    for (const id of this.learnersNext) this.learners.add(id);
    this.learnersNext.clear();
    this.outgoing.clear();
    this.autoLeave = false;
  }

  #addVoter(id: NodeId): void {
    this.#takeOut(id);
    this.voters.add(id);
  }

  #addLearner(id: NodeId): void {
    this.#takeOut(id);
    (this.outgoing.has(id) ? this.learnersNext : this.learners).add(id);
  }

  #remove(id: NodeId): void {
    this.#takeOut(id);
    if (!this.outgoing.has(id)) this.left.add(id);
  }

  #takeOut(id: NodeId): void {
    this.voters.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
  }
}

function settle(before: Membership, draft: Draft, context: ChangeContext): Membership {
  const { voters, outgoing, learners, learnersNext, autoLeave } = draft;
  const configuration: Configuration = { voters, outgoing, learners, learnersNext, autoLeave };
  checkConfiguration(configuration);
  const progress = new Map<NodeId, Progress>();
  for (const id of membersOf(configuration)) {
    const known = draft.left.has(id) ? undefined : before.progress.get(id);
    progress.set(id, known?.as(learners.has(id)) ?? newcomer(learners.has(id), context));
  }
  return { configuration, progress };
}

/** Counts as active, so that adding it does not cost the leader its quorum before it could say a word. */
function newcomer(isLearner: boolean, context: ChangeContext): Progress {
  const progress = new Progress(0, Math.max(context.lastIndex, 1), isLearner, context);
  progress.recentActive = true;
  return progress;
}

/** How many are in one of the two sets only. */
function difference(a: ReadonlySet<NodeId>, b: ReadonlySet<NodeId>): number {
  return [...a].filter((id) => !b.has(id)).length + [...b].filter((id) => !a.has(id)).length;
}

export function simpleChange(before: Membership, steps: readonly ConfChangeStep[], context: ChangeContext): Membership {
  if (isJoint(before.configuration)) throw new RaftConfigError("can't apply simple config change in joint config");
  const draft = new Draft(before.configuration);
  draft.apply(steps);
  if (difference(before.configuration.voters, draft.voters) > 1)
    throw new RaftConfigError('more than one voter changed without entering joint config');
  return settle(before, draft, context);
}

export function enterJoint(
  before: Membership,
  autoLeave: boolean,
  steps: readonly ConfChangeStep[],
  context: ChangeContext,
): Membership {
  if (isJoint(before.configuration)) throw new RaftConfigError('config is already joint');
  if (before.configuration.voters.size === 0) throw new RaftConfigError("can't make a zero-voter config joint");
  const draft = new Draft(before.configuration);
  for (const id of draft.voters) draft.outgoing.add(id);
  draft.apply(steps);
  draft.autoLeave = autoLeave;
  return settle(before, draft, context);
}

export function leaveJoint(before: Membership, context: ChangeContext): Membership {
  if (!isJoint(before.configuration)) throw new RaftConfigError("can't leave a non-joint config");
  const draft = new Draft(before.configuration);
  draft.leaveJoint();
  return settle(before, draft, context);
}

/** The membership that a snapshot or the storage tells of; nothing is known of its members yet. */
export function restoreMembership(state: ConfState, context: ChangeContext): Membership {
  const configuration = fromConfState(state);
  const progress = new Map<NodeId, Progress>();
  for (const id of membersOf(configuration)) progress.set(id, newcomer(configuration.learners.has(id), context));
  return { configuration, progress };
}
