/** A state machine that is the list of what was applied. */
import type { LogEntry, StateMachine } from '../../src/raft/index.ts';

export interface AppliedEntry {
  readonly index: number;
  readonly term: number;
  readonly text: string;
}

export class ListMachine implements StateMachine<string> {
  applied: AppliedEntry[] = [];
  /** Not part of the state: how often `apply` was called. */
  applies = 0;

  apply(entry: LogEntry): string {
    this.applies += 1;
    const text = new TextDecoder().decode(entry.data);
    this.applied.push({ index: entry.index, term: entry.term, text });
    return `applied ${text}`;
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.applied));
  }

  restore(bytes: Uint8Array): void {
    this.applied = JSON.parse(new TextDecoder().decode(bytes)) as AppliedEntry[];
  }
}
