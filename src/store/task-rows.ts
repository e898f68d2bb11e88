/** Rows of `tasks` as the contract's types: digests in hex, bytes as plain Uint8Array, 64-bit counters as numbers. */
import { sha256Hex, toHex } from '../common/index.ts';
import type { Row } from './database.ts';
import type { ReadyTask, TaskRow, TaskStatus, TaskSummary } from './types.ts';

export const TERMINAL: readonly TaskStatus[] = ['completed', 'failed', 'cancelled'];
export const isTerminal = (status: TaskStatus): boolean => TERMINAL.includes(status);

export const READY_COLUMNS =
  'id, circuit_id, circuit_digest, tree_id, depth, leaf_index, root, external_hash, priority, attempt, request_id, created_at';
export const SUMMARY_COLUMNS = `${READY_COLUMNS}, owner, status, worker_id, error_code, error_message, started_at, completed_at, cancel_requested_at, cancel_requested_by, resubmitted_from`;
export const TASK_COLUMNS = `${SUMMARY_COLUMNS}, proof, public_signals`;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isUuid = (text: string): boolean => UUID.test(text);

/** A tree's id: SHA-256, in hex, over depth and leaf count (4 bytes each, big-endian) and the leaves, 32 bytes each. */
export function treeId(depth: number, leaves: Uint8Array): string {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(depth, 0);
  head.writeUInt32BE(leaves.length / 32, 4);
  return sha256Hex(head, leaves);
}

const bytes = (value: unknown): Uint8Array => new Uint8Array(value as Buffer);
export const optional = <T>(value: unknown, read: (value: unknown) => T): T | undefined =>
  value === null || value === undefined ? undefined : read(value);

export function readyTaskOf(row: Row): ReadyTask {
  return {
    id: row.id as string,
    circuitId: row.circuit_id as string,
    circuitDigest: toHex(bytes(row.circuit_digest)),
    treeId: toHex(bytes(row.tree_id)),
    depth: row.depth as number,
    leafIndex: Number(row.leaf_index),
    root: bytes(row.root),
    externalHash: bytes(row.external_hash),
    priority: row.priority as number,
    attempt: row.attempt as number,
    requestId: row.request_id as string,
    createdAt: row.created_at as Date,
  };
}

export function taskRowOf(row: Row): TaskRow {
  return {
    ...taskSummaryOf(row),
    proof: optional(row.proof, bytes),
    publicSignals: optional(row.public_signals, bytes),
  };
}

export function taskSummaryOf(row: Row): TaskSummary {
  return {
    ...readyTaskOf(row),
    owner: row.owner as string,
    status: row.status as TaskStatus,
    workerId: optional(row.worker_id, String),
    errorCode: optional(row.error_code, String),
    errorMessage: optional(row.error_message, String),
    startedAt: optional(row.started_at, (value) => value as Date),
    completedAt: optional(row.completed_at, (value) => value as Date),
    cancelRequestedAt: optional(row.cancel_requested_at, (value) => value as Date),
    cancelRequestedBy: optional(row.cancel_requested_by, String),
    resubmittedFrom: optional(row.resubmitted_from, String),
  };
}
