/**
 * Proofs on their way to the verifier's threads: which go together, which go alone, and who waits for whom.
 *
 * Many proofs under one key cost less than half of what each costs by itself, so what arrives while a thread is busy goes
 * together, up to 64 under one key; and one that finds a thread idle waits a few milliseconds for company, if there is
 * some to expect: the one before it came less than so many milliseconds before. Bad members cost their batch a search for
 * them, as long as one or two more batches where one is bad and seven or eight where all are, and a second look in BigInt
 * at four of them at most, 80 ms each. So that nobody pays for another's more often than that:
 *
 *   - A worker has no more proofs in batches at a time than it had good ones since its last bad one. A newcomer, and one
 *     whose last proof was bad, has each proof verified alone; trust grows with use, and is lost at once. Whoever was
 *     trusted spoils the batches in which it is when its first bad proof is found, one a thread at most, and then none
 *     before its next good proof.
 *   - Proofs that go alone go one at a time, whatever the number of threads, and between two of them a batch of the
 *     others goes first. However many bad proofs come from those without trust, others lose one second look a batch.
 *   - Of many bad members some get no second look (see `BadProof.confirmed`). They are judged again, alone, as are all
 *     members of a batch that failed as a whole: a proof that ends a thread ends it for itself only.
 *   - A worker has a quarter of the waiting places at most, and a proof whose lease has ended gives its place up.
 *
 * The record of who is trusted is the leader's own, in memory: after a change of leaders everybody begins anew.
 */
import { ZkraftError } from '../../common/index.ts';
import type { VerificationKey } from '../../prover/formats/snarkjs-json.ts';
import { BATCH_SLICE, type BadProof, type ProofClaim, type Prover } from '../../prover/index.ts';

export interface QueuedProof {
  /** Of the pinned manifest: names the key. */
  readonly circuitDigest: string;
  readonly verificationKey: VerificationKey;
  readonly workerId: string;
  readonly claim: ProofClaim;
  /** False once nobody wants the answer any more. */
  readonly isWanted: () => boolean;
}

/** `undefined`: it was not wanted when its turn came, and nothing was verified. `error`: where the proof is malformed. */
export type ProofAnswer = { readonly good: boolean; readonly error?: ZkraftError } | undefined;

export interface VerificationQueueOptions {
  readonly verifier: Pick<Prover, 'verifyBatch' | 'threads'>;
  /** Most proofs waiting. */
  readonly queueMax: number;
  /** The most that a proof waits for others while a thread is idle, a second at most; none does whose last one was longer ago. */
  readonly waitMs: number;
  /** Of one batch, in the threads. */
  readonly timeoutMs: number;
  /** Told the size of each batch, when it sets off. */
  readonly onBatch?: (proofs: number) => void;
}

/** A thread that is idle is a thread that verifies nothing: longer than this nobody waits for company, whatever is set. */
const WAIT_MS_MAX = 1_000;
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
  readonly #waitMs: number;
  #waiting: Entry[] = [];
  /** Good proofs since the last bad one, by worker, those heard of last at the end; none is 0. */
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
    this.#waitMs = Math.min(options.waitMs, WAIT_MS_MAX);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Rejects with `overloaded` when the queue is full or the worker has its share of it; with what the verifier's threads
   * reject with; and with `internal` where they refuse the public signals, which are the task's. The last two are faults
   * of ours, which say nothing about the proof or the worker.
   */
  verify(proof: QueuedProof): Promise<ProofAnswer> {
    const refusal = this.#refusal(proof.workerId);
    if (refusal) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const nowMs = performance.now();
      const dueMs = nowMs - this.#lastMs < this.#waitMs ? nowMs + this.#waitMs : nowMs;
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
    return alone !== undefined || leftMs <= 0 || batch.length === BATCH_SLICE ? batch : leftMs;
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
      if (batch.length === BATCH_SLICE) break;
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
    try {
      const { verifier, timeoutMs, onBatch } = this.#options;
      onBatch?.(batch.length);
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
      this.#praise(entry.workerId);
      entry.resolve({ good: true });
    }
    for (const { index, error, confirmed } of badAt.values()) {
      const entry = batch[index] as Entry;
      if (error !== undefined && error.code !== 'proof_malformed') {
        // The signals are the task's, the key is ours.
        entry.reject(
          new ZkraftError('internal', `the verifier refused what is not the worker's: ${error.message}`, {
            cause: error,
          }),
        );
        continue;
      }
      // Forgotten, not kept as 0: so that workers whose proofs are bad put nobody out who is trusted.
      this.#records.delete(entry.workerId);
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

  /** One good proof more. */
  #praise(workerId: string): void {
    const good = Math.min(BATCH_SLICE, this.#record(workerId) + 1);
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
