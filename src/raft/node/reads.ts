/**
 * Reads that are current (thesis, 6.4): confirmed leadership first, then wait until what was committed is applied.
 *
 * All that are asked in one turn share one confirmation, and so one round of heartbeats.
 */
import type { ZkraftError } from '../../common/index.ts';

interface Read {
  readonly resolve: (index: number) => void;
  readonly reject: (error: ZkraftError) => void;
}

export class PendingReads {
  readonly #countMax: number;
  #asked: Read[] = [];
  /** By the number that is the core's context. */
  readonly #unconfirmed = new Map<number, readonly Read[]>();
  /** Confirmed, in the order of their index. */
  #confirmed: { readonly index: number; readonly reads: readonly Read[] }[] = [];
  #next = 0;
  #count = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get isFull(): boolean {
    return this.#count >= this.#countMax;
  }

  get asked(): number {
    return this.#asked.length;
  }

  ask(read: Read): void {
    this.#count += 1;
    this.#asked.push(read);
  }

  /** Those that were asked since, under one context. */
  begin(): Uint8Array {
    this.#next += 1;
    this.#unconfirmed.set(this.#next, this.#asked);
    this.#asked = [];
    const context = new Uint8Array(8);
    new DataView(context.buffer).setFloat64(0, this.#next);
    return context;
  }

  confirmed(context: Uint8Array, index: number): void {
    if (context.length !== 8) return;
    const number = new DataView(context.buffer, context.byteOffset, 8).getFloat64(0);
    const reads = this.#unconfirmed.get(number);
    if (reads === undefined) return;
    this.#unconfirmed.delete(number);
    this.#confirmed.push({ index, reads });
  }

  applied(appliedIndex: number): void {
    const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex);
    if (ready.length === 0) return;
    this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
    for (const { reads } of ready) {
      this.#count -= reads.length;
      for (const read of reads) read.resolve(appliedIndex);
    }
  }

  /** Leadership is lost, or the node stops. What is confirmed already is true all the same, but cannot be waited for. */
  fail(error: ZkraftError): void {
    const lost = [
      ...this.#asked,
      ...[...this.#unconfirmed.values()].flat(),
      ...this.#confirmed.flatMap(({ reads }) => reads),
    ];
    this.#asked = [];
    this.#unconfirmed.clear();
    this.#confirmed = [];
    this.#count = 0;
    for (const read of lost) read.reject(error);
  }
}
