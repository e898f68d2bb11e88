/**
 * A replicated log of one node: it leads as soon as its term is durable, and an entry is committed once it is on disk.
 *
 * Proposals that arrive while a batch is being synced share the next one (group commit): with an fsync of a few
 * milliseconds this is the difference between hundreds and tens of thousands of commits a second. One loop takes the
 * queue, appends, applies, answers; nothing else touches the state machine. After a failed write the node is dead: the
 * outcome of what was in flight is unknown, and a write that failed is never tried again on the same disk.
 */
import { type Logger, ZkraftError } from '../../common/index.ts';
import type { Applied, LogEntry, LogStatus, RaftState, ReplicatedLog, StateMachine } from '../replicated-log.ts';
import type { Identity, LogStorage } from './storage.ts';

/** Where times go, in milliseconds; each is called after the fact. */
export interface LogObserver {
  readonly appended?: (durationMs: number, entries: number) => void;
  readonly applied?: (durationMs: number) => void;
  readonly snapshotted?: (durationMs: number, bytes: number) => void;
}

export interface SingleNodeLogOptions {
  readonly dir: string;
  /** Whether a folder without a log may begin a new cluster. Ignored where there is one. Default: yes. */
  readonly bootstrap?: boolean;
  readonly nodeId: string;
  /** Where workers reach this node; told to those who ask for the leader. */
  readonly grpcAddress: string;
  readonly snapshotIntervalMs?: number;
  /** A snapshot is made after this many entries. */
  readonly snapshotThreshold?: number;
  /** Entries kept behind a snapshot, so that a follower a little behind needs no snapshot. */
  readonly trailingEntries?: number;
  /** Most proposals waiting for the disk. */
  readonly queueMax?: number;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
  readonly logger: Logger;
  readonly observer?: LogObserver;
}

/** One batch: enough to fill an fsync, little enough that applying it does not hold up the event loop. */
const BATCH_ENTRIES_MAX = 512;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const ENTRY_BYTES_MAX = 1024 * 1024;

interface Proposal<Result> {
  readonly data: Uint8Array;
  readonly resolve: (applied: Applied<Result>) => void;
  readonly reject: (error: ZkraftError) => void;
}

