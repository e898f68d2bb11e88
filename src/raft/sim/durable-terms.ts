/** The terms of what is durable in one node's log: the oracle's own copy, made from the writes as they complete. */
import type { LogAppend, LogStorage } from '../storage/index.ts';
import type { Entry, LogIndex, Term } from '../types.ts';

export interface Replaced {
  readonly index: LogIndex;
  readonly term: Term;
}

export class DurableTerms {
  #base = 0;
  #baseTerm = 0;
  #terms: Term[] = [];

  /** As found at a boot. */
  static of(log: Pick<LogStorage, 'firstIndex' | 'lastIndex' | 'term'>): DurableTerms {
    const copy = new DurableTerms();
    copy.#base = log.firstIndex() - 1;
    copy.#baseTerm = log.term(copy.#base) ?? 0;
    for (let index = copy.#base + 1; index <= log.lastIndex(); index += 1) copy.#terms.push(log.term(index) ?? 0);
    return copy;
  }

  /** Behind this index stands a snapshot. */
  get base(): LogIndex {
    return this.#base;
  }

  get last(): LogIndex {
    return this.#base + this.#terms.length;
  }

  term(index: LogIndex): Term | undefined {
    return index === this.#base ? this.#baseTerm : this.#terms[index - this.#base - 1];
  }

  /** Whether the entry is here, or was, and is inside the snapshot. */
  has(index: LogIndex, term: Term): boolean {
    return index < this.#base || this.term(index) === term;
  }

  /** What was replaced or thrown away, if anything was. `isReset`: the whole log went for a snapshot. */
  write({ snapshot, entries = [] }: LogAppend): { readonly replaced: readonly Replaced[]; readonly isReset: boolean } {
    const isReset = snapshot !== undefined && this.term(snapshot.index) !== snapshot.term;
    if (snapshot !== undefined && isReset) {
      this.#base = snapshot.index;
      this.#baseTerm = snapshot.term;
      this.#terms = [];
    }
    return { replaced: this.#extend(entries), isReset };
  }

  compact(to: LogIndex): void {
    if (to <= this.#base) return;
    this.#baseTerm = this.term(to) ?? 0;
    this.#terms.splice(0, to - this.#base);
    this.#base = to;
  }

  #extend(entries: readonly Entry[]): Replaced[] {
    const [first] = entries;
    if (first === undefined) return [];
    const gone = this.#terms.splice(Math.max(0, first.index - this.#base - 1));
    for (const { term, index } of entries) if (index > this.#base) this.#terms.push(term);
    return gone.flatMap((term, i) => {
      const index = first.index + i;
      return entries[i]?.term === term ? [] : [{ index, term }];
    });
  }
}
