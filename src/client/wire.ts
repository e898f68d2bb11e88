/** From and to the gateway's JSON. What an answer must hold is checked; what more it holds is let pass. */
import { ZkraftError } from '../common/core.ts';
import type {
  Circuit,
  GatewayHealth,
  Groth16Proof,
  MerkleTaskRequest,
  SubmittedTask,
  Task,
  TaskPage,
  TaskStatus,
  TrustedSetup,
} from './types.ts';

type Json = Readonly<Record<string, unknown>>;

const STATUSES: ReadonlySet<unknown> = new Set<TaskStatus>([
  'pending',
  'assigned',
  'in_progress',
  'completed',
  'failed',
  'cancelled',
]);

export function submitBody(request: MerkleTaskRequest): Json {
  const { leaves, leafIndex, depth, priority, externalHash, fresh } = request;
  return {
    leaves: leaves.map(String),
    leaf_index: leafIndex,
    ...(depth === undefined ? {} : { depth }),
    ...(priority === undefined ? {} : { priority }),
    ...(externalHash === undefined ? {} : { external_hash: String(externalHash) }),
    ...(fresh === undefined ? {} : { fresh }),
  };
}

export function readSubmitted(body: Json, created: boolean): SubmittedTask {
  return {
    taskId: text(body, 'task_id'),
    status: status(body),
    message: optionalText(body, 'message') ?? '',
    requestId: optionalText(body, 'request_id') ?? '',
    created,
  };
}

export function readTask(body: Json): Task {
  return {
    taskId: text(body, 'task_id'),
    status: status(body),
    circuitId: text(body, 'circuit_id'),
    attempt: number(body, 'attempt'),
    createdAt: text(body, 'created_at'),
    requestId: optionalText(body, 'request_id') ?? '',
    ...defined({
      proof: body.proof as Groth16Proof | undefined,
      publicSignals: body.public_signals as readonly string[] | undefined,
      merkleRoot: optionalText(body, 'merkle_root'),
      circuitType: optionalText(body, 'circuit_type'),
      trustedSetup: optionalText(body, 'trusted_setup') as TrustedSetup | undefined,
      verificationKeyId: optionalText(body, 'verification_key_id'),
      error: optionalText(body, 'error'),
      code: optionalText(body, 'code'),
      workerId: optionalText(body, 'worker_id'),
      startedAt: optionalText(body, 'started_at'),
      completedAt: optionalText(body, 'completed_at'),
      cancelRequestedAt: optionalText(body, 'cancel_requested_at'),
      resubmittedFrom: optionalText(body, 'resubmitted_from'),
    }),
    raw: body,
  };
}

export function readTasks(body: Json): TaskPage {
  if (!Array.isArray(body.tasks)) throw malformed('tasks');
  return {
    tasks: body.tasks.map((task: Json) => ({
      taskId: text(task, 'task_id'),
      status: status(task),
      circuitId: text(task, 'circuit_id'),
      merkleRoot: text(task, 'merkle_root'),
      leafIndex: number(task, 'leaf_index'),
      priority: number(task, 'priority'),
      attempt: number(task, 'attempt'),
      createdAt: text(task, 'created_at'),
      ...defined({
        error: optionalText(task, 'error'),
        code: optionalText(task, 'code'),
        workerId: optionalText(task, 'worker_id'),
        startedAt: optionalText(task, 'started_at'),
        completedAt: optionalText(task, 'completed_at'),
      }),
    })),
    nextCursor: optionalText(body, 'next_cursor'),
  };
}

export function readCircuits(body: Json): readonly Circuit[] {
  if (!Array.isArray(body.circuits)) throw malformed('circuits');
  return body.circuits.map((circuit: Json) => ({
    circuitId: text(circuit, 'circuit_id'),
    circuitType: text(circuit, 'circuit_type'),
    ...defined({ depth: circuit.depth as number | undefined }),
    proofSystem: text(circuit, 'proof_system'),
    curve: text(circuit, 'curve'),
    trustedSetup: text(circuit, 'trusted_setup') as TrustedSetup,
    setupCheck: text(circuit, 'setup_check'),
    publicSignals: circuit.public_signals as readonly string[],
    constraints: number(circuit, 'constraints'),
    manifestId: text(circuit, 'manifest_id'),
    verificationKeyId: text(circuit, 'verification_key_id'),
    createdAt: text(circuit, 'created_at'),
  }));
}

export function readHealth(body: Json, healthy: boolean): GatewayHealth {
  return {
    healthy,
    status: optionalText(body, 'status') ?? (healthy ? 'ok' : 'unavailable'),
    version: optionalText(body, 'version'),
    checks: (body.checks as Readonly<Record<string, string>> | undefined) ?? {},
  };
}

const malformed = (field: string): ZkraftError =>
  new ZkraftError('internal', `the gateway's answer lacks ${field}, or holds it malformed; is it of another version?`, {
    field,
  });

function text(body: Json, field: string): string {
  const value = body?.[field];
  if (typeof value !== 'string') throw malformed(field);
  return value;
}

function optionalText(body: Json, field: string): string | undefined {
  const value = body[field];
  return typeof value === 'string' ? value : undefined;
}

function number(body: Json, field: string): number {
  const value = body[field];
  if (typeof value !== 'number') throw malformed(field);
  return value;
}

function status(body: Json): TaskStatus {
  if (!STATUSES.has(body.status)) throw malformed('status');
  return body.status as TaskStatus;
}

/** Without the keys that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
