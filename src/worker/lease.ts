/** Leases as keys. A worker only ever holds leases of its own id, so task, attempt and epoch name one. */
import type { Lease } from '../common/rpc/index.ts';

/** Names the lease in maps and in logs. */
export const leaseKey = (lease: Lease): string => `${lease.taskId}/${lease.attempt}@${lease.epoch}`;

/** The keys it has seen last, at most `max` of them. */
export class RecentKeys {
  readonly #keys = new Set<string>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  add(key: string): void {
    this.#keys.delete(key);
    this.#keys.add(key);
    if (this.#keys.size > this.#max) {
      const oldest = this.#keys.values().next().value;
      if (oldest !== undefined) this.#keys.delete(oldest);
    }
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }
}
