/**
 * Is this assignment one that can be proved? Pure.
 *
 * A coordinator of another version, or a hostile one, may send anything. What has no usable lease cannot even be
 * answered and is ignored; everything else that is wrong is reported as a failure under its code, and none of these
 * codes is retryable, so that a poison task ends instead of going round the fleet. No message holds a leaf.
 */
import { ELEMENT_BYTES, toHex, unpackElements, ZkraftError } from '../common/index.ts';
import type { Lease, TaskAssignment } from '../common/rpc/index.ts';
import { merkleCircuitDepth } from '../prover/index.ts';
import type { MerkleStatement } from '../prover/types.ts';
import { leaseKey } from './lease.ts';

/** The most leaves that a task may have; the gateway refuses more. */
const LEAVES_MAX = 1_000;
const DEPTH_MAX = 32;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const REQUEST_ID_CHARS_MAX = 200;

export interface CircuitName {
  readonly circuitId: string;
  /** Lower-case hex SHA-256 of the manifest. */
  readonly manifestDigest: string;
}

export interface CheckedAssignment {
  readonly circuit: CircuitName;
  readonly statement: MerkleStatement;
}

/** The lease, when it is one that this worker can hold and answer for; else why it is not. */
export function readLease(lease: Lease | undefined, workerId: string): Lease | string {
  if (lease === undefined) return 'the lease is missing';
  if (!UUID.test(lease.taskId)) return 'lease.task_id is not a UUID';
  if (lease.workerId !== workerId) return 'lease.worker_id is of another worker';
  if (lease.attempt < 1) return 'lease.attempt is below 1';
  return { ...lease };
}

/** For logs and for metadata: printable ASCII, of bounded length. */
export const cleanRequestId = (requestId: string): string =>
  requestId.replace(/[^\x21-\x7e]/g, '').slice(0, REQUEST_ID_CHARS_MAX);

/** Throws the code that the failure is to be reported under. */
export function checkAssignment(assignment: TaskAssignment): CheckedAssignment {
  const { circuit, task, lease } = assignment;
  const name = lease === undefined ? 'the assignment' : `the assignment ${leaseKey(lease)}`;
  if (circuit === undefined) {
    throw new ZkraftError('invalid_input', `${name} names no circuit`, { field: 'circuit' });
  }
  if (circuit.manifestDigest.length !== 32) {
    throw new ZkraftError(
      'invalid_input',
      `circuit.manifest_digest of ${name} is ${circuit.manifestDigest.length} bytes; a SHA-256 has 32`,
      { field: 'circuit.manifest_digest' },
    );
  }
  if (task?.$case !== 'merkle') {
    throw new ZkraftError('invalid_input', `${name} holds no task of a kind that this worker knows; upgrade it`, {
      field: 'task',
    });
  }
  const { depth, leafIndex } = task.value;
  if (depth < 1 || depth > DEPTH_MAX) {
    throw new ZkraftError('invalid_depth', `merkle.depth is ${depth}, not 1 to ${DEPTH_MAX}`, { field: 'depth' });
  }
  if (merkleCircuitDepth(circuit.circuitId) !== depth) {
    throw new ZkraftError('invalid_input', `circuit.circuit_id of ${name} is no Merkle circuit of depth ${depth}`, {
      field: 'circuit.circuit_id',
    });
  }
  const leaves = readLeaves(task.value.leaves);
  if (leaves.length > 2 ** depth) {
    throw new ZkraftError('invalid_depth', `${leaves.length} leaves do not fit in a tree of depth ${depth}`, {
      field: 'depth',
    });
  }
  if (leafIndex >= leaves.length) {
    throw new ZkraftError(
      'invalid_leaf_index',
      `merkle.leaf_index is ${leafIndex}, but there are ${leaves.length} leaves`,
      { field: 'leaf_index' },
    );
  }
  return {
    circuit: { circuitId: circuit.circuitId, manifestDigest: toHex(circuit.manifestDigest) },
    statement: {
      leaves,
      leafIndex,
      depth,
      root: readElement(task.value.root, 'root'),
      externalHash: readElement(task.value.externalHash, 'external_hash'),
    },
  };
}

function readLeaves(bytes: Uint8Array): readonly bigint[] {
  const count = bytes.length / ELEMENT_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > LEAVES_MAX) {
    throw new ZkraftError(
      'invalid_leaves',
      `merkle.leaves is ${bytes.length} bytes; it must be 1 to ${LEAVES_MAX} elements of ${ELEMENT_BYTES} bytes`,
      { field: 'leaves' },
    );
  }
  const leaves = unpackElements(bytes, 'leaves');
  const zeroAt = leaves.indexOf(0n);
  if (zeroAt !== -1) {
    throw new ZkraftError('invalid_leaf', `leaves[${zeroAt}] is zero, which is the padding and never a leaf`, {
      field: `leaves[${zeroAt}]`,
    });
  }
  return leaves;
}

function readElement(bytes: Uint8Array, field: string): bigint {
  const value = bytes.length === ELEMENT_BYTES ? unpackElements(bytes, field)[0] : undefined;
  if (value === undefined) {
    throw new ZkraftError('invalid_input', `merkle.${field} is ${bytes.length} bytes, not ${ELEMENT_BYTES}`, { field });
  }
  return value;
}
