/**
 * When each peer was heard of, for decisions that a leader must not take about silent ones.
 *
 * The core's own mark of activity is wiped at each check of the quorum, which is right for that check and too coarse for
 * the rules of membership: a learner must have been in touch for ten seconds without a gap.
 */
import type { NodeId } from '../types.ts';

interface Contact {
  /** Since when without a gap. */
  sinceMs: number;
  lastMs: number;
}

/** Far more than a cluster has. */
const PEERS_MAX = 1_024;

export class Contacts {
  readonly #gapMsMax: number;
  readonly #byId = new Map<NodeId, Contact>();

  /** `gapMsMax`: silence that ends a contact; an election timeout. */
  constructor(gapMsMax: number) {
    this.#gapMsMax = gapMsMax;
  }

  heard(id: NodeId, nowMs: number): void {
    const contact = this.#byId.get(id);
    if (contact === undefined) {
      if (this.#byId.size < PEERS_MAX) this.#byId.set(id, { sinceMs: nowMs, lastMs: nowMs });
    } else {
      if (nowMs - contact.lastMs > this.#gapMsMax) contact.sinceMs = nowMs;
      contact.lastMs = nowMs;
    }
  }

  isInTouch(id: NodeId, nowMs: number): boolean {
    const contact = this.#byId.get(id);
    return contact !== undefined && nowMs - contact.lastMs <= this.#gapMsMax;
  }

  /** 0 when it is not in touch. */
  inTouchForMs(id: NodeId, nowMs: number): number {
    return this.isInTouch(id, nowMs) ? nowMs - (this.#byId.get(id)?.sinceMs ?? nowMs) : 0;
  }

  silentForMs(id: NodeId, nowMs: number): number | undefined {
    const contact = this.#byId.get(id);
    return contact === undefined ? undefined : nowMs - contact.lastMs;
  }

  /** Members only: strangers would make it grow. */
  keepOnly(ids: readonly NodeId[]): void {
    const kept = new Set(ids);
    for (const id of this.#byId.keys()) if (!kept.has(id)) this.#byId.delete(id);
  }
}
