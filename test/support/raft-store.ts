/** A state machine for processes of tests: what was written under each key, in order. */
import type { LogEntry, StateMachine } from '../../src/raft/index.ts';

export class WordStore implements StateMachine<number> {
  /** By word, the indexes at which it was applied. */
  #words = new Map<string, number[]>();

  apply({ index, data }: LogEntry): number {
    if (data.length === 0) return index;
    const word = new TextDecoder().decode(data);
    const known = this.#words.get(word);
    if (known === undefined) this.#words.set(word, [index]);
    else known.push(index);
    return index;
  }

  words(): ReadonlyMap<string, readonly number[]> {
    return this.#words;
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify([...this.#words]));
  }

  restore(bytes: Uint8Array): void {
    this.#words = new Map(JSON.parse(new TextDecoder().decode(bytes)) as [string, number[]][]);
  }
}
