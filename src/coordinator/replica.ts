/**
 * This node's copy of the replicated state, and the only door to change it.
 *
 * `propose` stamps a command with the leader's time and resolves with the events of exactly that entry; `subscribe`
 * hears the events of every entry, whoever proposed it, from then on. Whoever subscribes reads the state first: what was
 * applied before is in it.
 */
import type { LogEntry, LogStatus, ReplicatedLog, StateMachine } from '../raft/index.ts';
import {
  applyEntry,
  type CommandBody,
  type CoordinatorState,
  createState,
  decodeState,
  encodeCommand,
  encodeState,
  type StateEvent,
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
}

export class Replica {
  readonly log: ReplicatedLog<readonly StateEvent[]>;
  readonly #now: () => number;
  readonly #listeners = new Set<EventListener>();
  #state: CoordinatorState = createState();

  constructor(options: ReplicaOptions) {
    this.log = options.log;
    this.#now = options.now;
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
        this.#state = decodeState(bytes);
      },
    };
    await this.log.start(machine);
  }

  async propose(body: CommandBody): Promise<Decision> {
    const nowMs = Math.max(this.#state.nowMs, Math.floor(this.#now()));
    const applied = await this.log.propose(encodeCommand(body, nowMs));
    return { index: applied.index, events: applied.result };
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
    const events = applyEntry(this.#state, entry.data, entry.index);
    for (const event of events) for (const listener of this.#listeners) listener(event, entry.index);
    return events;
  }
}
