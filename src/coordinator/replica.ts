/**
 * This node's copy of the replicated state, and the only door to change it.
 *
 * `propose` stamps a command with the leader's time and resolves with the events of exactly that entry; `subscribe`
 * hears the events of every entry, whoever proposed it, from then on. Whoever subscribes reads the state first: what was
 * applied before is in it.
 */
import { type Logger, sha256Hex } from '../common/index.ts';
import type { LogEntry, LogStatus, ReplicatedLog, StateMachine } from '../raft/index.ts';
import {
  applyEntry,
  type CommandBody,
  type CoordinatorState,
  createState,
  decodeState,
  encodeCommand,
  encodeState,
  notYet,
  STATE_VERSIONS,
  type StateEvent,
  type StateVersions,
} from './state/index.ts';

export type EventListener = (event: StateEvent, index: number) => void;

export interface Decision {
  readonly index: number;
  readonly events: readonly StateEvent[];
}

export interface ReplicaOptions {
  readonly log: ReplicatedLog<readonly StateEvent[]>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly logger: Logger;
  /** Default: of this program. */
  readonly versions?: StateVersions;
}

/** At `debug`, so often a node tells the hash of its state, to be held against what others tell. */
const STATE_TOLD_EACH = 16;

export class Replica {
  readonly log: ReplicatedLog<readonly StateEvent[]>;
  readonly #now: () => number;
  readonly #logger: Logger;
  readonly #versions: StateVersions;
  readonly #listeners = new Set<EventListener>();
  #state: CoordinatorState = createState();

  constructor(options: ReplicaOptions) {
    this.log = options.log;
    this.#now = options.now;
    this.#logger = options.logger;
    this.#versions = options.versions ?? STATE_VERSIONS;
  }

  /** To be read only; whoever wants a change proposes it. */
  get state(): CoordinatorState {
    return this.#state;
  }

  async start(): Promise<void> {
    const machine: StateMachine<readonly StateEvent[]> = {
      apply: (entry) => this.#apply(entry),
      snapshot: () => encodeState(this.#state),
      restore: (bytes) => {
        this.#state = decodeState(bytes, this.#versions.understood);
      },
    };
    await this.log.start(machine);
  }

  /** Rejects with what the log does, and with `upgrade_pending` for what the state's version does not have yet. */
  async propose(body: CommandBody): Promise<Decision> {
    const since = this.#versions.since(body.kind);
    if (since > this.#state.version) throw notYet(body.kind, since, this.#state.version);
    const nowMs = Math.max(this.#state.nowMs, Math.floor(this.#now()));
    const applied = await this.log.propose(encodeCommand(body, nowMs));
    return { index: applied.index, events: applied.result };
  }

  /**
   * On the leader: takes the state to the latest version that every member understands, this program included. Resolves
   * with whether there was one; whoever leads calls it now and then, since members are upgraded at any time.
   */
  async raiseVersion(): Promise<boolean> {
    const to = Math.min(this.#versions.understood, this.status().hostVersion ?? 0);
    if (to <= this.#state.version) return false;
    await this.propose({ kind: 'version_raised', to });
    return true;
  }

  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  status(): LogStatus {
    return this.log.status();
  }

  #apply(entry: LogEntry): readonly StateEvent[] {
    const events = applyEntry(this.#state, entry.data, entry.index, this.#versions);
    if (entry.index % STATE_TOLD_EACH === 0 && this.#logger.isLevelEnabled('debug')) {
      const hash = sha256Hex(encodeState(this.#state));
      this.#logger.debug({ index: entry.index, state_sha256: hash }, 'state; the same on every node at this index');
    }
    for (const event of events) for (const listener of this.#listeners) listener(event, entry.index);
    return events;
  }
}
