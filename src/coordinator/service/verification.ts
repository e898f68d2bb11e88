/**
 * Is this proof what the task asked for? Asked of every proof before it counts.
 *
 * The public signals must be, byte for byte, those of the task: what a worker sends is compared, never believed. The
 * key is the pinned one. Points are checked and paired in the verifier's threads, for this one has leases to renew; how
 * many wait for it is bounded, and one whose lease ended while it waited is not verified at all: a worker that hands in
 * many bad proofs at once is quarantined at the third, and the rest cost nothing. Which proofs are verified together, and
 * in what order, is verification-queue.ts's.
 */
import { ELEMENT_BYTES, fromBytesBE, ZkraftError } from '../../common/index.ts';
import { spellProof } from '../../prover/index.ts';
import type { Prover } from '../../prover/types.ts';
import type { CircuitCatalog } from '../circuits.ts';
import type { CoordinatorMetrics } from '../metrics.ts';
import type { TaskSpec } from '../state/index.ts';
import { VerificationQueue } from './verification-queue.ts';

export interface ProofJudgeOptions {
  readonly verifier: Pick<Prover, 'verifyBatch' | 'threads'>;
  readonly catalog: Pick<CircuitCatalog, 'verifying'>;
  readonly metrics: CoordinatorMetrics;
  /** Most proofs waiting for a thread. */
  readonly queueMax?: number;
  /** The most that a proof waits for others to be verified with, where others come as often. Default 10. */
  readonly waitMs?: number;
  readonly timeoutMs?: number;
}

/** What a worker handed in, and whether anybody still wants to know. */
export interface HandedIn {
  readonly workerId: string;
  readonly proof: Uint8Array;
  /** 32 bytes each, in the circuit's order. */
  readonly signals: readonly Uint8Array[];
  /** Asked when the proof's turn comes. Default: always. */
  readonly isWanted?: () => boolean;
}

/** `ok`, or why the proof is bad. Faults of ours (no key, no thread) are thrown instead: they are not the worker's. */
export type ProofVerdict = { readonly ok: true } | { readonly ok: false; readonly why: string };

const PROOF_BYTES = 256;

export class ProofJudge {
  readonly #options: ProofJudgeOptions;
  readonly #queue: VerificationQueue;

  constructor(options: ProofJudgeOptions) {
    this.#options = options;
    const { verifier, metrics, queueMax = 256, waitMs = 10, timeoutMs = 30_000 } = options;
    const onBatch = (proofs: number): void => metrics.observe('coordinator_verify_batch_proofs', proofs);
    this.#queue = new VerificationQueue({ verifier, queueMax, waitMs, timeoutMs, onBatch });
  }

  /** Proofs that wait for a thread. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /** `undefined` when it was not wanted any more, and nothing was verified. */
  async judge(
    task: TaskSpec,
    { workerId, proof, signals, isWanted = () => true }: HandedIn,
  ): Promise<ProofVerdict | undefined> {
    const startedMs = performance.now();
    const { circuitId, circuitDigest } = task;
    const { verificationKey, publicSignals: names } = await this.#options.catalog.verifying(circuitId, circuitDigest);
    const expected = expectedSignals(task, names);
    if (proof.length !== PROOF_BYTES) return { ok: false, why: `proof is ${proof.length} bytes, not ${PROOF_BYTES}` };
    if (signals.length !== expected.length) {
      return { ok: false, why: `there are ${signals.length} public signals, not ${expected.length}` };
    }
    for (const [i, signal] of signals.entries()) {
      if (Buffer.compare(signal, expected[i] ?? new Uint8Array()) !== 0) {
        return { ok: false, why: `public signal ${names[i]} is not the task's` };
      }
    }
    const publicSignals = expected.map((signal) => fromBytesBE(signal).toString());
    const claim = { proof: spellProof(proof), publicSignals };
    const answer = await this.#queue.verify({ circuitDigest, verificationKey, workerId, claim, isWanted });
    if (answer === undefined) return undefined;
    this.#options.metrics.time('coordinator_verify_seconds', performance.now() - startedMs);
    return answer.good ? { ok: true } : { ok: false, why: answer.error?.message ?? 'the proof does not verify' };
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
