/**
 * Messages that wait for one peer, with limits in messages and bytes.
 *
 * What does not fit is refused: the newest goes, not the oldest. Appends lie in the order of the log, so the oldest are
 * the ones that the follower can use; without them all that come after would be rejected one by one. And whoever is
 * refused is told so, and stops sending ahead.
 */
import { messageBytes, type StreamMessage } from './codec.ts';
import type { TransportLimits } from './limits.ts';

export type Refusal = 'full' | 'too-large';

export interface Frame {
  readonly messages: readonly StreamMessage[];
  /** An upper bound. */
  readonly bytes: number;
}

export class SendQueue {
  readonly #limits: TransportLimits;
  #waiting: StreamMessage[] = [];
  /** Taken from the front already; cut off when a frame has taken all, or half. */
  #taken = 0;
  #bytes = 0;

  constructor(limits: TransportLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#waiting.length - this.#taken;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(message: StreamMessage): Refusal | undefined {
    const bytes = messageBytes(message);
    const { messageBytesMax, queueMessagesMax, queueBytesMax } = this.#limits;
    if (bytes > messageBytesMax) return 'too-large';
    if (this.length >= queueMessagesMax || this.#bytes + bytes > queueBytesMax) return 'full';
    this.#waiting.push(message);
    this.#bytes += bytes;
    return undefined;
  }

  /** The next ones, in order, as many as go together; at least one unless there is none. */
  take(): Frame {
    const messages: StreamMessage[] = [];
    let bytes = 0;
    for (; this.#taken < this.#waiting.length; this.#taken += 1) {
      const message = this.#waiting[this.#taken] as StreamMessage;
      const more = messageBytes(message);
      if (messages.length > 0 && bytes + more > this.#limits.frameBytes) break;
      messages.push(message);
      bytes += more;
    }
    this.#bytes -= bytes;
    if (this.#taken * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#taken);
      this.#taken = 0;
    }
    return { messages, bytes };
  }

  /** How many were thrown away. */
  clear(): number {
    const { length } = this;
    this.#waiting = [];
    this.#taken = 0;
    this.#bytes = 0;
    return length;
  }
}
