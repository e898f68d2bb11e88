/**
 * What a `Ready` wants written, on its way to the disk, and what may be said once it is there. Rule 1.
 *
 * Writes go to the log at once, without waiting for one another: the log merges what waits, so one fsync serves all
 * (group commit). What may be said afterwards comes out in the order of the writes, never before an earlier one is done.
 * A change of the commit index alone is not worth an fsync: it waits for the next write (an index can always be learnt
 * again), and what was to be said after it waits only for the writes before.
 */
import type { Message, StorageAppend } from '../core/index.ts';
import type { LogAppend, LogStorage } from '../storage/index.ts';
import type { HardState, SnapshotMetadata } from '../types.ts';

export interface StorageWriterOptions {
  readonly log: Pick<LogStorage, 'append' | 'initialState'>;
  readonly now: () => number;
  /** Some write is done; `takeDone` has what may be said. */
  readonly done: () => void;
  /** The snapshot is in the log; restore from it, then call `restored`. What comes after it waits until then. */
  readonly install: (metadata: SnapshotMetadata, restored: () => void) => void;
  readonly failed: (error: unknown) => void;
  readonly appended: (durationMs: number, entries: number) => void;
}

interface Write {
  readonly responses: Message[];
  isDone: boolean;
}

export class StorageWriter {
  readonly #options: StorageWriterOptions;
  /** In the order in which they were asked for. */
  readonly #writes: Write[] = [];
  #written: HardState;
  /** With a commit index that is not on its way to the disk yet. */
  #unwritten: HardState | undefined;

  constructor(options: StorageWriterOptions) {
    this.#options = options;
    this.#written = options.log.initialState().hardState;
  }

  get inFlight(): number {
    return this.#writes.length;
  }

  /** `asked`: what else is to be said after it, before its responses. */
  write(work: StorageAppend, asked: readonly Message[] = []): void {
    const { entries, hardState, snapshot } = work;
    const responses = [...asked, ...work.responses];
    const isPromise =
      hardState !== undefined && (hardState.term !== this.#written.term || hardState.vote !== this.#written.vote);
    if (hardState !== undefined) this.#unwritten = hardState;
    if (entries.length === 0 && snapshot === undefined && !isPromise) {
      this.#sayAfterWrites(responses);
      return;
    }
    this.#send({ entries, ...(snapshot && { snapshot: snapshot.metadata }) }, responses);
  }

  /** Brings the commit index to the disk too: before a snapshot is recorded, and at the end. */
  flushCommit(): Promise<void> | undefined {
    return this.#unwritten === undefined ? undefined : this.#send({}, []);
  }

  /** What may be said now, in order. */
  takeDone(): readonly Message[] {
    const said: Message[] = [];
    // One by one: behind a disk that stalled, more can wait than a call takes arguments.
    for (let [write] = this.#writes; write?.isDone === true; [write] = this.#writes) {
      for (const message of write.responses) said.push(message);
      this.#writes.shift();
    }
    return said;
  }

  #sayAfterWrites(responses: readonly Message[]): void {
    if (responses.length === 0) return;
    const last = this.#writes.at(-1);
    if (last !== undefined) {
      for (const message of responses) last.responses.push(message);
      return;
    }
    this.#writes.push({ responses: [...responses], isDone: true });
    this.#options.done();
  }

  #send(what: LogAppend, responses: Message[]): Promise<void> {
    const { log, now, done, install, failed, appended } = this.#options;
    const hardState = this.#unwritten;
    if (hardState !== undefined) this.#written = hardState;
    this.#unwritten = undefined;
    const write: Write = { responses, isDone: false };
    this.#writes.push(write);
    const begunMs = now();
    const finish = (): void => {
      write.isDone = true;
      done();
    };
    return log.append({ ...what, ...(hardState && { hardState }) }).then(() => {
      appended(now() - begunMs, what.entries?.length ?? 0);
      if (what.snapshot === undefined) finish();
      else install(what.snapshot, finish);
    }, failed);
  }
}

/**
 * Votes are asked for once the candidate's own term is durable. The others' votes alone can be a majority: it would lead
 * a term that it does not remember after a crash, ask for the same votes again, get them, and lead that term twice.
 */
export function splitByDurability(
  messages: readonly Message[],
  isWriting: boolean,
): { readonly atOnce: readonly Message[]; readonly afterWrite: readonly Message[] } {
  const waits = ({ type }: Message): boolean => isWriting && type === 'vote';
  if (!messages.some(waits)) return { atOnce: messages, afterWrite: [] };
  return { atOnce: messages.filter((one) => !waits(one)), afterWrite: messages.filter(waits) };
}