export class SingleNodeLog<Result> implements ReplicatedLog<Result> {
  readonly #storage: LogStorage;
  readonly #nodeId: string;
  readonly #grpcAddress: string;
  readonly #snapshotIntervalMs: number;
  readonly #snapshotThreshold: number;
  readonly #trailingEntries: number;
  readonly #queueMax: number;
  readonly #now: () => number;
  readonly #logger: Logger;
  readonly #observer: LogObserver;
  readonly #listeners = new Set<(status: LogStatus) => void>();
  #machine: StateMachine<Result> | undefined;
  #identity: Identity | undefined;
  #state: RaftState = 'Follower';
  #term = 0;
  #lastIndex = 0;
  #appliedIndex = 0;
  #snapshotIndex = 0;
  #queue: Proposal<Result>[] = [];
  #draining: Promise<void> | undefined;
  #snapshotting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(storage: LogStorage, options: Omit<SingleNodeLogOptions, 'dir'>) {
    this.#storage = storage;
    this.#nodeId = options.nodeId;
    this.#grpcAddress = options.grpcAddress;
    this.#snapshotIntervalMs = options.snapshotIntervalMs ?? 120_000;
    this.#snapshotThreshold = options.snapshotThreshold ?? 8_192;
    this.#trailingEntries = options.trailingEntries ?? 10_240;
    this.#queueMax = options.queueMax ?? 16_384;
    this.#now = options.now ?? (() => performance.now());
    this.#logger = options.logger;
    this.#observer = options.observer ?? {};
  }

  /** Takes the storage. For `openSingleNodeLog` and its twin; the host calls `start`. */
  async open(): Promise<Identity> {
    const stored = await this.#storage.open();
    this.#identity = stored.identity;
    this.#term = stored.term;
    this.#lastIndex = stored.lastIndex;
    return stored.identity;
  }

  async start(machine: StateMachine<Result>): Promise<void> {
    if (this.#machine !== undefined) throw new ZkraftError('internal', 'the log was started twice');
    this.#machine = machine;
    const snapshot = await this.#storage.newestSnapshot();
    if (snapshot !== undefined) {
      machine.restore(snapshot.state, snapshot.index);
      this.#snapshotIndex = snapshot.index;
      this.#appliedIndex = snapshot.index;
    }
    let replayed = 0;
    for await (const entry of this.#storage.read(this.#appliedIndex + 1)) {
      machine.apply(entry);
      this.#appliedIndex = entry.index;
      replayed += 1;
    }
    // The term is durable before a single entry bears it, so that no two runs of this node share a term.
    await this.#storage.setTerm(this.#term + 1);
    this.#term += 1;
    const empty: LogEntry = { index: this.#lastIndex + 1, term: this.#term, data: new Uint8Array(0) };
    await this.#storage.append([empty]);
    this.#lastIndex = empty.index;
    machine.apply(empty);
    this.#appliedIndex = empty.index;
    if (this.#closing !== undefined) throw new ZkraftError('shutting_down', 'the log was closed while it started');
    this.#timer = setInterval(() => this.#snapshotIfGrown(1), this.#snapshotIntervalMs);
    this.#timer.unref();
    this.#logger.info(
      { term: this.#term, index: this.#appliedIndex, snapshot: this.#snapshotIndex, replayed },
      'the log is open and this node leads',
    );
    this.#become('Leader');
  }

  propose(data: Uint8Array): Promise<Applied<Result>> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    if (data.length > ENTRY_BYTES_MAX) {
      return Promise.reject(new ZkraftError('internal', `a command of ${data.length} bytes is over the limit`));
    }
    if (this.#queue.length >= this.#queueMax) {
      return Promise.reject(
        new ZkraftError('overloaded', `${this.#queueMax} decisions wait for the disk; try again later`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ data, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  async readIndex(): Promise<number> {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    // Alone, nobody else can have been elected; what was committed before this call is applied before it answers.
    return this.#appliedIndex;
  }

  status(): LogStatus {
    const leads = this.#state === 'Leader';
    return {
      state: this.#state,
      nodeId: this.#nodeId,
      clusterId: this.#identity?.clusterId ?? '',
      leaderId: leads ? this.#nodeId : undefined,
      leaderAddress: leads ? this.#grpcAddress : undefined,
      term: this.#term,
      commitIndex: this.#appliedIndex,
      appliedIndex: this.#appliedIndex,
      snapshotIndex: this.#snapshotIndex,
      peers: 1,
    };
  }

  onStateChange(listener: (status: LogStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** What was proposed before is still committed; then the storage is given back. */
  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    await this.#draining;
    this.#become('Shutdown');
    await this.#snapshotting;
    await this.#storage.close();
  }

  #refusal(): ZkraftError | undefined {
    if (this.#closing !== undefined || this.#state === 'Shutdown') {
      return new ZkraftError('shutting_down', 'this node is stopping; try again');
    }
    if (this.#state !== 'Leader') return new ZkraftError('not_leader', `node ${this.#nodeId} does not lead`);
    return undefined;
  }

  async #drain(): Promise<void> {
    // A tick later: all that is proposed in this one shares the batch.
    await Promise.resolve();
    while (this.#queue.length > 0 && this.#state === 'Leader') {
      const batch = this.#takeBatch();
      const entries = batch.map((proposal, i) => ({
        index: this.#lastIndex + 1 + i,
        term: this.#term,
        data: proposal.data,
      }));
      const startedMs = this.#now();
      try {
        await this.#storage.append(entries);
      } catch (error) {
        this.#die(error, batch);
        break;
      }
      this.#observer.appended?.(this.#now() - startedMs, entries.length);
      this.#lastIndex += entries.length;
      this.#applyBatch(entries, batch);
      this.#snapshotIfGrown(this.#snapshotThreshold);
    }
    this.#draining = undefined;
  }

  #takeBatch(): Proposal<Result>[] {
    let bytes = 0;
    let count = 0;
    for (const proposal of this.#queue) {
      bytes += proposal.data.length;
      if (count > 0 && (bytes > BATCH_BYTES_MAX || count >= BATCH_ENTRIES_MAX)) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #applyBatch(entries: readonly LogEntry[], batch: readonly Proposal<Result>[]): void {
    const machine = this.#machine;
    if (machine === undefined) return;
    const startedMs = this.#now();
    entries.forEach((entry, i) => {
      const result = machine.apply(entry);
      this.#appliedIndex = entry.index;
      batch[i]?.resolve({ index: entry.index, term: entry.term, result });
    });
    this.#observer.applied?.(this.#now() - startedMs);
  }

  #snapshotIfGrown(entries: number): void {
    const machine = this.#machine;
    const grown = this.#appliedIndex - this.#snapshotIndex;
    if (machine === undefined || this.#snapshotting !== undefined || this.#state !== 'Leader' || grown < entries)
      return;
    const startedMs = this.#now();
    const snapshot = { index: this.#appliedIndex, term: this.#term, state: machine.snapshot() };
    this.#snapshotting = this.#storage
      .saveSnapshot(snapshot)
      .then(async () => {
        this.#snapshotIndex = snapshot.index;
        await this.#storage.compact(
          Math.min(this.#storage.oldestSnapshotIndex(), this.#appliedIndex - this.#trailingEntries),
        );
        this.#observer.snapshotted?.(this.#now() - startedMs, snapshot.state.length);
        this.#logger.debug({ index: snapshot.index, bytes: snapshot.state.length }, 'snapshot made');
      })
      .catch((error: unknown) => this.#die(error, []))
      .finally(() => {
        this.#snapshotting = undefined;
      });
  }

  /** The disk failed us. Nothing more is accepted, and whoever waits learns that the outcome is unknown. */
  #die(error: unknown, inFlight: readonly Proposal<Result>[]): void {
    this.#logger.fatal({ err: error }, 'a write to the replicated log failed; this node stops, restart it');
    const waiting = [...inFlight, ...this.#queue];
    this.#queue = [];
    for (const proposal of waiting) {
      proposal.reject(
        new ZkraftError('internal', 'the log could not be written; whether this was accepted is unknown', {
          cause: error,
        }),
      );
    }
    if (this.#timer !== undefined) clearInterval(this.#timer);
    this.#become('Shutdown');
  }

  #become(state: RaftState): void {
    if (this.#state === state) return;
    this.#state = state;
    const status = this.status();
    for (const listener of this.#listeners) listener(status);
  }
}
