/** What a worker has to say about a task it held: a proof, or why there is none. */
import { type ErrorCode, parseElement, toBytesBE } from '../common/index.ts';
import type { Lease } from '../common/rpc/index.ts';
import { proofToBytes } from '../prover/index.ts';
import type { ProveResult, ProveTimings } from '../prover/types.ts';

export interface CompletionReport {
  readonly kind: 'completion';
  readonly lease: Lease;
  readonly requestId: string;
  readonly circuitId: string;
  /** 256 bytes, as worker.proto has it. */
  readonly proof: Uint8Array;
  /** 32 bytes each, big-endian, in the circuit's order. */
  readonly publicSignals: readonly Uint8Array[];
  readonly backend: string;
  readonly timings: ProveTimings;
}

export interface FailureReport {
  readonly kind: 'failure';
  readonly lease: Lease;
  readonly requestId: string;
  readonly circuitId: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export type Report = CompletionReport | FailureReport;

/** The report of a proof. Throws `internal` when the prover's answer is not as its types say. */
export function completionOf(
  lease: Lease,
  requestId: string,
  circuitId: string,
  { proof, publicSignals, backend, timings }: ProveResult,
): CompletionReport {
  return {
    kind: 'completion',
    lease,
    requestId,
    circuitId,
    proof: proofToBytes(proof),
    publicSignals: publicSignals.map((signal, i) => toBytesBE(parseElement(signal, `publicSignals[${i}]`, 'internal'))),
    backend,
    timings,
  };
}
