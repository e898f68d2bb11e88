/**
 * Proofs on their way to the verifier's threads: which go together, which go alone, and who waits for whom.
 *
 * Many proofs under one key cost less than half of what each costs by itself, so what arrives while a thread is busy goes
 * together, up to 64 under one key; and one that finds a thread idle waits a few milliseconds for company, if there is
 * some to expect: the one before it came less than so many milliseconds before. A bad proof
 * among good ones costs the batch a search for it, some ten times a good one's price, and a second look in BigInt, two
 * hundred times as much. So that nobody pays for another's:
 *
 *   - A worker has no more proofs in batches at a time than it had good ones since its last bad one. A newcomer, and one
 *     whose last proof was bad, has each proof verified alone; trust grows with use, and is lost at once.
 *   - Proofs that go alone go one at a time, whatever the number of threads, and between two of them a batch of the
 *     others goes first. However many bad proofs come in, others lose a second look (0.2 s of one thread) a batch of 64.
 *   - Of many bad members some get no second look (see `BadProof.confirmed`). They are judged again, alone, as are all
 *     members of a batch that failed as a whole: a proof that ends a thread ends it for itself only.
 *   - A worker has a quarter of the waiting places at most, and a proof whose lease has ended gives its place up.
 *
 * The record of who is trusted is the leader's own, in memory: after a change of leaders everybody begins anew.
 */
import { ZkraftError } from '../../common/index.ts';
import type { VerificationKey } from '../../prover/formats/snarkjs-json.ts';
import type { BadProof, ProofClaim, Prover } from '../../prover/types.ts';

export interface QueuedProof {
  /** Of the pinned manifest: names the key. */
  readonly circuitDigest: string;
  readonly verificationKey: VerificationKey;
  readonly workerId: string;
  readonly claim: ProofClaim;
  /** False once nobody wants the answer any more. */
  readonly isWanted: () => boolean;
}

/** `undefined`: it was not wanted when its turn came, and nothing was verified. `error`: where it is malformed. */
export type ProofAnswer = { readonly good: boolean; readonly error?: ZkraftError } | undefined;

export interface VerificationQueueOptions {
  readonly verifier: Pick<Prover, 'verifyBatch' | 'threads'>;
  /** Most proofs waiting. */
  readonly queueMax: number;
  /** The most that a proof waits for others while a thread is idle; and none does whose last one was longer ago. */
  readonly waitMs: number;
  /** Of one batch, in the threads. */
  readonly timeoutMs: number;
  /** Told the size of each batch, when it sets off. */
  readonly onBatch?: (proofs: number) => void;
}

/** What one thread takes at once; a worker is trusted with so many at most. */
export const BATCH_MAX = 64;
/** So many workers' records are kept, those heard of last; who is forgotten is a newcomer. */
const RECORDS_MAX = 4_096;

interface Entry extends QueuedProof {
  /** When it need not wait for company any longer. */
  readonly dueMs: number;
  readonly resolve: (answer: ProofAnswer) => void;
  readonly reject: (error: unknown) => void;
  /** It was in a batch whose answer was not about itself. */
  alone: boolean;
}

