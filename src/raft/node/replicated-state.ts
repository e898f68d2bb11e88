/**
 * All that follows from the log: the host's state machine, the sessions, the members, and the configuration.
 *
 * The machine is given every index once, in order: its own commands as they were proposed, and for what is not its
 * own (a new leader's empty entry, sessions, changes of the configuration, a repeated command) an entry without data.
 * A snapshot is all of this in one image.
 */
import { ZkraftError } from '../../common/index.ts';
import { type ConfChange, decodeConfChange } from '../core/index.ts';
import type { LogEntry, StateMachine } from '../replicated-log.ts';
import { type ConfState, EMPTY_CONF_STATE, type Entry, type SnapshotMetadata } from '../types.ts';
import { decodeCommand } from './command.ts';
import { Members } from './members.ts';
import { type SessionLimits, SessionTable } from './sessions.ts';
import { decodeImage, imageHeader } from './snapshot-image.ts';

/** How results are remembered for a session's repetitions. Without one there are no commands in sessions. */
export interface ResultCodec<Result> {
  encode(result: Result): Uint8Array;
  decode(bytes: Uint8Array): Result;
}

/** What became of one entry, for whoever proposed it. */
export type Effect<Result> =
  | { readonly kind: 'applied'; readonly index: number; readonly term: number; readonly result: Result }
  | { readonly kind: 'refused'; readonly error: ZkraftError };

export class ReplicatedState<Result> {
  readonly #machine: StateMachine<Result>;
  readonly #codec: ResultCodec<Result> | undefined;
  readonly #sessions: SessionTable;
  #members = Members.NONE;
  #confState: ConfState = EMPTY_CONF_STATE;
  #appliedIndex = 0;
  #appliedTerm = 0;

  constructor(machine: StateMachine<Result>, codec: ResultCodec<Result> | undefined, limits?: SessionLimits) {
    this.#machine = machine;
    this.#codec = codec;
    this.#sessions = new SessionTable(limits);
  }

  get members(): Members {
    return this.#members;
  }

  get confState(): ConfState {
    return this.#confState;
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Of the entry at `appliedIndex`. */
  get appliedTerm(): number {
    return this.#appliedTerm;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** The configuration that a cluster begins with, before its first entry. */
  begin(confState: ConfState): void {
    this.#confState = confState;
  }

  /** `switchTo` tells the core of a change of the configuration, and gives back what it comes to. */
  apply(entry: Entry, switchTo: (change: ConfChange) => ConfState): Effect<Result> {
    if (entry.index !== this.#appliedIndex + 1) {
      throw new ZkraftError('internal', `entry ${entry.index} was to be applied after entry ${this.#appliedIndex}`);
    }
    const effect = entry.type === 'normal' ? this.#applyCommand(entry) : this.#applyChange(entry, switchTo);
    this.#appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    return effect;
  }

  #applyChange(entry: Entry, switchTo: (change: ConfChange) => ConfState): Effect<Result> {
    const change = decodeConfChange(entry);
    if (change !== undefined) {
      this.#confState = switchTo(change);
      this.#members = this.#members.changed(change.context, this.#confState);
    }
    return this.#pass(entry);
  }

  #applyCommand(entry: Entry): Effect<Result> {
    const command = decodeCommand(entry.data);
    switch (command.kind) {
      case 'plain':
        return this.#give(entry, command.data);
      case 'session':
        return this.#applyInSession(entry, command.session, command.sequence, command.data);
      case 'open-session':
        this.#sessions.open(entry.index);
        return this.#pass(entry);
      case 'close-session':
        this.#sessions.close(command.session);
        return this.#pass(entry);
      default:
        return this.#pass(entry);
    }
  }

  #applyInSession(entry: Entry, session: number, sequence: number, data: Uint8Array): Effect<Result> {
    const codec = this.#codec;
    if (codec === undefined) throw new ZkraftError('internal', 'a command in a session needs a codec of results');
    const verdict = this.#sessions.check(session, sequence, entry.index);
    if (verdict.kind === 'fresh') {
      const effect = this.#give(entry, data);
      if (effect.kind === 'applied') this.#sessions.remember(session, sequence, entry, codec.encode(effect.result));
      return effect;
    }
    this.#pass(entry);
    if (verdict.kind === 'repeated' && verdict.result !== undefined) {
      const { index, term } = verdict;
      return { kind: 'applied', index, term, result: codec.decode(verdict.result) };
    }
    const why = {
      repeated: `command ${sequence} of session ${session} was applied, but its result was too long to be kept`,
      overtaken: `command ${sequence} of session ${session} comes after a later one; it was applied then, or never will be`,
      'no-session': `session ${session} is not known, or was idle for too long; whether the command was applied before is not known. Open a new session`,
    }[verdict.kind];
    return { kind: 'refused', error: new ZkraftError('session_expired', why) };
  }

  #give(entry: Entry, data: Uint8Array): Effect<Result> {
    const { index, term } = entry;
    const given: LogEntry = { index, term, data };
    return { kind: 'applied', index, term, result: this.#machine.apply(given) };
  }

  #pass(entry: Entry): Effect<Result> {
    return this.#give(entry, NO_BYTES);
  }

  /** The image in pieces, and where it stands. The machine's part may be large; it is not copied. */
  snapshot(): { readonly metadata: SnapshotMetadata; readonly pieces: readonly Uint8Array[] } {
    const metadata = { index: this.#appliedIndex, term: this.#appliedTerm, confState: this.#confState };
    const header = imageHeader({ members: this.#members.encode(), sessions: this.#sessions.encode() });
    return { metadata, pieces: [header, this.#machine.snapshot()] };
  }

  restore(image: Uint8Array, metadata: SnapshotMetadata): void {
    const { members, sessions, state } = decodeImage(image);
    this.#sessions.restore(sessions);
    this.#members = Members.decode(members);
    this.#machine.restore(state, metadata.index);
    this.#confState = metadata.confState;
    this.#appliedIndex = metadata.index;
    this.#appliedTerm = metadata.term;
  }
}

const NO_BYTES = new Uint8Array(0);
