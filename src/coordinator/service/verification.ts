/**
 * Is this proof what the task asked for? Asked of every proof before it counts.
 *
 * The public signals must be, byte for byte, those of the task: what a worker sends is compared, never believed. The
 * key is the pinned one. Points are checked and paired in the verifier's threads, for this one has leases to renew; how
 * many wait for it is bounded, and one whose lease ended while it waited is not verified at all: a worker that hands in
 * many bad proofs at once is quarantined at the third, and the rest cost nothing.
 */
import { ELEMENT_BYTES, fromBytesBE, ZkraftError } from '../../common/index.ts';
import { spellProof } from '../../prover/index.ts';
import type { Prover } from '../../prover/types.ts';
import type { CircuitCatalog } from '../circuits.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { TaskSpec } from '../state/index.ts';

export interface ProofJudgeOptions {
  readonly verifier: Pick<Prover, 'verify' | 'threads'>;
  readonly catalog: Pick<CircuitCatalog, 'verifying'>;
  readonly metrics: CoordinatorMetrics;
  /** Most proofs waiting for a thread. */
  readonly queueMax?: number;
  readonly timeoutMs?: number;
}

/** `ok`, or why the proof is bad. Faults of ours (no key, no thread) are thrown instead: they are not the worker's. */
export type ProofVerdict = { readonly ok: true } | { readonly ok: false; readonly why: string };

const PROOF_BYTES = 256;

export class ProofJudge {
  readonly #options: ProofJudgeOptions;
  readonly #queueMax: number;
  readonly #timeoutMs: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: ProofJudgeOptions) {
    this.#options = options;
    this.#queueMax = options.queueMax ?? 256;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  /** `isWanted` is asked when the proof's turn comes; `undefined` when it was not, and nothing was verified. */
  async judge(
    task: TaskSpec,
    proof: Uint8Array,
    signals: readonly Uint8Array[],
    isWanted: () => boolean = () => true,
  ): Promise<ProofVerdict | undefined> {
    const startedMs = performance.now();
    const circuit = await this.#options.catalog.verifying(task.circuitId, task.circuitDigest);
    const expected = expectedSignals(task, circuit.publicSignals);
    if (proof.length !== PROOF_BYTES) return { ok: false, why: `proof is ${proof.length} bytes, not ${PROOF_BYTES}` };
    if (signals.length !== expected.length) {
      return { ok: false, why: `there are ${signals.length} public signals, not ${expected.length}` };
    }
    for (const [i, signal] of signals.entries()) {
      if (Buffer.compare(signal, expected[i] ?? new Uint8Array()) !== 0) {
        return { ok: false, why: `public signal ${circuit.publicSignals[i]} is not the task's` };
      }
    }
    await this.#enter();
    try {
      if (!isWanted()) return undefined;
      const spelled = spellProof(proof);
      const texts = expected.map((signal) => fromBytesBE(signal).toString());
      const verified = await this.#options.verifier.verify(circuit.verificationKey, spelled, texts, {
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      return verified ? { ok: true } : { ok: false, why: 'the proof does not verify' };
    } catch (error) {
      const { code, message } = ZkraftError.from(error);
      if (code === 'proof_malformed') return { ok: false, why: message };
      throw error;
    } finally {
      this.#leave();
      this.#options.metrics.time('coordinator_verify_seconds', performance.now() - startedMs);
    }
  }

  async #enter(): Promise<void> {
    // One more than there are threads, so that none idles while the next proof is on its way.
    if (this.#running <= this.#options.verifier.threads) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= this.#queueMax) {
      throw new ZkraftError('overloaded', `${this.#queueMax} proofs wait to be verified; report again later`);
    }
    // The one that leaves hands its place over, so the count stays.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

/** The public signals of the task, 32 bytes each, in the circuit's order. */
export function expectedSignals(task: TaskSpec, names: readonly string[]): Uint8Array[] {
  return names.map((name) => {
    const value = signalOf(task, name);
    if (value.length !== ELEMENT_BYTES) throw new ZkraftError('internal', `task ${task.id} lacks its ${name}`);
    return value;
  });
}

function signalOf(task: TaskSpec, name: string): Uint8Array {
  switch (name) {
    case 'root':
      return Buffer.from(task.root, 'base64');
    case 'externalHash':
    case 'external_hash':
      return Buffer.from(task.externalHash, 'base64');
    default:
      throw new ZkraftError('circuit_unavailable', `nobody knows what public signal "${name}" must be for a task`);
  }
}
