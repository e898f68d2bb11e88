/**
 * The key-value machine, watched: each entry that is applied is told to the oracle, with a digest of all before it.
 * The digest is part of the snapshot, so a history goes on through one.
 */
import { KvMachine } from '../kv/index.ts';
import type { LogEntry, StateMachine } from '../replicated-log.ts';

export interface MachineWatcher {
  applies(entry: LogEntry, chain: number): void;
  restores(index: number, chain: number): void;
}

const CHAIN_BYTES = 4;

export class WatchedMachine implements StateMachine<string> {
  readonly #watcher: MachineWatcher;
  readonly kv = new KvMachine();
  #chain = 0;

  constructor(watcher: MachineWatcher) {
    this.#watcher = watcher;
  }

  get chain(): number {
    return this.#chain;
  }

  apply(entry: LogEntry): string {
    this.#chain = digest(this.#chain, entry);
    this.#watcher.applies(entry, this.#chain);
    return this.kv.apply(entry);
  }

  snapshot(): Uint8Array {
    const chain = Buffer.alloc(CHAIN_BYTES);
    chain.writeUInt32LE(this.#chain);
    return Buffer.concat([chain, this.kv.snapshot()]);
  }

  restore(snapshot: Uint8Array, index: number): void {
    const bytes = Buffer.from(snapshot);
    this.#chain = bytes.readUInt32LE(0);
    this.#watcher.restores(index, this.#chain);
    this.kv.restore(bytes.subarray(CHAIN_BYTES));
  }
}

/** FNV-1a over the entry, going on from what was before. */
function digest(before: number, { index, term, data }: LogEntry): number {
  let hash = before ^ 0x811c9dc5;
  for (const word of [index, term, data.length]) hash = Math.imul(hash ^ word, 0x01000193);
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
