/**
 * The one door to a node: everything that happens to it is an event here, taken in the order of its coming.
 *
 * What comes from outside without asking (messages of peers) has a limit; beyond it the newest is dropped, which
 * consensus is built to bear. What this node itself caused (the end of a write, say) is bounded by what caused it, and
 * is never dropped.
 */
export class Mailbox<Event> {
  readonly #messagesMax: number;
  #events: { readonly event: Event; readonly isMessage: boolean }[] = [];
  #messages = 0;
  #dropped = 0;

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  get size(): number {
    return this.#events.length;
  }

  /** Messages that found it full, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  post(event: Event): void {
    this.#events.push({ event, isMessage: false });
  }

  /** False, and nothing is done, when it is full. */
  postMessage(event: Event): boolean {
    if (this.#messages >= this.#messagesMax) {
      this.#dropped += 1;
      return false;
    }
    this.#messages += 1;
    this.#events.push({ event, isMessage: true });
    return true;
  }

  take(countMax: number): readonly Event[] {
    const taken = this.#events.splice(0, countMax);
    for (const { isMessage } of taken) if (isMessage) this.#messages -= 1;
    return taken.map(({ event }) => event);
  }
}