export class VerificationQueue {
  readonly #options: VerificationQueueOptions;
  readonly #slots: number;
  #waiting: Entry[] = [];
  /** Good proofs since the last bad one, by worker, those heard of last at the end. */
  readonly #records = new Map<string, number>();
  /** Proofs in the threads, by worker. */
  readonly #inThreads = new Map<string, number>();
  /** When the last one came. */
  #lastMs = Number.NEGATIVE_INFINITY;
  #running = 0;
  #aloneIsRunning = false;
  #aloneWasLast = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: VerificationQueueOptions) {
    this.#options = options;
    this.#slots = Math.max(1, options.verifier.threads);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Rejects with `overloaded` when the queue is full or the worker has its share of it, and with what the verifier's
   * threads reject with: faults of ours, which say nothing about the proof.
   */
  verify(proof: QueuedProof): Promise<ProofAnswer> {
    const refusal = this.#refusal(proof.workerId);
    if (refusal) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const nowMs = performance.now();
      const { waitMs } = this.#options;
      const dueMs = nowMs - this.#lastMs < waitMs ? nowMs + waitMs : nowMs;
      this.#lastMs = nowMs;
      this.#waiting.push({ ...proof, dueMs, resolve, reject, alone: false });
      this.#dispatch();
    });
  }

  #refusal(workerId: string): ZkraftError | undefined {
    const { queueMax } = this.#options;
    const ownMax = Math.max(1, Math.floor(queueMax / 4));
    const own = (): number => this.#waiting.filter((entry) => entry.workerId === workerId).length;
    const full = (): boolean => this.#waiting.length >= queueMax || own() >= ownMax;
    if (full()) this.#dropUnwanted();
    if (!full()) return undefined;
    const waiting = this.#waiting.length >= queueMax ? `${queueMax} proofs` : `${ownMax} proofs of this worker`;
    return new ZkraftError('overloaded', `${waiting} wait to be verified; report again later`);
  }

  #dropUnwanted(): void {
    this.#waiting = this.#waiting.filter((entry) => {
      const wanted = entry.isWanted();
      if (!wanted) entry.resolve(undefined);
      return wanted;
    });
  }

  #dispatch(): void {
    clearTimeout(this.#timer);
    while (this.#running < this.#slots && this.#waiting.length > 0) {
      this.#dropUnwanted();
      const next = this.#next();
      if (next === undefined) return;
      if (typeof next === 'number') {
        this.#timer = setTimeout(() => this.#dispatch(), next);
        return;
      }
      void this.#run(next);
    }
  }

  /** What goes now; or the milliseconds until something may; or nothing before something comes back. */
  #next(): readonly Entry[] | number | undefined {
    const alone = this.#aloneIsRunning ? undefined : this.#waiting.find((entry) => this.#goesAlone(entry));
    if (alone !== undefined && !this.#aloneWasLast) return [alone];
    const batch = this.#batch();
    const [first] = batch;
    if (first === undefined) return alone && [alone];
    const leftMs = first.dueMs - performance.now();
    // Where one waits that goes alone, it is its turn next, and it may take long.
    return alone !== undefined || leftMs <= 0 || batch.length === BATCH_MAX ? batch : leftMs;
  }

  #record(workerId: string): number {
    return this.#records.get(workerId) ?? 0;
  }

  #goesAlone(entry: Entry): boolean {
    return entry.alone || this.#record(entry.workerId) === 0;
  }

  /** The oldest that may go together, all under the key of the first. */
  #batch(): readonly Entry[] {
    const batch: Entry[] = [];
    const room = new Map<string, number>();
    for (const entry of this.#waiting) {
      if (batch.length === BATCH_MAX) break;
      if (this.#goesAlone(entry) || entry.circuitDigest !== (batch[0] ?? entry).circuitDigest) continue;
      const { workerId } = entry;
      const left = room.get(workerId) ?? this.#record(workerId) - (this.#inThreads.get(workerId) ?? 0);
      if (left <= 0) continue;
      room.set(workerId, left - 1);
      batch.push(entry);
    }
    return batch;
  }

  async #run(batch: readonly Entry[]): Promise<void> {
    const [first] = batch as readonly [Entry];
    const alone = this.#goesAlone(first);
    const gone = new Set(batch);
    this.#waiting = this.#waiting.filter((entry) => !gone.has(entry));
    this.#running += 1;
    this.#aloneWasLast = alone;
    if (alone) this.#aloneIsRunning = true;
    for (const { workerId } of batch) this.#count(workerId, 1);
    this.#options.onBatch?.(batch.length);
    try {
      const { verifier, timeoutMs } = this.#options;
      const claims = batch.map(({ claim }) => claim);
      const bad = await verifier.verifyBatch(first.verificationKey, claims, { signal: AbortSignal.timeout(timeoutMs) });
      this.#answer(batch, bad);
    } catch (error) {
      if (batch.length === 1) first.reject(error);
      else this.#judgeAgain(batch);
    } finally {
      for (const { workerId } of batch) this.#count(workerId, -1);
      this.#running -= 1;
      if (alone) this.#aloneIsRunning = false;
      this.#dispatch();
    }
  }

  #answer(batch: readonly Entry[], bad: readonly BadProof[]): void {
    const badAt = new Map(bad.map((member) => [member.index, member]));
    const again: Entry[] = [];
    // Good ones first, so that a worker's last word counts.
    for (const [i, entry] of batch.entries()) {
      if (badAt.has(i)) continue;
      this.#learn(entry.workerId, Math.min(BATCH_MAX, this.#record(entry.workerId) + 1));
      entry.resolve({ good: true });
    }
    for (const { index, error, confirmed } of badAt.values()) {
      const entry = batch[index] as Entry;
      this.#learn(entry.workerId, 0);
      if (!confirmed && batch.length > 1) again.push(entry);
      else entry.resolve({ good: false, ...(error ? { error } : {}) });
    }
    this.#judgeAgain(again);
  }

  /** Before all others: they have waited for one answer already. */
  #judgeAgain(entries: readonly Entry[]): void {
    for (const entry of entries) entry.alone = true;
    this.#waiting = [...entries, ...this.#waiting];
  }

  #learn(workerId: string, good: number): void {
    this.#records.delete(workerId);
    this.#records.set(workerId, good);
    const [oldest] = this.#records.keys();
    if (this.#records.size > RECORDS_MAX && oldest !== undefined) this.#records.delete(oldest);
  }

  #count(workerId: string, change: number): void {
    const count = (this.#inThreads.get(workerId) ?? 0) + change;
    if (count === 0) this.#inThreads.delete(workerId);
    else this.#inThreads.set(workerId, count);
  }
}
