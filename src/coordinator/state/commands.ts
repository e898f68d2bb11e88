/**
 * The commands of the log, and their encoding: JSON, one object an entry, with `kind`, `v` and `nowMs`.
 *
 * JSON, because an entry is a few hundred bytes and its fsync costs a thousand times what parsing it does, because a
 * log that a person can read is worth much on a bad day, and because unknown fields of a newer version do no harm.
 * Commands carry all that is not determined by the state: the leader's time, ids, and the leader's judgement whether
 * an error is worth another try. An entry that is no command decodes to `undefined`: every node ignores it alike, since
 * commands of a later release come only after `version_raised`, at which an older program stops.
 */
import type { LeaseRef, RetryRule, TaskSpec } from './model.ts';

export const COMMAND_VERSION = 1;

export type CommandBody =
  | {
      readonly kind: 'worker_added';
      readonly worker: {
        readonly id: string;
        readonly slots: number;
        readonly softwareVersion: string;
        readonly backends: readonly string[];
        readonly cachedCircuits: readonly string[];
        readonly host: string;
        /** Absent in entries of older versions, and of workers that show no key. */
        readonly keyHash?: string;
      };
      /** What it still works on; its other live leases end. */
      readonly held: readonly LeaseRef[];
    }
  | { readonly kind: 'worker_removed'; readonly workerId: string; readonly sessionId: number; readonly reason: string }
  | {
      readonly kind: 'worker_state';
      readonly workerId: string;
      /**
       * `active` and `draining` are the worker's own word; `drained` and `quarantined` hold, over registrations, until
       * `released`, which forgets the bad proofs too.
       */
      readonly to: 'active' | 'draining' | 'drained' | 'quarantined' | 'released';
    }
  | {
      readonly kind: 'task_assigned';
      readonly task: TaskSpec;
      readonly retry: RetryRule;
      readonly attempt: number;
      readonly workerId: string;
      readonly sessionId: number;
    }
  | { readonly kind: 'task_started'; readonly lease: LeaseRef }
  | {
      readonly kind: 'task_completed';
      readonly lease: LeaseRef;
      readonly proof: string;
      readonly publicSignals: string;
    }
  | {
      readonly kind: 'task_failed';
      readonly lease: LeaseRef;
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
      /** The leader checked the proof and it is wrong: counts against the worker too. */
      readonly badProof: boolean;
    }
  | { readonly kind: 'lease_expired'; readonly lease: LeaseRef; readonly code: string; readonly message: string }
  | {
      readonly kind: 'task_cancelled';
      readonly taskId: string;
      readonly requestId: string;
      /** As the database has it; counts only when the state does not hold the task. */
      readonly attempt: number;
      readonly reason: string;
    }
  | {
      /** Leased by the database's account, unknown to the state. */
      readonly kind: 'task_orphaned';
      readonly taskId: string;
      readonly requestId: string;
      readonly retry: RetryRule;
      readonly attempt: number;
    }
  | { readonly kind: 'projected'; readonly upto: number }
  /** The database went back in time: everything that is still held is written again. */
  | { readonly kind: 'outbox_refilled' }
  /** All members understand that version; it holds from here on. */
  | { readonly kind: 'version_raised'; readonly to: number };

export type Command = CommandBody & { readonly nowMs: number };
export type CommandKind = CommandBody['kind'];

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeCommand(body: CommandBody, nowMs: number): Uint8Array {
  return encoder.encode(JSON.stringify({ v: COMMAND_VERSION, nowMs, ...body }));
}

/** Total: undefined for whatever is not a well-formed command of this version. */
export function decodeCommand(data: Uint8Array): Command | undefined {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
  if (!isRecord(json) || json.v !== COMMAND_VERSION || !isCount(json.nowMs)) return undefined;
  if (typeof json.kind !== 'string' || !Object.hasOwn(CHECKS, json.kind)) return undefined;
  return CHECKS[json.kind as CommandKind](json) ? (json as unknown as Command) : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

const isLease = (value: unknown): boolean =>
  isRecord(value) && isText(value.taskId) && isText(value.workerId) && isCount(value.attempt) && isCount(value.epoch);

const isSpec = (value: unknown): boolean =>
  isRecord(value) &&
  ['id', 'requestId', 'circuitId', 'circuitDigest', 'treeId', 'root', 'externalHash'].every((key) =>
    isText(value[key]),
  ) &&
  isCount(value.depth) &&
  isCount(value.leafIndex);

const isRule = (value: unknown): boolean =>
  isRecord(value) && isCount(value.attemptsMax) && isCount(value.backoffBaseMs) && isCount(value.backoffCapMs);

const WORKER_STATES: readonly unknown[] = ['active', 'draining', 'drained', 'quarantined', 'released'];

const CHECKS: Readonly<Record<CommandKind, (fields: Fields) => boolean>> = {
  worker_added: ({ worker, held }) =>
    isRecord(worker) &&
    isText(worker.id) &&
    isCount(worker.slots) &&
    isText(worker.softwareVersion) &&
    isTexts(worker.backends) &&
    isTexts(worker.cachedCircuits) &&
    isText(worker.host) &&
    (worker.keyHash === undefined || isText(worker.keyHash)) &&
    Array.isArray(held) &&
    held.every(isLease),
  worker_removed: ({ workerId, sessionId, reason }) => isText(workerId) && isCount(sessionId) && isText(reason),
  worker_state: ({ workerId, to }) => isText(workerId) && WORKER_STATES.includes(to),
  task_assigned: ({ task, retry, attempt, workerId, sessionId }) =>
    isSpec(task) && isRule(retry) && isCount(attempt) && isText(workerId) && isCount(sessionId),
  task_started: ({ lease }) => isLease(lease),
  task_completed: ({ lease, proof, publicSignals }) => isLease(lease) && isText(proof) && isText(publicSignals),
  task_failed: ({ lease, code, message, retryable, badProof }) =>
    isLease(lease) &&
    isText(code) &&
    isText(message) &&
    typeof retryable === 'boolean' &&
    typeof badProof === 'boolean',
  lease_expired: ({ lease, code, message }) => isLease(lease) && isText(code) && isText(message),
  task_cancelled: ({ taskId, requestId, attempt, reason }) =>
    isText(taskId) && isText(requestId) && isCount(attempt) && isText(reason),
  task_orphaned: ({ taskId, requestId, retry, attempt }) =>
    isText(taskId) && isText(requestId) && isRule(retry) && isCount(attempt),
  projected: ({ upto }) => isCount(upto),
  outbox_refilled: () => true,
  version_raised: ({ to }) => isCount(to),
};
