/**
 * The durable log as memory has it: the terms of all entries, as runs, and the newest entries up to a cap in bytes.
 *
 * A term is asked for at every message, so terms are never read from the disk: a run is one change of leader, and
 * compaction drops the old ones. Entries before the cap stay on the disk only; who wants them asks `resident` first.
 */
import { invariant } from '../../common/index.ts';
import { entryBytes } from '../core/entry-size.ts';
import type { Entry, LogIndex, Term } from '../types.ts';

interface TermRun {
  /** First index of the run. */
  readonly from: LogIndex;
  readonly term: Term;
}

export interface LogBase {
  readonly index: LogIndex;
  readonly term: Term;
  readonly crc: number;
}

export class LogTail {
  readonly #bytesMax: number;
  #base: LogBase = { index: 0, term: 0, crc: 0 };
  /** The first run starts at the base. Ascending, terms too. */
  #runs: TermRun[] = [{ from: 0, term: 0 }];
  #entries: Entry[] = [];
  #crcs: number[] = [];
  #bytes = 0;
  #lastIndex: LogIndex = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get base(): LogBase {
    return this.#base;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  /** First entry in memory; `lastIndex + 1` when there is none. */
  get residentFrom(): LogIndex {
    return this.#lastIndex - this.#entries.length + 1;
  }

  get residentBytes(): number {
    return this.#bytes;
  }

  term(index: LogIndex): Term | undefined {
    if (index < this.#base.index || index > this.#lastIndex) return undefined;
    // Who asks, asks for the end nearly always.
    for (let i = this.#runs.length - 1; i >= 0; i -= 1) {
      const run = this.#runs[i];
      if (run !== undefined && run.from <= index) return run.term;
    }
    return undefined;
  }

  /** Undefined when it is not in memory. */
  crc(index: LogIndex): number | undefined {
    if (index === this.#base.index) return this.#base.crc;
    return this.#crcs[index - this.residentFrom];
  }

  resident(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.residentFrom];
  }

  /** The log is nothing but what a snapshot stands for. */
  reset(base: LogBase): void {
    this.#base = base;
    this.#runs = [{ from: base.index, term: base.term }];
    this.#entries = [];
    this.#crcs = [];
    this.#bytes = 0;
    this.#lastIndex = base.index;
  }

  push(entry: Entry, crc: number): void {
    invariant(entry.index === this.#lastIndex + 1, `entry ${entry.index} follows entry ${this.#lastIndex}`);
    if (this.#runs.at(-1)?.term !== entry.term) this.#runs.push({ from: entry.index, term: entry.term });
    this.#entries.push(entry);
    this.#crcs.push(crc);
    this.#lastIndex = entry.index;
    this.#bytes += entryBytes(entry);
    if (this.#bytes > this.#bytesMax) this.#evict();
  }

  /** Drops all after `index`. */
  truncate(index: LogIndex): void {
    if (index >= this.#lastIndex) return;
    invariant(index >= this.#base.index, `cannot cut the log at ${index}: it begins after ${this.#base.index}`);
    const kept = Math.max(0, index - this.residentFrom + 1);
    for (const entry of this.#entries.slice(kept)) this.#bytes -= entryBytes(entry);
    this.#entries.length = kept;
    this.#crcs.length = kept;
    this.#lastIndex = index;
    while (this.#runs.length > 1 && (this.#runs.at(-1)?.from ?? 0) > index) this.#runs.pop();
  }

  /** Drops all up to and with `base.index`. */
  compact(base: LogBase): void {
    if (base.index <= this.#base.index) return;
    this.#drop(base.index - this.residentFrom + 1);
    this.#base = base;
    const kept = this.#runs.filter((run) => run.from > base.index);
    this.#runs = [{ from: base.index, term: base.term }, ...kept];
  }

  /** To seven eighths of the cap, so that moving the arrays down is paid once for many entries. */
  #evict(): void {
    const target = (this.#bytesMax / 8) * 7;
    let bytes = this.#bytes;
    let count = 0;
    // The newest stays whatever its size: it is the next one to be sent.
    while (bytes > target && count < this.#entries.length - 1) {
      const entry = this.#entries[count];
      if (entry !== undefined) bytes -= entryBytes(entry);
      count += 1;
    }
    this.#drop(count);
  }

  #drop(count: number): void {
    for (const entry of this.#entries.splice(0, Math.max(0, count))) this.#bytes -= entryBytes(entry);
    this.#crcs.splice(0, Math.max(0, count));
  }
}
