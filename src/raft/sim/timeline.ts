/**
 * Virtual time: events in the order of their instants, and of their making where the instants are the same.
 *
 * An event runs, then everything that it set going without waiting for another event: promises settle between two
 * instants, and a turn of Node's loop makes sure that all have. So no real clock and no real chance has a say in the order.
 */
interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly work: () => void;
  isCalledOff: boolean;
}

export class Timeline {
  #nowMs = 0;
  #sequence = 0;
  #isSettled = true;
  /** A binary heap. */
  readonly #heap: Event[] = [];
  /** Due in the instant that it is now, in order. */
  #due: Event[] = [];

  /** Whether all that the last event set going has come to rest. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** What is returned calls it off. */
  at(atMs: number, work: () => void): () => void {
    this.#sequence += 1;
    const event: Event = { atMs: Math.max(atMs, this.#nowMs), sequence: this.#sequence, work, isCalledOff: false };
    if (event.atMs <= this.#nowMs) this.#due.push(event);
    else this.#push(event);
    return () => {
      event.isCalledOff = true;
    };
  }

  after(delayMs: number, work: () => void): () => void {
    return this.at(this.#nowMs + delayMs, work);
  }

  /** Runs the next event, unless it is later than `untilMs`: then it is `untilMs`, and false is returned. */
  async step(untilMs: number): Promise<boolean> {
    const event = this.#next(untilMs);
    if (event === undefined) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return false;
    }
    this.#nowMs = event.atMs;
    event.work();
    // What is due now, such as a node's turn after a message came, belongs to it.
    this.#isSettled = this.#due.length === 0;
    if (this.#isSettled) await settled();
    return true;
  }

  #next(untilMs: number): Event | undefined {
    for (;;) {
      const due = this.#due.shift();
      const event = due ?? (this.#heap[0] !== undefined && this.#heap[0].atMs <= untilMs ? this.#pop() : undefined);
      if (event === undefined || !event.isCalledOff) return event;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (isBefore(heap[above] as Event, event)) break;
      heap[at] = heap[above] as Event;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below += 1;
      if (isBefore(last, heap[below] as Event)) break;
      heap[at] = heap[below] as Event;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

/** Every promise that could settle has. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
