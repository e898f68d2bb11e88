/**
 * Which coordinator to try next. Pure.
 *
 * The listed addresses are tried in turn; a refusal that names the leader is followed at once, to an address that need
 * not be on the list. Waiting is asked for after each full round without success and after `HOPS_MAX` redirects in a
 * row, so that coordinators which point at one another are not called in a circle without a pause. Only `settled`
 * clears that memory: to be accepted and dropped at once is no success.
 */
const HOPS_MAX = 3;

export type Pace = 'now' | 'wait';

export class AddressBook {
  readonly #listed: readonly string[];
  #index = 0;
  #leader: string | undefined;
  #failures = 0;
  #hops = 0;

  /** `listed`: host:port, at least one. */
  constructor(listed: readonly string[]) {
    this.#listed = listed;
  }

  get current(): string {
    return this.#leader ?? (this.#listed[this.#index] as string);
  }

  /** The current address has proved to work; the next loss begins with it, without a wait. */
  settled(): void {
    this.#failures = 0;
    this.#hops = 0;
  }

  /** The current address did not answer, or refused for a reason of its own. */
  failed(): Pace {
    // Also after one that was named: whoever named it would name it again.
    this.#leader = undefined;
    this.#index = (this.#index + 1) % this.#listed.length;
    this.#failures += 1;
    return this.#failures % this.#listed.length === 0 ? this.#rest() : 'now';
  }

  /** The current address does not lead; `leader` is whom it named, if it knows. */
  redirected(leader: string | undefined): Pace {
    if (leader === undefined || leader === this.current) return this.failed();
    this.#leader = leader;
    this.#hops += 1;
    return this.#hops > HOPS_MAX ? this.#rest() : 'now';
  }

  #rest(): Pace {
    this.#hops = 0;
    return 'wait';
  }
}
