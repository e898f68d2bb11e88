/**
 * Requests a second, per client: token buckets, in memory, of a bounded number.
 *
 * Written here because @fastify/rate-limit counts in fixed windows: with 10 a second and a burst of 20 it could be set
 * to 20 in 2 s, which lets 40 through around a window's edge and then nothing for 2 s. A bucket of `burst` tokens that
 * refills at `requestsPerSecond` allows what the two settings say.
 *
 * A client is an API key's name or the address of the socket; IPv6 addresses count by /64, because one customer has
 * 2^64 of them. When the table is full the client that was quiet for longest is forgotten, and starts afresh.
 */
import { BlockList, isIP } from 'node:net';
import { plainAddress, ZkraftError } from '../common/index.ts';

export interface BucketLimits {
  readonly requestsPerSecond: number;
  readonly burst: number;
  readonly clientsMax: number;
}

export class TokenBuckets {
  readonly #limits: BucketLimits;
  // In order of last use, the oldest first.
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(limits: BucketLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token at `nowMs` (monotonic). 0 when there was one, else the milliseconds until there is. */
  take(client: string, nowMs: number): number {
    const { requestsPerSecond, clientsMax } = this.#limits;
    const tokens = this.#tokens(client, nowMs);
    const left = tokens >= 1 ? tokens - 1 : tokens;
    this.#buckets.delete(client);
    this.#buckets.set(client, { tokens: left, atMs: nowMs });
    if (this.#buckets.size > clientsMax) {
      const oldest = this.#buckets.keys().next();
      if (!oldest.done) this.#buckets.delete(oldest.value);
    }
    return tokens >= 1 ? 0 : ((1 - tokens) / requestsPerSecond) * 1_000;
  }

  /** What `take` would answer; takes nothing. */
  look(client: string, nowMs: number): number {
    const tokens = this.#tokens(client, nowMs);
    return tokens >= 1 ? 0 : ((1 - tokens) / this.#limits.requestsPerSecond) * 1_000;
  }

  #tokens(client: string, nowMs: number): number {
    const { requestsPerSecond, burst } = this.#limits;
    const known = this.#buckets.get(client);
    if (!known) return burst;
    const earned = ((nowMs - known.atMs) / 1_000) * requestsPerSecond;
    return Math.min(burst, known.tokens + Math.max(0, earned));
  }
}

/** Whether an address is on the list of addresses and networks (CIDR). Throws `config_invalid` for what is neither. */
export function addressMatcher(entries: readonly string[], setting: string): (address: string) => boolean {
  const list = new BlockList();
  for (const [i, entry] of entries.entries()) {
    const [network = '', prefix] = entry.split('/');
    const family = isIP(network);
    const bits = prefix === undefined ? undefined : Number(prefix);
    const fits = bits === undefined || (/^\d{1,3}$/.test(prefix ?? '') && bits <= (family === 6 ? 128 : 32));
    if (family === 0 || !fits || entry.split('/').length > 2) {
      throw new ZkraftError(
        'config_invalid',
        `${setting}[${i}] is neither an address nor a network such as 10.0.0.0/8`,
        {
          field: setting,
        },
      );
    }
    const kind = family === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(network, kind);
    else list.addSubnet(network, bits, kind);
  }
  return (address) => {
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  };
}
