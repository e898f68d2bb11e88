/** Random values that are the same in every run: a failure can be repeated. (splitmix64, not for secrets) */
const MASK = 0xffffffffffffffffn;

export class SeededRandom {
  #state: bigint;

  constructor(seed: number) {
    this.#state = BigInt(seed);
  }

  u64(): bigint {
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & MASK;
    let z = this.#state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Number(this.u64() % BigInt(limit));
  }

  bigintBelow(limit: bigint): bigint {
    let value = 0n;
    for (let i = 0; i < 6; i++) value = (value << 64n) | this.u64();
    return value % limit;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}
