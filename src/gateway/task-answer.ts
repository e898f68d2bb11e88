/** A task's row as the status route answers it. */
import { fromBytesBE, invariant, unpackElements } from '../common/index.ts';
import type { PinnedCircuit } from '../prover/artifacts/types.ts';
import type { TaskRow, TaskStatus } from '../store/types.ts';
import type { TaskAnswer } from './schemas.ts';

export const isTerminal = (status: TaskStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** `circuit` is what is pinned for the row's circuit id, if anything is. */
export function describeTask(row: TaskRow, circuit: PinnedCircuit | undefined, requestId: string): TaskAnswer {
  const manifest = circuit?.digest === row.circuitDigest ? circuit.manifest : undefined;
  return {
    success: true,
    task_id: row.id,
    status: row.status,
    ...(row.status === 'completed' ? result(row) : {}),
    merkle_root: fromBytesBE(row.root).toString(),
    circuit_type: 'merkle',
    circuit_id: row.circuitId,
    ...(manifest ? { trusted_setup: manifest.trustedSetup, verification_key_id: manifest.files.vkey.digest } : {}),
    ...(row.errorMessage === undefined ? {} : { error: row.errorMessage }),
    ...(row.errorCode === undefined ? {} : { code: row.errorCode }),
    attempt: row.attempt,
    ...(row.workerId === undefined ? {} : { worker_id: row.workerId }),
    created_at: row.createdAt.toISOString(),
    ...(row.startedAt === undefined ? {} : { started_at: row.startedAt.toISOString() }),
    ...(row.completedAt === undefined ? {} : { completed_at: row.completedAt.toISOString() }),
    ...(row.cancelRequestedAt === undefined ? {} : { cancel_requested_at: row.cancelRequestedAt.toISOString() }),
    ...(row.resubmittedFrom === undefined ? {} : { resubmitted_from: row.resubmittedFrom }),
    request_id: requestId,
  };
}

function result(row: TaskRow): Pick<TaskAnswer, 'proof' | 'public_signals'> {
  invariant(row.proof && row.publicSignals, 'a completed task has its proof and public signals');
  return {
    proof: proofJson(row.proof),
    public_signals: unpackElements(row.publicSignals, 'public_signals').map(String),
  };
}

/**
 * 256 bytes (A.x A.y, B.x.c0 B.x.c1 B.y.c0 B.y.c1, C.x C.y; 32 bytes each, big-endian) as snarkjs writes a proof.
 * Only the notation changes: the coordinator verified it before the row was written, and the prover's strict reader
 * would spend milliseconds of this thread on the subgroup check again.
 */
function proofJson(bytes: Uint8Array): NonNullable<TaskAnswer['proof']> {
  invariant(bytes.length === 256, 'a Groth16 proof has 256 bytes');
  const at = (i: number): string => fromBytesBE(bytes.subarray(i * 32, i * 32 + 32)).toString();
  return {
    pi_a: [at(0), at(1), '1'],
    pi_b: [
      [at(2), at(3)],
      [at(4), at(5)],
      ['1', '0'],
    ],
    pi_c: [at(6), at(7), '1'],
    protocol: 'groth16',
    curve: 'bn128',
  };
}
