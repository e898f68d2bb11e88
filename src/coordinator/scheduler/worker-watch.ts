/**
 * Which workers live: heard of within half the heartbeat timeout is active, within the whole is suspect, else dead.
 *
 * Pure; time comes in. Memory of the leader alone: at a takeover every registered worker gets a full period, and the
 * time in which the leader's own process did not run is nobody's silence.
 */
export type Liveness = 'active' | 'suspect' | 'dead';

export class WorkerWatch {
  readonly #timeoutMs: number;
  readonly #seenMs = new Map<string, number>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  seen(workerId: string, nowMs: number): void {
    this.#seenMs.set(workerId, nowMs);
  }

  /** Takes `absentMs`, in which nobody was listening, out of every worker's silence; one heard since was heard now. */
  forgive(absentMs: number, nowMs: number): void {
    for (const [workerId, seenMs] of this.#seenMs) this.#seenMs.set(workerId, Math.min(nowMs, seenMs + absentMs));
  }

  forget(workerId: string): void {
    this.#seenMs.delete(workerId);
  }

  clear(): void {
    this.#seenMs.clear();
  }

  liveness(workerId: string, nowMs: number): Liveness {
    const seenMs = this.#seenMs.get(workerId);
    if (seenMs === undefined) return 'dead';
    const silentMs = nowMs - seenMs;
    if (silentMs >= this.#timeoutMs) return 'dead';
    return silentMs >= this.#timeoutMs / 2 ? 'suspect' : 'active';
  }
}
