/**
 * Who was not let in lately, for operators: the log says each once, and again when a minute has passed.
 *
 * Refused peers dial again for ever, and strangers may call themselves anything, so both the list and what is logged have
 * a limit. The one that was heard of longest ago makes room.
 */
import type { Refusal } from '../node/ports.ts';

export const REFUSALS_KEPT_MAX = 16;
const SAID_AGAIN_MS = 60_000;

interface Noted {
  refusal: Refusal;
  saidMs: number;
}

export class RefusalLog {
  readonly #now: () => number;
  /** In the order in which they were last heard of. */
  readonly #noted = new Map<string, Noted>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Says whether it is worth a line in the log. */
  note(peer: string, reason: string): boolean {
    const nowMs = this.#now();
    const key = `${peer}\n${reason}`;
    const before = this.#noted.get(key);
    this.#noted.delete(key);
    const [oldest] = this.#noted.keys();
    if (oldest !== undefined && this.#noted.size >= REFUSALS_KEPT_MAX) this.#noted.delete(oldest);
    const isSaid = before === undefined || nowMs - before.saidMs >= SAID_AGAIN_MS;
    const refusal = { peer, reason, count: (before?.refusal.count ?? 0) + 1, lastMs: nowMs };
    this.#noted.set(key, { refusal, saidMs: isSaid ? nowMs : (before?.saidMs ?? nowMs) });
    return isSaid;
  }

  /** The latest first. */
  all(): readonly Refusal[] {
    return [...this.#noted.values()].map(({ refusal }) => refusal).reverse();
  }
}
