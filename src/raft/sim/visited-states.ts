/**
 * Where a search has been: which operations were taken, and the state they led to.
 *
 * A set has a hash that changes with each toggle by the number of what was toggled, so that a look-up costs little; what
 * has the same hash is compared in full. Of a set only the words between those that are full and those that are empty
 * are kept: of a long history that is a few, whatever its length.
 */

const FULL = 0xffffffff;

export class TakenSet {
  readonly words: Uint32Array;
  /** Of all that is in it. */
  hash = 0;

  constructor(size: number) {
    this.words = new Uint32Array(Math.ceil(size / 32));
  }

  /** Puts it in, or takes it out again. */
  toggle(member: number): void {
    const word = member >>> 5;
    this.words[word] = (this.words[word] ?? 0) ^ (1 << (member & 31));
    this.hash ^= scattered(member + 1);
  }
}

interface Visit {
  readonly state: number;
  /** Full words before the first of `words`. */
  readonly from: number;
  readonly words: Uint32Array;
}

export class VisitedStates {
  readonly #byHash = new Map<number, Visit[]>();
  /** Numbers of states, by their keys. */
  readonly #states = new Map<string, number>();

  /** False if it was there already. The set may change afterwards. */
  add(taken: TakenSet, stateKey: string): boolean {
    const state = this.#number(stateKey);
    const { words } = taken;
    let from = 0;
    while (words[from] === FULL) from += 1;
    let end = words.length;
    while (end > from && words[end - 1] === 0) end -= 1;
    const hash = taken.hash ^ scattered(-1 - state);
    const bucket = this.#byHash.get(hash);
    const visit: Visit = { state, from, words: words.slice(from, end) };
    if (bucket === undefined) {
      this.#byHash.set(hash, [visit]);
      return true;
    }
    if (bucket.some((other) => isSame(other, visit))) return false;
    bucket.push(visit);
    return true;
  }

  #number(stateKey: string): number {
    const known = this.#states.get(stateKey);
    if (known !== undefined) return known;
    this.#states.set(stateKey, this.#states.size);
    return this.#states.size - 1;
  }
}

function isSame(a: Visit, b: Visit): boolean {
  if (a.state !== b.state || a.from !== b.from || a.words.length !== b.words.length) return false;
  return a.words.every((word, i) => word === b.words[i]);
}

/** 32 bits that look like chance, another pattern for each number (the finish of MurmurHash3). */
function scattered(number: number): number {
  let bits = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
