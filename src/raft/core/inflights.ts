/**
 * The append messages a follower has not acknowledged yet: a queue, limited in messages and in bytes.
 *
 * The limit of bytes is soft by one message: it closes the window once reached, it does not refuse the one that
 * reaches it. So a message larger than the limit still goes out, alone.
 */
import type { LogIndex } from '../types.ts';
import { invariant } from './errors.ts';

interface Inflight {
  /** Of the last entry in the message. */
  readonly index: LogIndex;
  readonly bytes: number;
}

export class Inflights {
  readonly messagesMax: number;
  readonly bytesMax: number;
  #queue: Inflight[] = [];
  /** Where the queue begins: what lies before it is freed, and cut off now and then. */
  #head = 0;
  #bytes = 0;

  constructor(messagesMax: number, bytesMax: number) {
    this.messagesMax = messagesMax;
    this.bytesMax = bytesMax;
  }

  get count(): number {
    return this.#queue.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.count >= this.messagesMax || this.#bytes >= this.bytesMax;
  }

  add(index: LogIndex, bytes: number): void {
    invariant(!this.full, () => `message up to entry ${index} sent into a full window of ${this.count}`);
    this.#queue.push({ index, bytes });
    this.#bytes += bytes;
  }

  /** An acknowledgement up to `index` is one of every message before it. */
  freeUpTo(index: LogIndex): void {
    for (let next = this.#queue[this.#head]; next !== undefined && next.index <= index; ) {
      this.#bytes -= next.bytes;
      next = this.#queue[++this.#head];
    }
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  clone(): Inflights {
    const copy = new Inflights(this.messagesMax, this.bytesMax);
    copy.#queue = this.#queue.slice(this.#head);
    copy.#bytes = this.#bytes;
    return copy;
  }
}
