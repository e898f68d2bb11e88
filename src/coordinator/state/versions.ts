/**
 * The versions of the state: which commands and rules it is decided by, so that coordinators of different releases never
 * come to different states.
 *
 * The version is itself replicated. It begins at 1, and `version_raised` takes it up once every member has said that it
 * understands the later one. Whatever comes with a version, a command, a field that counts, a changed rule, is used from
 * then on and not before: commands by `since`, rules by asking `state.version`. A coordinator that meets a version which
 * it does not understand, in an entry or in a snapshot, stops: to skip what it cannot read would be another state.
 *
 * A release that adds something raises `STATE_VERSION` by one and says here what came with it:
 *
 * 1: all that there was at first.
 */
import { ZkraftError } from '../../common/index.ts';
import type { CommandKind } from './commands.ts';

export const FIRST_STATE_VERSION = 1;

/** The latest that this program understands. */
export const STATE_VERSION = 1;

/** Commands that came with a later version than the first. */
const CAME_WITH: Readonly<Partial<Record<CommandKind, number>>> = {};

export interface StateVersions {
  readonly understood: number;
  /** The version with which a command came. */
  readonly since: (kind: CommandKind) => number;
}

/** Of this program. */
export const STATE_VERSIONS: StateVersions = {
  understood: STATE_VERSION,
  since: (kind) => CAME_WITH[kind] ?? FIRST_STATE_VERSION,
};

/** Why a program must not go on: what it would be given is not for it. */
export const notUnderstood = (version: number, understood: number): ZkraftError =>
  new ZkraftError(
    'upgrade_needed',
    `the coordinators' state is of version ${version}, and this program understands up to ${understood}: run the later ` +
      'program, the one that the other coordinators run; nothing was skipped and nothing is lost',
  );

/** Why a command is not proposed yet. */
export const notYet = (kind: CommandKind, since: number, version: number): ZkraftError =>
  new ZkraftError(
    'upgrade_pending',
    `${kind} needs version ${since} of the coordinators' state, and it is at ${version}: not all of them run a program that ` +
      'understands it yet. Upgrade the others; zkraft raft list-peers --json shows the state_version of each',
  );
