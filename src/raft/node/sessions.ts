/**
 * Sessions of clients: what makes a repeated command apply once. Ongaro's thesis, section 6.3.
 *
 * A client opens a session (an entry, whose index is the session's id), numbers its commands from 1, and has one on its
 * way at a time. The state remembers the last number and what came of it; the same number again is answered from memory,
 * a lower one is refused, and so is a session that nobody knows: were that taken for a new one, a late repetition would
 * apply twice.
 *
 * All of it is replicated state and follows from the log alone: what goes when the table is full is the session that was
 * used least recently, by index, and one that was not used for `idleEntriesMax` entries is gone. No clock has a say.
 */
export interface SessionLimits {
  readonly sessionsMax: number;
  readonly idleEntriesMax: number;
  /** Of results that are remembered; a longer one is forgotten, and its repetition refused. */
  readonly resultBytesMax: number;
}

/** Part of the replicated state: all nodes of a cluster must have the same. */
export const SESSION_LIMITS: SessionLimits = {
  sessionsMax: 4_096,
  idleEntriesMax: 1_000_000,
  resultBytesMax: 4_096,
};

interface Session {
  /** Index of the entry that used it last. */
  usedAt: number;
  /** 0: none yet. */
  sequence: number;
  /** Index and term of the entry that was applied as `sequence`. */
  index: number;
  term: number;
  /** `undefined`: it was too long to be kept. */
  result: Uint8Array | undefined;
}

export type SessionVerdict =
  /** Apply it, then call `remember`. */
  | { readonly kind: 'fresh' }
  | {
      readonly kind: 'repeated';
      readonly index: number;
      readonly term: number;
      readonly result: Uint8Array | undefined;
    }
  /** A later one was applied already. */
  | { readonly kind: 'overtaken'; readonly sequence: number }
  | { readonly kind: 'no-session' };

export class SessionTable {
  readonly #limits: SessionLimits;
  /** In order of use, least recent first: a Map keeps the order in which keys were put in. */
  #sessions = new Map<number, Session>();

  constructor(limits: SessionLimits = SESSION_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  open(index: number): void {
    this.#expire(index);
    if (this.#sessions.size >= this.#limits.sessionsMax) {
      const [leastRecent] = this.#sessions.keys();
      if (leastRecent !== undefined) this.#sessions.delete(leastRecent);
    }
    this.#sessions.set(index, { usedAt: index, sequence: 0, index: 0, term: 0, result: undefined });
  }

  close(id: number): void {
    this.#sessions.delete(id);
  }

  check(id: number, sequence: number, index: number): SessionVerdict {
    this.#expire(index);
    const session = this.#sessions.get(id);
    if (session === undefined) return { kind: 'no-session' };
    this.#use(id, session, index);
    if (sequence > session.sequence) return { kind: 'fresh' };
    if (sequence < session.sequence) return { kind: 'overtaken', sequence: session.sequence };
    return { kind: 'repeated', index: session.index, term: session.term, result: session.result };
  }

  remember(id: number, sequence: number, entry: { index: number; term: number }, result: Uint8Array): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.sequence = sequence;
    session.index = entry.index;
    session.term = entry.term;
    session.result = result.length <= this.#limits.resultBytesMax ? Uint8Array.from(result) : undefined;
  }

  #use(id: number, session: Session, index: number): void {
    this.#sessions.delete(id);
    session.usedAt = index;
    this.#sessions.set(id, session);
  }

  #expire(index: number): void {
    for (const [id, session] of this.#sessions) {
      if (index - session.usedAt <= this.#limits.idleEntriesMax) return;
      this.#sessions.delete(id);
    }
  }

  /** In order of use, so that what goes first after a restore is what would have gone first before. */
  encode(): Uint8Array {
    const rows = [...this.#sessions].map(([id, s]) => [
      id,
      s.usedAt,
      s.sequence,
      s.index,
      s.term,
      s.result === undefined ? null : Buffer.from(s.result).toString('base64'),
    ]);
    return new TextEncoder().encode(JSON.stringify(rows));
  }

  restore(bytes: Uint8Array): void {
    type Row = [number, number, number, number, number, string | null];
    const rows = JSON.parse(new TextDecoder().decode(bytes)) as Row[];
    this.#sessions = new Map(
      rows.map(([id, usedAt, sequence, index, term, result]) => [
        id,
        { usedAt, sequence, index, term, result: result === null ? undefined : Buffer.from(result, 'base64') },
      ]),
    );
  }
}
