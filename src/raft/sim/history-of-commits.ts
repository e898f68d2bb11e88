/** What the cluster as a whole has committed and applied, as far as anybody has seen. */
import type { LogEntry } from '../replicated-log.ts';
import type { LogIndex, Term } from '../types.ts';

export class CommitHistory {
  readonly #terms: (Term | undefined)[] = [];
  readonly #inTerms: Term[] = [];
  readonly #applied: LogEntry[] = [];
  /** After each index: a digest of all that was applied up to there. */
  readonly #chain: number[] = [];
  readonly #termsWithCommit = new Set<Term>();
  #last = 0;

  get last(): LogIndex {
    return this.#last;
  }

  term(index: LogIndex): Term | undefined {
    return this.#terms[index];
  }

  /** The term in which it was committed: that of the leader who counted, not of the entry. */
  committedIn(index: LogIndex): Term | undefined {
    return this.#inTerms[index];
  }

  /** Whether a leader of that term is known to have committed an entry of its own. */
  hasCommitOf(term: Term): boolean {
    return this.#termsWithCommit.has(term);
  }

  commit(to: LogIndex, inTerm: Term, termOf: (index: LogIndex) => Term | undefined): void {
    for (let index = this.#last + 1; index <= to; index += 1) {
      this.#terms[index] = termOf(index);
      this.#inTerms[index] = inTerm;
    }
    this.#last = Math.max(this.#last, to);
    this.#termsWithCommit.add(inTerm);
  }

  /** The entry that somebody applied there first; `undefined` when this is the first. */
  apply(entry: LogEntry, chain: number): { readonly entry: LogEntry; readonly chain: number } | undefined {
    const before = this.#applied[entry.index];
    if (before !== undefined) return { entry: before, chain: this.#chain[entry.index] ?? 0 };
    this.#applied[entry.index] = entry;
    this.#chain[entry.index] = chain;
    return undefined;
  }

  chainAt(index: LogIndex): number | undefined {
    return index === 0 ? 0 : this.#chain[index];
  }
}
