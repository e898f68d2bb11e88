/**
 * The leader's clock on every live lease: when it was granted, delivered, started, last renewed.
 *
 * Pure: time comes in as milliseconds of a monotonic clock. It is memory of the leader alone; a new leader begins
 * anew with a full period for each lease, because it cannot know what the old one heard. `sweep` says what is due:
 * send again, or give up and why. What the leader could not hear, because its own process did not run, counts against
 * nobody (`forgive`): it waits to be read, and often enough it is a proof.
 */
import type { LeaseRef } from '../state/index.ts';

export interface LeaseLimits {
  /** A lease that no heartbeat renews for so long is lost. */
  readonly leaseMs: number;
  /** An assignment that is not acknowledged for so long is sent again. */
  readonly deliveryMs: number;
  readonly sendsMax: number;
  /** The most that a lease may stay delivered but not started. */
  readonly staleMs: number;
  /** The most that an attempt may take from its start. */
  readonly timeoutMs: number;
}

export type LeaseVerdict =
  | { readonly act: 'send'; readonly lease: LeaseRef; readonly sends: number }
  | {
      readonly act: 'expire';
      readonly lease: LeaseRef;
      readonly code: 'delivery_failed' | 'lease_expired' | 'prover_timeout';
      readonly message: string;
    };

interface Entry {
  readonly lease: LeaseRef;
  grantedMs: number;
  renewedMs: number;
  startedMs: number | undefined;
  delivered: boolean;
  sends: number;
  sentMs: number;
  /** An expiry was proposed; nothing more is said until the log has decided. */
  condemnedMs: number | undefined;
}

/** A proposal to expire that was lost (overload) is made again after this time. */
const CONDEMNED_AGAIN_MS = 5_000;

export class LeaseTable {
  readonly #limits: LeaseLimits;
  readonly #entries = new Map<string, Entry>();

  constructor(limits: LeaseLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A lease as the log granted it, now or under an earlier leader. */
  grant(lease: LeaseRef, nowMs: number, started = false): void {
    this.#entries.set(lease.taskId, {
      lease,
      grantedMs: nowMs,
      renewedMs: nowMs,
      startedMs: started ? nowMs : undefined,
      delivered: started,
      sends: 0,
      sentMs: nowMs,
      condemnedMs: undefined,
    });
  }

  sent(lease: LeaseRef, nowMs: number): void {
    const entry = this.#entry(lease);
    if (entry === undefined) return;
    entry.sends += 1;
    entry.sentMs = nowMs;
  }

  /** The worker showed that it holds the lease: an acknowledgement, a start, a heartbeat that names it. */
  held(lease: LeaseRef, nowMs: number): void {
    const entry = this.#entry(lease);
    if (entry === undefined) return;
    entry.delivered = true;
    entry.renewedMs = nowMs;
  }

  started(lease: LeaseRef, nowMs: number): void {
    this.held(lease, nowMs);
    const entry = this.#entry(lease);
    if (entry !== undefined) entry.startedMs ??= nowMs;
  }

  /**
   * Takes `absentMs`, in which nobody was listening, out of every period that runs. Some may have begun after it: none
   * begins later than now.
   */
  forgive(absentMs: number, nowMs: number): void {
    const later = (sinceMs: number): number => Math.min(nowMs, sinceMs + absentMs);
    for (const entry of this.#entries.values()) {
      entry.grantedMs = later(entry.grantedMs);
      entry.renewedMs = later(entry.renewedMs);
      entry.sentMs = later(entry.sentMs);
      if (entry.startedMs !== undefined) entry.startedMs = later(entry.startedMs);
    }
  }

  end(lease: LeaseRef): void {
    if (this.#entry(lease) !== undefined) this.#entries.delete(lease.taskId);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Milliseconds since the lease was granted or taken over. */
  ageMs(lease: LeaseRef, nowMs: number): number {
    const entry = this.#entry(lease);
    return entry === undefined ? 0 : nowMs - entry.grantedMs;
  }

  /** What a worker was not seen to have: to be sent again when its stream opens. */
  undelivered(workerId: string): LeaseRef[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.lease.workerId === workerId && !entry.delivered)
      .map((entry) => entry.lease);
  }

  sweep(nowMs: number): LeaseVerdict[] {
    const verdicts: LeaseVerdict[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.condemnedMs !== undefined && nowMs - entry.condemnedMs < CONDEMNED_AGAIN_MS) continue;
      const verdict = this.#judge(entry, nowMs);
      if (verdict === undefined) continue;
      if (verdict.act === 'expire') entry.condemnedMs = nowMs;
      verdicts.push(verdict);
    }
    return verdicts;
  }

  #judge(entry: Entry, nowMs: number): LeaseVerdict | undefined {
    const { leaseMs, deliveryMs, sendsMax, staleMs, timeoutMs } = this.#limits;
    const { lease } = entry;
    const expire = (code: 'delivery_failed' | 'lease_expired' | 'prover_timeout', message: string): LeaseVerdict => ({
      act: 'expire',
      lease,
      code,
      message,
    });
    if (!entry.delivered) {
      if (nowMs - entry.sentMs < deliveryMs) return undefined;
      if (entry.sends >= sendsMax || nowMs - entry.grantedMs >= deliveryMs * sendsMax) {
        return expire('delivery_failed', `worker ${lease.workerId} did not acknowledge the assignment`);
      }
      return { act: 'send', lease, sends: entry.sends };
    }
    if (nowMs - entry.renewedMs >= leaseMs) {
      return expire('lease_expired', `worker ${lease.workerId} did not renew the lease for ${leaseMs} ms`);
    }
    if (entry.startedMs === undefined && nowMs - entry.grantedMs >= staleMs) {
      return expire('lease_expired', `worker ${lease.workerId} held the task for ${staleMs} ms and did not start it`);
    }
    if (entry.startedMs !== undefined && nowMs - entry.startedMs >= timeoutMs) {
      return expire('prover_timeout', `the attempt took longer than task_timeout, ${timeoutMs} ms`);
    }
    return undefined;
  }

  #entry(lease: LeaseRef): Entry | undefined {
    const entry = this.#entries.get(lease.taskId);
    return entry?.lease.epoch === lease.epoch ? entry : undefined;
  }
}
